"""The dialect of Twilio Media Streams: decodes the messages of one stream into events, and encodes commands.

Source: Twilio, "Media Streams - WebSocket Messages". Audio in both directions is mu-law, 8000 Hz, mono, base64; one
message from Twilio carries 20 ms (160 bytes). Counters come as strings, sometimes as numbers; both are read.
There is no socket and no clock here: give `decode` what arrived, and send what `encode` returns.
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
    """A message, named by its `event`. Fields that are not used are not declared, so that they may hold anything."""


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
    """The dialect of one stream; see `contracts.Carrier`. It remembers only the stream's id.

    `one_way`: whether the stream was opened by `<Start><Stream>`, so that nothing can be played into it. A stream with
    an outbound track is always one-way. With the inbound track alone, the messages do not show whether it was
    `<Start><Stream>` or `<Connect><Stream>`.
    """

    reorder_ms = 40
    """Two frames: enough for two frames that changed places in the phone network before Twilio gave them timestamps."""

    start_s: float | None = None

    def __init__(self, *, one_way: bool = False) -> None:
        self._one_way = one_way
        self._stream_sid: str | None = None  # known from `start` on
        self._reads: str | None = None  # the same, until `stop`
        self._media_head = ""

    def decode(self, message: WireMessage, now: float) -> Sequence[CarrierEvent]:
        """Decode one message. A message of an unknown kind gives `Ignored`: a new kind must not end the call.

        Raises `MalformedMessage` if it is not text, if a field is missing or has the wrong type, if it belongs to
        another stream, comes before `start` or after `stop`, or is a second `start`.
        """
        if isinstance(message, bytes):
            raise MalformedMessage("a binary message: expected text")
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
                    raise MalformedMessage("dtmf: unknown digit: expected one of 0-9 * # A-D")
                return (DigitPressed(digit),)
            case _:
                self._reads = None
                return (CallEnded(),)

    def _decode_start(self, start: _StartBody) -> CallStarted:
        if self._stream_sid:
            raise MalformedMessage("start: sent a second time: expected once")
        wire_format = (
            start.media_format.encoding,
            start.media_format.sample_rate,
            start.media_format.channels,
        )
        if wire_format != ("audio/x-mulaw", 8000, 1):
            raise MalformedMessage("start: unknown mediaFormat: expected audio/x-mulaw, 8000 Hz, mono")
        if not start.stream_sid or not start.call_sid:
            raise MalformedMessage("start: streamSid or callSid is empty: expected both")
        self._stream_sid = self._reads = start.stream_sid
        name = json.encode(start.stream_sid).decode()
        self._media_head = f'{{"event":"media","streamSid":{name},"media":{{"payload":"'
        one_way = self._one_way or "outbound" in start.tracks
        return CallStarted(
            start.call_sid, start.stream_sid, PCMU_8K, start.tracks, start.custom_parameters, one_way
        )  # fmt: skip

    def _foreign(self, kind: str) -> MalformedMessage:
        if self._reads:
            return MalformedMessage(f"{kind}: of another stream: expected the streamSid of start")
        return MalformedMessage(f"{kind}: {'after stop' if self._stream_sid else 'before start'}")

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        """Encode a command as one message. Valid only after `decode` has returned `CallStarted`."""
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
        """Return None: nothing waits."""

    def due(self, now: float) -> Sequence[CarrierEvent]:
        """Return nothing: nothing falls due."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """Return nothing: this dialect repairs nothing."""
        return {}
