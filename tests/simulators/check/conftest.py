"""An assistant without a socket, in time that is passed in: every message arrives when it is sent."""

import json
import math
import struct
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bridge.assistants.registry import ASSISTANTS
from bridge.config.audio_file import read_wav
from bridge.simulators.check.examination import Examination
from bridge.simulators.check.part import Part, utterances
from bridge.simulators.check.rules import Rule
from bridge.simulators.check.verdicts import Verdict
from bridge.vocabulary.contracts import Lost, Receive, WireMessage

TALK = Path(__file__).parents[3] / "fixtures" / "talk-over.wav"
RATE_HZ = 8_000
L16 = {"encoding": "l16", "rate_hz": RATE_HZ}


def voice(ms: int) -> bytes:
    """A tone; L16, little endian."""
    samples = [round(8_000 * math.sin(0.3 * n + 2 * math.sin(0.01 * n))) for n in range(RATE_HZ * ms // 1000)]
    return struct.pack(f"<{len(samples)}h", *samples)


class Room:
    """Where the assistant is: its calls and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[Conversation] = []
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        heappush(self._later, (self.now + seconds, next(self._numbers), do))

    def pass_time(self, until: float) -> None:
        while self._later and self._later[0][0] <= until:
            self.now, _, do = heappop(self._later)
            do()
        self.now = max(self.now, until)


class Conversation:
    """One connection to an assistant that does everything right: what is broken, a test overrides."""

    stalled = False
    hello: dict[str, Any] = {"hears": L16, "speaks": L16}  # noqa: RUF012
    reply = voice(2_500)

    def __init__(self, room: Room, receive: Receive, lost: Lost) -> None:
        self.room = room
        self.number = len(room.calls)
        self._receive = receive
        self._lost = lost
        self.is_open = True
        self.items = count(1)
        self.opened()

    # The bridge's end

    @property
    def gone(self) -> bool:
        return not self.is_open

    def send(self, message: WireMessage) -> None:
        if self.is_open:
            if isinstance(message, bytes):
                self.hears(message)
            else:
                self.reads(json.loads(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.is_open = False

    def cut(self) -> None:
        self.is_open = False

    # The assistant's end

    def opened(self) -> None:
        """The connection stands."""

    def hears(self, audio: bytes) -> None:
        """The caller's voice."""

    def reads(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "hello":
                self.tells("hello", **self.hello)
                if event["opening"] == "first":
                    self.room.later(0.1, lambda: self.says(voice(200)))
            case "speech_stopped":
                self.room.later(0.2, lambda: self.says(self.reply))
            case "interrupted":
                self.interrupted(event["item"])
            case "entry":
                self.entered(event)

    def interrupted(self, item: str) -> None:
        """There is nothing left to stop."""

    def entered(self, entry: dict[str, Any]) -> None:
        if entry["digits"] == "0":
            self.tells("collect_digits", id="code", length=4)

    def says(self, audio: bytes) -> None:
        self.tells("reply", item=f"reply-{next(self.items)}")
        self.sends(audio)
        self.tells("reply_end")

    def tells(self, kind: str, **fields: object) -> None:
        self.sends(json.dumps({"type": kind, **fields}))

    def sends(self, message: str | bytes) -> None:
        if self.is_open:
            self._receive(message)

    def leaves(self, code: int = 1011, reason: str = "a fault") -> None:
        """The connection is lost, a moment later."""
        self.room.later(0.0, lambda: self._lose(code, reason))

    def _lose(self, code: int, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            self._lost(code, reason)


Examine = Callable[[type[Conversation]], list[Verdict]]


@pytest.fixture(scope="session")
def short_part() -> Part:
    """Two words, and little reply_timeout."""
    first, second = utterances(read_wav(TALK))
    return Part((first[:5_600], second[:8_000]), "0", 1.0)


@pytest.fixture
def polite() -> type[Conversation]:
    """An assistant that does everything right."""
    return Conversation


@pytest.fixture
def examine(short_part: Part) -> Examine:
    """The verdicts on an assistant of this make."""
    kind = ASSISTANTS["stream"]
    settings = kind.settings.model_validate({"kind": "stream", "url": "ws://assistant.example.com"})

    def examined(make: type[Conversation]) -> list[Verdict]:
        room = Room()

        def dial(receive: Receive, lost: Lost) -> Conversation:
            conversation = make(room, receive, lost)
            room.calls.append(conversation)
            return conversation

        examination = Examination(
            tuple(Rule), lambda: kind.dialect(settings, ()), dial, short_part, lambda: room.now
        )
        while not examination.over:
            room.pass_time(examination.deadline())
            examination.advance()
        return examination.verdicts()

    return examined
