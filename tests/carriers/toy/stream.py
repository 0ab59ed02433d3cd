"""The toy carrier's media stream: JSON messages in, call events out, and back.

Wire: each message is an object with its kind under `event`. Audio both ways is mu-law, 8000 Hz, in base64; a message
from the carrier holds 20 ms. No socket, no clock: feed `decode` what arrived, send what `encode` returns.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import assert_never

from msgspec import DecodeError, Struct, json

from bridge.carriers.shared.wire_kind import unread
from bridge.vocabulary.commands import CarrierCommand, ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierEvent,
    DigitPressed,
    MarkReached,
    OtherPartyAudio,
)
from telecodecs.format import PCMU_8K

KEYS = frozenset("0123456789*#ABCD")


class _Wire(Struct, tag_field="event"):
    """A message by the name of its kind. Fields that we do not use are not declared."""


class _Start(_Wire, tag="start"):
    call: str
    stream: str
    tracks: tuple[str, ...] = ("inbound",)
    parameters: dict[str, str] = {}


class _Audio(_Wire, tag="audio"):
    audio: bytes
    at_ms: int
    track: str = "inbound"


class _Key(_Wire, tag="key"):
    key: str


class _Played(_Wire, tag="played"):
    mark: str


class _Stop(_Wire, tag="stop"):
    pass


_READ = json.Decoder(_Start | _Audio | _Key | _Played | _Stop)
_KINDS = frozenset({"start", "audio", "key", "played", "stop"})


class ToyStream:
    """The dialect of one stream. `one_way`: the stream is only listened to."""

    reorder_ms = 0
    start_s: float | None = None
    silent_s: float | None = None

    def __init__(self, *, one_way: bool = False) -> None:
        self._one_way = one_way
        self._state = "before start"

    def decode(self, message: WireMessage, now: float) -> Sequence[CarrierEvent]:
        """Read one message. Raises `MalformedMessage` for a known kind in a wrong shape, or out of place."""
        if isinstance(message, bytes):
            raise MalformedMessage("a binary message")
        try:
            wire = _READ.decode(message)
        except (DecodeError, RecursionError) as error:
            return (unread(message, _KINDS, error),)
        kind = type(wire).__name__.strip("_").lower()
        if isinstance(wire, _Start) is not (self._state == "before start") or self._state == "after stop":
            raise MalformedMessage(f"{kind}: {self._state}")
        match wire:
            case _Start(call_id, stream, tracks, parameters):
                self._state = "after start"
                return (CallStarted(call_id, stream, PCMU_8K, tracks, parameters, one_way=self._one_way),)
            case _Audio(audio, at_ms, track):
                heard = OtherPartyAudio if track == "outbound" else CallerAudio
                return (heard(audio, at_ms),)
            case _Key(key):
                if key not in KEYS:
                    raise MalformedMessage("key: expected one of 0-9 * # A-D")
                return (DigitPressed(key),)
            case _Played(mark):
                return (MarkReached(mark),)
            case _:
                self._state = "after stop"
                return (CallEnded(),)

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        """Write one message."""
        match command:
            case PlayAudio(audio):
                body = {"event": "play", "audio": b64encode(audio).decode()}
            case SendMark(name):
                body = {"event": "mark", "mark": name}
            case ClearPlayback():
                body = {"event": "clear"}
            case _:
                assert_never(command)
        return (json.encode(body).decode(),)

    def deadline(self) -> None:
        """Nothing falls due."""

    def due(self, now: float) -> Sequence[CarrierEvent]:
        """Nothing falls due."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """Nothing is mended."""
        return {}
