"""The dialect of Twilio Media Streams: decodes the messages of one stream into events, and encodes commands.

Source: Twilio, "Media Streams - WebSocket Messages". Audio in both directions is mu-law, 8000 Hz, mono, base64; one
message from Twilio carries 20 ms (160 bytes). Counters come as strings, sometimes as numbers; both are read.
Fields that a call can do without are read in any shape, and counted where it is not the documented one.
There is no socket and no clock here: give `decode` what arrived, and send what `encode` returns.
"""

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import assert_never

from msgspec import DecodeError, Struct, ValidationError, field, json

from bridge.carriers.shared.keys_and_marks import KeysAndMarks
from bridge.carriers.shared.lenient import LenientFields
from bridge.carriers.shared.wire_kind import unread, unreadable_start
from bridge.vocabulary.commands import CarrierCommand, ClearPlayback, PlayAudio, SendMark
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierEvent,
    CloseRequested,
    DigitPressed,
    OtherPartyAudio,
)
from telecodecs.format import PCMU_8K


class _Wire(Struct, rename="camel", tag_field="event", gc=False):
    """A message, named by its `event`. Fields that are not used are not declared, so that they may hold anything."""


class _StartBody(Struct, rename="camel"):
    call_sid: str
    stream_sid: object = ""
    media_format: object = None
    tracks: object = field(default_factory=lambda: ["inbound"])
    custom_parameters: object = {}


class _Start(_Wire, tag="start"):
    start: _StartBody
    stream_sid: object = ""


class _MediaBody(Struct, gc=False):
    payload: bytes
    timestamp: int
    track: str = "inbound"


class _Media(_Wire, tag="media"):
    stream_sid: str
    media: _MediaBody


class _AnyTrack(Struct):
    payload: bytes
    timestamp: int
    track: object = None


class _MediaOfAnyTrack(_Wire, tag="media"):
    stream_sid: str
    media: _AnyTrack


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
_READ_ANY_TRACK = json.Decoder(_MediaOfAnyTrack, strict=False)
_KINDS = frozenset({"start", "media", "dtmf", "mark", "stop"})


FORMAT: dict[str, str | int] = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
"""The one `mediaFormat` that Twilio has."""

LONGEST_BYTES = PCMU_8K.bytes_in(1_000)
"""The most audio in one message, a second; Twilio sends 20 ms. Longer audio would move the position past what comes next."""

CANNOT_READ = 1003
"""The WebSocket close code for data of a kind that is not accepted (RFC 6455, 7.4.1)."""


class TwilioStream:
    """The dialect of one stream; see `contracts.Carrier`.

    `one_way`: whether the stream was opened by `<Start><Stream>`, so that nothing can be played into it. A stream with
    an outbound track is always one-way. With the inbound track alone, the messages do not show whether it was
    `<Start><Stream>` or `<Connect><Stream>`.
    """

    reorder_ms = 40
    """Two frames: enough for two frames that changed places in the phone network before Twilio gave them timestamps."""

    start_s: float | None = None
    silent_s: float | None = None

    def __init__(self, *, one_way: bool = False) -> None:
        self._one_way = one_way
        self._stream_sid: str | None = None  # known from `start` on
        self._reads: str | None = None  # the same, until `stop`
        self._media_head = ""
        self._lenient = LenientFields()
        self._keys_and_marks = KeysAndMarks()

    def decode(self, message: WireMessage, now: float) -> Sequence[CarrierEvent]:
        """Decode one message. A message of an unknown kind gives `Ignored`: a new kind must not end the call.

        A `start` that cannot be read gives `CloseRequested`. Raises `MalformedMessage` if it is not text, if a field that
        is needed is missing or has the wrong type, if it belongs to another stream, comes before `start` or after
        `stop`, or is a second `start`.
        """
        if isinstance(message, bytes):
            raise MalformedMessage("a binary message: expected text")
        try:
            wire = _READ.decode(message)
        except (DecodeError, RecursionError) as error:
            if (media_of_no_track := self._read_leniently(message, error)) is None:
                return (unread(message, _KINDS, error, has_started=self._stream_sid is not None),)
            wire = media_of_no_track
        if type(wire) is _Media:
            if wire.stream_sid != self._reads:
                raise self._foreign("media")
            media = wire.media
            if len(media.payload) > LONGEST_BYTES:
                ms = len(media.payload) // 8
                raise MalformedMessage(f"media: {ms} ms of audio: expected at most 1000 ms")
            heard = OtherPartyAudio if media.track == "outbound" else CallerAudio
            return (heard(media.payload, media.timestamp),)
        if isinstance(wire, _Start):
            return (self._decode_start(wire),)
        if wire.stream_sid != self._reads:
            raise self._foreign(type(wire).__name__.strip("_").lower())
        match wire:
            case _Mark(mark=mark):
                return (self._keys_and_marks.mark(mark.name, now),)
            case _Dtmf(dtmf=dtmf):
                return (DigitPressed(self._keys_and_marks.key(dtmf.digit, now)),)
            case _:
                self._reads = None
                return (CallEnded(),)

    def _read_leniently(self, message: str, error: Exception) -> _Media | None:
        """A frame of audio whose `track` is no text: the inbound one. None: something else is wrong, too."""
        if not isinstance(error, ValidationError):
            return None
        try:
            wire = _READ_ANY_TRACK.decode(message)
        except DecodeError:
            return None
        self._lenient.count += 1
        return _Media(wire.stream_sid, _MediaBody(wire.media.payload, wire.media.timestamp))

    def _decode_start(self, wire: _Start) -> CallStarted | CloseRequested:
        if self._stream_sid:
            raise MalformedMessage("start: sent a second time: expected once")
        start = wire.start
        stream_sid = start.stream_sid or wire.stream_sid
        if not isinstance(stream_sid, str) or not stream_sid or not start.call_sid:
            return unreadable_start("streamSid or callSid is empty: expected both")
        if not self._is_readable(start.media_format):
            return CloseRequested(
                "start: unknown mediaFormat: expected audio/x-mulaw, 8000 Hz, mono", CANNOT_READ
            )
        self._stream_sid = self._reads = stream_sid
        name = json.encode(stream_sid).decode()
        self._media_head = f'{{"event":"media","streamSid":{name},"media":{{"payload":"'
        tracks = self._lenient.texts(start.tracks) or ("inbound",)
        one_way = self._one_way or "outbound" in tracks
        parameters = self._lenient.parameters(start.custom_parameters)
        return CallStarted(start.call_sid, stream_sid, PCMU_8K, tracks, parameters, one_way)

    def _is_readable(self, media_format: object) -> bool:
        """Whether the audio is what Twilio always sends. What the format does not say is taken to be so."""
        if not isinstance(media_format, dict):
            self._lenient.count += 1
            return True
        encoding = media_format.get("encoding")
        rate_hz, channels = media_format.get("sampleRate"), media_format.get("channels", 1)
        found = {
            "encoding": self._lenient.text(encoding) or FORMAT["encoding"],
            "sampleRate": self._lenient.number(rate_hz, 8000),
            "channels": self._lenient.number(channels, 1),
        }
        return found == FORMAT

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
        """Return how many fields came in another shape than the documented one."""
        return {"lenient_fields": self._lenient.count} if self._lenient.count else {}
