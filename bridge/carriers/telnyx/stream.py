"""The dialect of Telnyx media streaming: decodes the messages of one stream into events, and encodes commands.

Source: Telnyx, "Media streaming over WebSockets". Each direction has its own codec: what Telnyx sends is in the format
of `start.media_format` (module `tracks`); what it plays is in the format that the settings ask for (module `playing`).
Counters come as strings, sometimes as numbers; both are read. Messages may come in any order: media is sorted by its
`chunk`, keys by the time when they were pressed.
Fields that a call can do without are read in any shape, and counted where it is not the documented one.
There is no socket and no clock here: give `decode` what arrived, send what `encode` and `due` return, and call `due` at
`deadline`.
"""

import re
from base64 import b64decode
from binascii import b2a_base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import DecodeError, Meta, Struct, ValidationError, convert, json

from bridge.carriers.shared.keys_and_marks import KeysAndMarks
from bridge.carriers.shared.lenient import LenientFields
from bridge.carriers.shared.wire_kind import unread, unreadable_start
from bridge.carriers.telnyx.digits import Digits
from bridge.carriers.telnyx.playing import MEDIA_HEAD, MEDIA_TAIL, Mp3Playing, RtpPlaying, playing
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.tracks import READABLE, Heard, PacketTrack, SampleTrack, Track, line_of
from bridge.vocabulary.commands import CarrierCommand, PlayAudio
from bridge.vocabulary.contracts import CarrierOutcome, WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierEvent,
    CarrierReportedError,
    CloseRequested,
    OtherPartyAudio,
)
from telecodecs.byte_order import ByteOrder
from telecodecs.format import AudioFormat, Encoding
from telecodecs.packets import CodecMissing, PacketCodec, packet_decoder

TRACKS = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}

LONGEST_COMPLAINT, LONGEST_CODE = 200, 20

_PAYLOAD = re.compile(r"\S{40,}")  # audio from us that an error report may quote

CANNOT_READ = 1003
"""The WebSocket close code for data of a kind that is not accepted (RFC 6455, 7.4.1)."""


class _Wire(Struct, tag_field="event", gc=False):
    """A message, named by its `event`. Fields that are not used are not declared, so that they may hold anything."""


class _MediaFormat(Struct):
    encoding: str
    sample_rate: int
    channels: object = 1


class _StartBody(Struct):
    call_control_id: str
    media_format: _MediaFormat
    custom_parameters: object = None
    client_state: object = None
    tags: object = None


class _Start(_Wire, tag="start"):
    stream_id: str
    start: _StartBody


_Chunk = Annotated[int, Meta(ge=0, lt=1 << 32)]


class _MediaBody(Struct, gc=False):
    payload: bytes
    chunk: _Chunk | None = None
    track: str | None = None


class _Media(_Wire, tag="media"):
    stream_id: str
    media: _MediaBody


class _AnyMediaBody(Struct):
    payload: bytes
    chunk: object = None
    track: object = None


class _AnyMedia(_Wire, tag="media"):
    stream_id: str
    media: _AnyMediaBody


class _DtmfBody(Struct):
    digit: str


class _Dtmf(_Wire, tag="dtmf"):
    stream_id: str
    dtmf: _DtmfBody
    occurred_at: object = None


class _MarkBody(Struct):
    name: str


class _Mark(_Wire, tag="mark"):
    stream_id: str
    mark: _MarkBody


class _Stop(_Wire, tag="stop"):
    stream_id: str


class _ErrorBody(Struct):
    code: int | str
    title: str | None = None
    detail: str | None = None


class _Error(_Wire, tag="error"):
    payload: _ErrorBody


_READ = json.Decoder(_Start | _Media | _Dtmf | _Mark | _Stop | _Error, strict=False)
_READ_ANY_MEDIA = json.Decoder(_AnyMedia, strict=False)
_KINDS = frozenset({"start", "media", "dtmf", "mark", "stop", "error"})


class TelnyxStream:
    """The dialect of one stream; see `contracts.Carrier`. `one_way`: the bridge only listens, and nothing is played."""

    def __init__(self, settings: TelnyxSettings, *, one_way: bool = False) -> None:
        self.reorder_ms = settings.reorder_ms
        self.start_s: float | None = settings.start_s
        self.silent_s: float | None = settings.silent_s
        self._settings = settings
        self._one_way = one_way
        self._digits = Digits(settings.reorder_ms / 1000)
        self._lenient = LenientFields()
        self._keys_and_marks = KeysAndMarks()
        self._stopped = False
        self._stream_id: str | None = None  # known from `start` to `stop`; those below are set at `start`
        self._line: AudioFormat
        self._codec: PacketCodec | None
        self._order: ByteOrder | None = None
        self._inbound: Track
        self._outbound: Track | None = None  # set at its first frame, because few streams have it
        self._playing: RtpPlaying | Mp3Playing
        self._plays_untouched = False  # the bytes to be played go into the messages as they are
        self._timed: tuple[Digits | PacketTrack | Mp3Playing, ...] = (self._digits,)
        self._packet_tracks: tuple[PacketTrack, ...] = ()

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
            if (media_read_leniently := self._read_leniently(message, error)) is None:
                has_started = self._stream_id is not None or self._stopped
                return (unread(message, _KINDS, error, has_started=has_started),)
            wire = media_read_leniently
        if type(wire) is _Media:
            if wire.stream_id != self._stream_id:
                raise self._foreign("media")
            media = wire.media
            track = self._inbound if media.track != "outbound" else self._other_party()
            return track.feed(media.chunk, media.payload, now)
        if isinstance(wire, _Start):
            return (self._decode_start(wire),)
        if isinstance(wire, _Error):
            return (_error_report(wire.payload),)
        if wire.stream_id != self._stream_id:
            raise self._foreign(type(wire).__name__.strip("_").lower())
        match wire:
            case _Mark(mark=mark):
                return (self._keys_and_marks.mark(mark.name, now),)
            case _Dtmf(dtmf=dtmf):
                key = self._keys_and_marks.key(dtmf.digit, now)
                self._digits.feed(key, wire.occurred_at, now)
                return self._digits.due(now)
            case _:
                self._stopped, self._stream_id = True, None
                waited = [heard for track in self._packet_tracks for heard in track.rest()]
                return (*waited, *self._digits.rest(), CallEnded())

    def _decode_start(self, wire: _Start) -> CallStarted | CloseRequested:
        if self._stream_id or self._stopped:
            raise MalformedMessage("start: sent a second time: expected once")
        start = wire.start
        if not wire.stream_id or not start.call_control_id:
            return unreadable_start("stream_id or call_control_id is empty: expected both")
        sent = start.media_format
        channels = self._lenient.number(sent.channels, 1)
        byte_order = self._settings.l16_byteorder
        line = line_of(sent.encoding, sent.sample_rate, channels, big_endian=byte_order == "big")
        if line is None:
            name = f"{sent.encoding[:20]!a}, {sent.sample_rate} Hz, {channels} channels"
            return CloseRequested(
                f"start: media_format {name} cannot be decoded: expected {READABLE}", CANNOT_READ
            )
        self._line, self._codec = line
        if byte_order == "auto" and self._line.encoding is Encoding.L16 and self._codec is None:
            self._order = ByteOrder(self._line.rate_hz)
        try:
            self._inbound = self._track(CallerAudio)
            plays = None if self._one_way else self._play()
        except CodecMissing as error:
            return CloseRequested(f"start: {error}", CANNOT_READ)
        self._stream_id = wire.stream_id
        return CallStarted(
            start.call_control_id,
            wire.stream_id,
            self._line,
            TRACKS[self._settings.track] if self._one_way else ("inbound",),
            self._parameters(start),
            self._one_way,
            plays,
        )

    def _parameters(self, start: _StartBody) -> dict[str, str]:
        """Return the custom parameters, with `client_state` and `tags` unless a custom parameter has that name."""
        lenient = self._lenient
        parameters: dict[str, str] = {}
        if start.client_state is not None and (client_state := lenient.text(start.client_state)):
            parameters["client_state"] = _decoded(client_state)
        if start.tags is not None and (tags := lenient.texts(start.tags)):
            parameters["tags"] = ",".join(tags)
        if start.custom_parameters is not None:
            parameters |= lenient.parameters(start.custom_parameters)
        return parameters

    def _read_leniently(self, message: str, error: Exception) -> _Media | None:
        """A frame of audio whose `chunk` or `track` cannot be read, as if it had none. None: something else is wrong."""
        if not isinstance(error, ValidationError):
            return None
        try:
            wire = _READ_ANY_MEDIA.decode(message)
        except DecodeError:
            return None
        self._lenient.count += 1
        media = wire.media
        track = media.track if isinstance(media.track, str) else None
        return _Media(wire.stream_id, _MediaBody(media.payload, _chunk(media.chunk), track))

    def _track(self, heard: type[Heard]) -> Track:
        if self._codec is None:
            return SampleTrack(self._line, heard, self._order)
        track = PacketTrack(packet_decoder(self._codec), heard, self.reorder_ms / 1000)
        self._packet_tracks += (track,)
        self._timed += (track,)
        return track

    def _other_party(self) -> Track:
        if self._outbound is None:
            self._outbound = self._track(OtherPartyAudio)
            self._outbound.beside, self._inbound.beside = self._inbound, self._outbound
        return self._outbound

    def _play(self) -> AudioFormat | None:
        self._playing = playing(self._settings, self._order)
        self._plays_untouched = self._playing.is_untouched
        if isinstance(self._playing, Mp3Playing):
            self._timed += (self._playing,)
        return None if self._playing.plays == self._line else self._playing.plays

    def _foreign(self, kind: str) -> MalformedMessage:
        if self._stopped:
            return MalformedMessage(f"{kind}: after stop")
        return MalformedMessage(
            f"{kind}: "
            + ("of another stream: expected the stream_id of start" if self._stream_id else "before start")
        )

    def encode(self, command: CarrierCommand, now: float) -> Sequence[str]:
        """Encode a command. Valid only after `decode` has returned `CallStarted`, and not on a one-way stream."""
        if self._plays_untouched and isinstance(command, PlayAudio):  # the hot path
            return (f"{MEDIA_HEAD}{b2a_base64(command.audio, newline=False).decode()}{MEDIA_TAIL}",)
        return self._playing.encode(command, now)

    def deadline(self) -> float | None:
        """Return when a key, a packet behind a gap or an MP3 file has waited long enough; None: nothing waits."""
        earliest = None
        for part in self._timed:
            at = part.deadline()
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    def due(self, now: float) -> Sequence[CarrierOutcome]:
        """Return the keys and packets that have waited long enough, and the MP3 file if it may be sent now."""
        return [outcome for part in self._timed for outcome in part.due(now)]

    def counts(self) -> Mapping[str, int]:
        """Return the counts of repeated keys, of packets that were lost, late, repeated or undecodable, and of fields in
        another shape than the documented one.
        """
        counts = Counter(repeated_digits=self._digits.repeated)
        if self._lenient.count:
            counts["lenient_fields"] = self._lenient.count
        for track in self._packet_tracks:
            counts.update(track.counts())
        return counts


def _chunk(value: object) -> int | None:
    try:
        return convert(value, _Chunk, strict=False)
    except ValidationError:
        return None


def _decoded(client_state: str) -> str:
    """Decode client state from base64. If that gives no text, return it as it came."""
    try:
        return b64decode(client_state, validate=True).decode()
    except ValueError:
        return client_state


def _error_report(error: _ErrorBody) -> CarrierReportedError:
    why = ": ".join(filter(None, (error.title, error.detail)))
    return CarrierReportedError(str(error.code)[:LONGEST_CODE], _PAYLOAD.sub("…", why)[:LONGEST_COMPLAINT])
