"""Twilio Media Streams, one stream: text messages in, call events out, and back.

Wire: Twilio, "Media Streams - WebSocket Messages". Audio both ways is mu-law, 8000 Hz, mono, base64; one message in
carries 20 ms (160 bytes). Numbers that count come as strings, sometimes as numbers; both are read.
No socket, no clock: feed `decode` what arrived, send what `encode` returns.
"""

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import assert_never

from msgspec import DecodeError, Struct, json

from bridge.carriers.shared.wire_kind import unread
from bridge.vocabulary.commands import CarrierCommand, ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    KEYS,
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierEvent,
    DigitPressed,
    MarkReached,
    OtherPartyAudio,
)
from telecodecs.format import PCMU_8K


class _Wire(Struct, rename="camel", tag_field="event", gc=False):
    """A message by its event's name. Fields that we do not use are not declared, and so may be anything."""


class _MediaFormat(Struct, rename="camel"):
    encoding: str
    sample_rate: int
    channels: int = 1


class _StartBody(Struct, rename="camel"):
    stream_sid: str
    call_sid: str
    media_format: _MediaFormat
    tracks: tuple[str, ...] = ("inbound",)
    custom_parameters: dict[str, str] = {}


class _Start(_Wire, tag="start"):
    start: _StartBody


class _MediaBody(Struct, gc=False):
    payload: bytes
    timestamp: int
    track: str = "inbound"


class _Media(_Wire, tag="media"):
    stream_sid: str
    media: _MediaBody


class _DtmfBody(Struct):
    digit: str


class _Dtmf(_Wire, tag="dtmf"):
    stream_sid: str
    dtmf: _DtmfBody


class _MarkBody(Struct):
    name: str


class _Mark(_Wire, tag="mark"):
    stream_sid: str
    mark: _MarkBody


class _Stop(_Wire, tag="stop"):
    stream_sid: str


_READ = json.Decoder(_Start | _Media | _Dtmf | _Mark | _Stop, strict=False)
_KINDS = frozenset({"start", "media", "dtmf", "mark", "stop"})


class TwilioStream:
    """The dialect of one stream; remembers only the stream's name.

    `one_way`: a `<Start><Stream>`, which plays nothing. With an outbound track that is plain; with the inbound alone
    the wire does not tell it from a `<Connect><Stream>`.
    """

    reorder_ms = 40
    """Twilio stamps what it got from the phone network; two frames are enough for neighbours that changed places."""

    start_s: float | None = None

    def __init__(self, *, one_way: bool = False) -> None:
        self._one_way = one_way
        self._stream_sid: str | None = None  # known from `start` on
        self._reads: str | None = None  # the same, until `stop`
        self._media_head = ""

    def decode(self, message: WireMessage, now: float) -> Sequence[CarrierEvent]:
        """Read one message. A kind we do not know is `Ignored`: a novelty on the wire is no outage.

        Raises `MalformedMessage` if it is not text, lacks or mistypes a field, belongs to another stream or comes
        before `start` or after `stop`, or is a second `start`.
        """
        if isinstance(message, bytes):
            raise MalformedMessage("a binary message")
        try:
            wire = _READ.decode(message)
        except (DecodeError, RecursionError) as error:
            return (unread(message, _KINDS, error),)
        if type(wire) is _Media:
            if wire.stream_sid != self._reads:
                raise self._foreign("media")
            media = wire.media
            heard = OtherPartyAudio if media.track == "outbound" else CallerAudio
            return (heard(media.payload, media.timestamp),)
        if isinstance(wire, _Start):
            return (self._decode_start(wire.start),)
        if wire.stream_sid != self._reads:
            raise self._foreign(type(wire).__name__.strip("_").lower())
        match wire:
            case _Mark(mark=mark):
                return (MarkReached(mark.name),)
            case _Dtmf(dtmf=dtmf):
                if (digit := dtmf.digit.upper()) not in KEYS:
                    raise MalformedMessage("dtmf: the digit is none of 0-9 * # A-D")
                return (DigitPressed(digit),)
            case _:
                self._reads = None
                return (CallEnded(),)

    def _decode_start(self, start: _StartBody) -> CallStarted:
        if self._stream_sid:
            raise MalformedMessage("start: the stream has started already")
        wire_format = (
            start.media_format.encoding,
            start.media_format.sample_rate,
            start.media_format.channels,
        )
        if wire_format != ("audio/x-mulaw", 8000, 1):
            raise MalformedMessage("start: mediaFormat is not audio/x-mulaw, 8000 Hz, mono")
        if not start.stream_sid or not start.call_sid:
            raise MalformedMessage("start: streamSid or callSid is empty")
        self._stream_sid = self._reads = start.stream_sid
        name = json.encode(start.stream_sid).decode()
        self._media_head = f'{{"event":"media","streamSid":{name},"media":{{"payload":"'
        one_way = self._one_way or "outbound" in start.tracks
        return CallStarted(
            start.call_sid, start.stream_sid, PCMU_8K, start.tracks, start.custom_parameters, one_way
        )  # fmt: skip

    def _foreign(self, kind: str) -> MalformedMessage:
        if self._reads:
            return MalformedMessage(f"{kind}: of another stream")
        return MalformedMessage(f"{kind}: {'after stop' if self._stream_sid else 'before start'}")

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        """Write one message. Valid only after `CallStarted` was read."""
        match command:
            case PlayAudio():
                return (f'{self._media_head}{b2a_base64(command.audio, newline=False).decode()}"}}}}',)
            case SendMark(name):
                body: dict[str, object] = {
                    "event": "mark",
                    "streamSid": self._stream_sid,
                    "mark": {"name": name},
                }
            case ClearPlayback():
                body = {"event": "clear", "streamSid": self._stream_sid}
            case _:
                assert_never(command)
        return (json.encode(body).decode(),)

    def deadline(self) -> None:
        """Nothing of Twilio's waits."""

    def due(self, now: float) -> Sequence[CarrierEvent]:
        """Nothing."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """Nothing to mend."""
        return {}
