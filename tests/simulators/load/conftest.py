"""A caller whose server is a list: what the phone sends is looked at, and what it hears is said by the test."""

import json
from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import pytest

from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream
from bridge.simulators.load.caller import Behaviour, Caller
from bridge.simulators.load.measures import Sample, Tally
from bridge.simulators.load.talk import make_talk
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K

BEGAN = 1000.0
FRAME_S = 0.02


def tone(ms: int, hz: float = 613.0) -> bytes:
    at = np.arange(8 * ms) / 8000
    return encoder(PCMU_8K)((9000 * np.sin(2 * np.pi * hz * at)).astype(np.int16))


def silence(ms: int) -> bytes:
    return b"\xff" * (8 * ms)


class Line:
    """One caller in virtual time. It says a second of silence, a second of speech, and silence up to 10 s."""

    def __init__(self, behaviour: Behaviour, said: bytes) -> None:
        talk = make_talk("said", said, PCMU_8K)
        self.stream = SimulatedTwilioStream(call_sid="CA1", account_sid="AC1")
        self.tally = Tally()
        self.sent: list[dict[str, Any]] = []
        self.now = BEGAN
        self.frames = 0
        payloads = [self.stream.payload("inbound", frame) for frame in talk.frames]
        self.caller = Caller(
            talk,
            payloads,
            self.stream,
            behaviour,
            self.tally,
            lambda text: self.sent.append(json.loads(text)),
        )
        self.caller.open()

    def frame(self, **options: bool) -> bytes:
        """The next frame is due; what of it was sent, if it was."""
        self.now = max(self.now, BEGAN + self.frames * FRAME_S)
        before = len(self.sent)
        self.caller.frame(BEGAN + self.frames * FRAME_S, **options)
        self.frames += 1
        media = [b64decode(one["media"]["payload"]) for one in self.sent[before:] if one["event"] == "media"]
        return b"".join(media)

    def say_until(self, seconds: float) -> None:
        """The caller sends frames; the server is silent."""
        while self.frames * FRAME_S < seconds:
            self.frame()

    def reply(self, audio: bytes, after_s: float = 0.0) -> None:
        self.hear({"event": "media", "media": {"payload": b64encode(audio).decode()}}, after_s)

    def hear(self, message: dict[str, Any], after_s: float = 0.0) -> None:
        self.now += after_s
        self.caller.hear(json.dumps(message | {"streamSid": self.stream.stream_sid}), self.now)

    def echo(self, seconds: float, after_s: float = 0.003) -> None:
        """Each frame comes back after so long."""
        end = self.frames + round(seconds / FRAME_S)
        while self.frames < end:
            frame = self.frame()
            self.now = BEGAN + (self.frames - 1) * FRAME_S
            self.reply(frame, after_s)

    def of(self, event: str) -> list[dict[str, Any]]:
        """What was sent of this kind."""
        return [one for one in self.sent if one["event"] == event]

    def hang_up(self) -> Sample:
        self.caller.finish(self.now)
        return self.tally.take(0, 0, 0, 0.1)


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Line:
    behaviour = getattr(request, "param", Behaviour())
    return Line(behaviour, silence(1000) + tone(1000, hz=440.3))
