"""Reads over both shoulders of a stream assistant's connection: what its messages are by docs/stream-assistants.md.

It judges nothing while it reads; `bridge.assistants.stream` refuses what is malformed. Units: bytes, ms, and seconds
on the clock of the call.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.vocabulary.contracts import WireMessage
from telecodecs.byte_order import ByteOrder
from telecodecs.format import AudioFormat, Encoding

BARE = ""
"""The item of audio that comes with none open."""

GRACE_S = 1.0
"""So long after `interrupted` an item may still come: it was on its way."""


class Piece(NamedTuple):
    """One message of audio."""

    at: float
    item: str
    audio: bytes
    ms: float


class StreamWatch:
    """One call's, over all its connections."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        """All that it said."""
        self.hello: Mapping[Any, Any] = {}
        """Its choice, as it was written."""
        self.told: list[str] = []
        """What the bridge refused, in the bridge's words."""
        self.error_reports: list[str] = []
        """What the assistant refused, in its own."""
        self.interrupted: dict[str, float] = {}
        """Items of this connection, and when it was told that they were cut."""
        self.late_ms: dict[str, float] = {}
        """Items, and how much of them came all the same, after `GRACE_S`."""
        self.never_ended: list[str] = []
        """Items of connections that are over, which stood open."""
        self.cut_samples = 0
        """Messages of audio that end within a sample."""
        self.silent = True
        """Whether all that it said was silence."""
        self._format: AudioFormat | None = None
        self._order = ByteOrder(8_000)
        self._open = BARE

    @property
    def open_item(self) -> str:
        """The item that it has not ended, nor the bridge; empty if there is none."""
        return "" if self._open in self.interrupted else self._open

    @property
    def big_endian(self) -> bool:
        """Whether its L16 is in the wrong byte order."""
        return self._order.settled and self._order.big

    def speaks(self, format: AudioFormat) -> None:
        """The format that was agreed."""
        self._format = format
        self._order = ByteOrder(format.rate_hz)

    def reconnected(self) -> None:
        """Its connection is another one from now on."""
        if self.open_item:
            self.never_ended.append(self.open_item)
        self._open, self._format = BARE, None
        self.interrupted.clear()

    def sent(self, message: WireMessage, now: float) -> None:
        """The bridge says this."""
        if isinstance(message, bytes):
            return
        match json.loads(message):
            case {"type": "interrupted", "item": item}:
                self.interrupted[item] = now
            case {"type": "error", "why": why}:
                self.told.append(why)

    def received(self, message: WireMessage, now: float) -> None:
        """The assistant says this."""
        if isinstance(message, bytes):
            self._audio(message, now)
            return
        try:
            event = json.loads(message)
        except ValueError:
            return
        match event:
            case {"type": "hello", **choice} if not self.hello:
                self.hello = choice
            case {"type": "audio", "audio": str(text)}:
                self._audio(_decoded(text), now)
            case {"type": "reply", **fields}:
                self._open = str(fields.get("item", BARE))
            case {"type": "reply_end" | "hang_up"}:
                self._open = BARE
            case {"type": "error", **fields}:
                self.error_reports.append(str(fields.get("why", "")))

    def _audio(self, audio: bytes, now: float) -> None:
        if self._format is None or not audio:
            return
        ms = self._format.duration_ms(len(audio))
        self.pieces.append(Piece(now, self._open, audio, ms))
        if len(audio) % self._format.sample_bytes:
            self.cut_samples += 1
        if self.silent and audio.strip(self._format.silence[:1]):
            self.silent = False
        if self._format.encoding is Encoding.L16:
            self._order.feed(audio)
        told_at = self.interrupted.get(self._open) if self._open else None
        if told_at is not None and now > told_at + GRACE_S:
            self.late_ms[self._open] = self.late_ms.get(self._open, 0.0) + ms


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""
