"""A client without a socket for the simulated conversation. Every event sent to it must fit the types of `openai`."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel

from bridge.config.audio_file import read_wav
from bridge.simulators.openai.conversation import RealtimeConversation
from bridge.simulators.openai.event_writer import Action, Close
from bridge.simulators.openai.script import parse_script

SENTENCE = Path(__file__).parents[3] / "fixtures" / "sentence-en-us-male.wav"
PCMU = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}

Event = dict[str, Any]


@cache
def declared() -> dict[str, type[BaseModel]]:
    """The package's class for each type of event."""
    classes: list[type[BaseModel]] = list(get_args(get_args(RealtimeServerEvent)[0]))
    return {get_args(one.model_fields["type"].annotation)[0]: one for one in classes}


class Sent(list[Event]):
    """The events that the simulator sent."""

    def types(self) -> list[str]:
        """Their types in order; several of one type in a row count once."""
        names = [event["type"] for event in self]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]

    def all(self, kind: str) -> "Sent":
        return Sent(event for event in self if event["type"] == kind)

    def one(self, kind: str) -> Event:
        (event,) = self.all(kind)
        return event

    def audio(self, kind: str = "response.output_audio.delta") -> bytes:
        return b"".join(b64decode(event["delta"], validate=True) for event in self.all(kind))

    def words(self) -> str:
        return "".join(event["delta"] for event in self.all("response.output_audio_transcript.delta"))


class Peer:
    """One client in one session; `sent` is all that the simulator sent, `now` the clock of both.

    `declared`: each event must be valid as the package declares it.
    """

    def __init__(
        self,
        script: str = "",
        *,
        number: int = 1,
        pcmu: bool = True,
        declared: bool = True,
        asks_for_beta: bool = False,
    ) -> None:
        self.now = 100.0
        self.sent = Sent()
        self.actions: list[Action] = []
        """The other actions for the socket."""
        self._declared = declared
        self.simulator = RealtimeConversation(parse_script(script), number=number, unix_time=1_800_000_000.0)
        self._take(self.simulator.begin(self.now, asks_for_beta=asks_for_beta))
        if pcmu:
            self.update(audio=PCMU)

    def send(self, kind: str, **fields: Any) -> Sent:
        """One client event; returns what the simulator sent at once."""
        return self._take(self.simulator.hear(json.dumps({"type": kind, **fields}), self.now))

    def update(self, **session: Any) -> Sent:
        return self.send("session.update", session={"type": "realtime", **session})

    def type(self, words: str, role: str = "user") -> Sent:
        kind = "output_text" if role == "assistant" else "input_text"
        content = [{"type": kind, "text": words}]
        return self.send(
            "conversation.item.create", item={"type": "message", "role": role, "content": content}
        )

    def append(self, audio: bytes) -> Sent:
        return self.send("input_audio_buffer.append", audio=b64encode(audio).decode())

    def say_sentence(self) -> Sent:
        """A sentence of three seconds in 20 ms frames, without waiting."""
        audio = read_wav(SENTENCE)
        return Sent(event for at in range(0, len(audio), 160) for event in self.append(audio[at : at + 160]))

    def wait(self, seconds: float) -> Sent:
        """Let time pass, deadline by deadline."""
        until, sent = self.now + seconds, Sent()
        while (at := self.simulator.deadline()) is not None and at <= until:
            self.now = max(self.now, at)
            sent += self._take(self.simulator.due(self.now))
        self.now = until
        return sent

    def _take(self, actions: list[Action]) -> Sent:
        sent = Sent()
        for action in actions:
            assert not any(isinstance(done, Close) for done in self.actions), "nothing may follow a close"
            if isinstance(action, str):
                event = json.loads(action)
                if self._declared:
                    declared()[event["type"]].model_validate(event)
                sent.append(event)
            else:
                self.actions.append(action)
        self.sent += sent
        return sent


@pytest.fixture
def peer() -> Callable[..., Peer]:
    return Peer
