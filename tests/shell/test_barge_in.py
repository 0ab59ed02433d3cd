"""A barge-in that the bridge hears itself: one synchronous stack from the caller's frame to the carrier's `clear`.

The session, the core and the dialects are the real ones, between two legs that write down what they are to send. Nothing
here awaits, so no timer can have fired.
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.stream.dialect import StreamDialect
from bridge.assistants.stream.settings import StreamSettings
from bridge.carriers.twilio.stream import TwilioStream
from bridge.config.audio_file import read_wav
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.shell.session import Session
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.contracts import Assistant, Connection, Lost, Receive, WireMessage

SENTENCE = read_wav(Path(__file__).parents[2] / "fixtures" / "sentence-en-us-male.wav")
REPLY = b"\x55" * 16_000  # 2 s
START = {
    "event": "start",
    "start": {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}


class WritingLeg:
    """Writes down what it is to send."""

    stalled = False

    def __init__(self) -> None:
        self.sent: list[WireMessage] = []

    def send(self, message: WireMessage) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.sent.append("closed")

    def take(self, name: str) -> list[str]:
        """What the text messages since then are called, by the field that holds the name."""
        sent, self.sent = self.sent, []
        return [json.loads(message)[name] for message in sent if isinstance(message, str)]


class Clock:
    """Stands until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("bridge.shell.session.clock", clock := Clock())
    return clock


class TalkedOver:
    """A call in which the assistant speaks. `opened`: what the assistant says until then."""

    def __init__(self, clock: Clock, assistant: Assistant, opened: list[WireMessage]) -> None:
        self._clock = clock
        self._assistant = assistant
        self.carrier_leg, self.assistant_leg = WritingLeg(), WritingLeg()
        self._receive: Receive
        carrier = TwilioStream()
        call = Call(clock(), Limits(), DialogueRules(reorder_ms=carrier.reorder_ms))
        self.session = Session(carrier, call, self._connect, [], lambda _session: None)
        self.session.attach(self.carrier_leg)
        self._carrier_says(START)
        for message in opened:
            self._receive(message)
        assert "media" in self.carrier_leg.take("event"), "the reply is being played"
        self.assistant_leg.sent.clear()

    def _connect(self, _command: OpenAssistant, receive: Receive, _lost: Lost) -> Connection:
        self._receive = receive
        tools = Toolbox("", {}).open(call_id="CA1", parameters={})
        return Connection(self._assistant, self.assistant_leg, tools)

    def _carrier_says(self, message: dict[str, Any]) -> None:
        self.session.carrier_said(json.dumps(message))

    def speak_over(self) -> bytes | str:
        """The caller speaks until the carrier is told to clear. Returns the frame of that stack, as it was sent on."""
        for at_ms in range(0, len(SENTENCE) // 8, 20):
            frame = SENTENCE[at_ms * 8 : at_ms * 8 + 160]
            media = {"timestamp": str(at_ms), "payload": b64encode(frame).decode()}
            self.assistant_leg.sent.clear()
            self._clock.now += 0.02
            self._carrier_says({"event": "media", "streamSid": "MZ1", "media": media})
            if "clear" in self.carrier_leg.take("event"):
                return self.assistant_leg.sent[0]
        raise AssertionError("the whole sentence was said, and nothing was cleared")

    def hang_up(self) -> None:
        self._carrier_says({"event": "stop", "streamSid": "MZ1"})


async def test_with_openai_realtime_and_turn_detection_none(clock: Clock) -> None:
    delta = {"response_id": "R1", "item_id": "A", "delta": b64encode(REPLY).decode()}
    opened: list[WireMessage] = [
        '{"type":"session.updated","session":{}}',
        '{"type":"response.created","response":{"id":"R1"}}',
        json.dumps({"type": "response.output_audio.delta", **delta}),
    ]
    settings = RealtimeSettings(turn_detection={"type": "none"})
    call = TalkedOver(clock, RealtimeDialect(settings), opened)
    frame = call.speak_over()
    assert isinstance(frame, str)
    told = call.assistant_leg.take("type")
    assert told == ["input_audio_buffer.append", "response.cancel", "conversation.item.truncate"]
    call.hang_up()


async def test_with_a_stream_assistant_that_leaves_turns_to_the_bridge(clock: Clock) -> None:
    call = TalkedOver(
        clock, StreamDialect(StreamSettings(url="ws://127.0.0.1/")), ['{"type":"hello"}', REPLY]
    )
    frame = call.speak_over()
    assert isinstance(frame, bytes)
    assert call.assistant_leg.take("type") == ["speech_started", "interrupted"]
    call.hang_up()
