"""Records the messages of a stream assistant's connections, in both directions, for the check.

Wire: docs/stream-assistants.md. Malformed messages are refused by `bridge.assistants.stream`, not here. Units: bytes,
ms, and seconds of the call's clock.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.vocabulary.contracts import WireMessage
from telecodecs.byte_order import ByteOrder
from telecodecs.format import AudioFormat, Encoding

BARE = ""
"""The id for audio that comes while no item is open."""

GRACE_S = 1.0
"""How long after `interrupted` audio of the item may still come, because it was under way."""


class Piece(NamedTuple):
    """One message of audio. `at`: when it came. `ms`: its length."""

    at: float
    item: str
    audio: bytes
    ms: float


class StreamWatch:
    """Records one call, over all its connections."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        """All audio of the assistant."""
        self.hello: Mapping[Any, Any] = {}
        """The assistant's first hello, as it was written."""
        self.told: list[str] = []
        """The errors that the bridge sent."""
        self.error_reports: list[str] = []
        """The errors that the assistant sent."""
        self.interrupted: dict[str, float] = {}
        """When the bridge sent `interrupted` for items of this connection, by their ids."""
        self.late_ms: dict[str, float] = {}
        """How much audio of an interrupted item came more than `GRACE_S` later, by its id."""
        self.never_ended: list[str] = []
        """Items that were still open when their connection ended."""
        self.cut_samples = 0
        """How many messages of audio end within a sample."""
        self.silent = True
        """Whether all audio was silence."""
        self._format: AudioFormat | None = None
        self._order = ByteOrder(8_000)
        self._open = BARE

    @property
    def open_item(self) -> str:
        """The item that neither the assistant nor the bridge has ended; empty if there is none."""
        return "" if self._open in self.interrupted else self._open

    @property
    def big_endian(self) -> bool:
        """Whether its L16 is big endian, which is wrong."""
        return self._order.settled and self._order.big

    def speaks(self, format: AudioFormat) -> None:
        """The format of the assistant's audio is agreed."""
        self._format = format
        self._order = ByteOrder(format.rate_hz)

    def reconnected(self) -> None:
        """A new connection takes the place of the one before."""
        if self.open_item:
            self.never_ended.append(self.open_item)
        self._open, self._format = BARE, None
        self.interrupted.clear()

    def sent(self, message: WireMessage, now: float) -> None:
        """The bridge sends this message."""
        if isinstance(message, bytes):
            return
        match json.loads(message):
            case {"type": "interrupted", "item": item}:
                self.interrupted[item] = now
            case {"type": "error", "why": why}:
                self.told.append(why)

    def received(self, message: WireMessage, now: float) -> None:
        """The assistant sends this message."""
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
