"""Twilio's side of one media stream: writes Twilio's messages and reads the server's.

Wire: Twilio, "Media Streams - WebSocket Messages"; warnings: "Error and Warning Dictionary", 319xx. Audio is mu-law,
8000 Hz, one channel, base64. Counters are strings on the wire. There is no socket and no clock here.
"""

import secrets
from base64 import b64encode
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from bridge.simulators.carriers.contract import Clear, Mark, Order, Play, Warned
from bridge.vocabulary.contracts import WireMessage
from telecodecs.format import PCMU_8K

SEND_BUFFER_OVERFLOW = 31930
UNDECODABLE_MESSAGE = 31950
INVALID_MESSAGE = 31951


def new_sid(prefix: str) -> str:
    """A new id as Twilio gives them: CA for a call, MZ for a stream, AC for an account, then 32 hex digits."""
    return prefix + secrets.token_hex(16)


class _Sent(Struct, tag_field="event", rename="camel"):
    pass


class _Connected(_Sent, tag="connected"):
    protocol: str = "Call"
    version: str = "1.0.0"


class _MediaFormat(Struct, rename="camel"):
    encoding: str = "audio/x-mulaw"
    sample_rate: int = 8000
    channels: int = 1


class _StartBody(Struct, rename="camel"):
    account_sid: str
    stream_sid: str
    call_sid: str
    tracks: tuple[str, ...]
    media_format: _MediaFormat
    custom_parameters: Mapping[str, str]


class _Start(_Sent, tag="start"):
    sequence_number: str
    stream_sid: str
    start: _StartBody


class _DtmfBody(Struct):
    track: str
    digit: str


class _Dtmf(_Sent, tag="dtmf"):
    stream_sid: str
    sequence_number: str
    dtmf: _DtmfBody


class _MarkBody(Struct, forbid_unknown_fields=True):
    name: str


class _MarkSent(_Sent, tag="mark"):
    sequence_number: str
    stream_sid: str
    mark: _MarkBody


class _StopBody(Struct, rename="camel"):
    account_sid: str
    call_sid: str


class _Stop(_Sent, tag="stop"):
    sequence_number: str
    stream_sid: str
    stop: _StopBody


class _Received(Struct, tag_field="event", rename="camel", forbid_unknown_fields=True):
    stream_sid: str


class _MediaBody(Struct, forbid_unknown_fields=True):
    payload: bytes


class _MediaReceived(_Received, tag="media"):
    media: _MediaBody


class _MarkReceived(_Received, tag="mark"):
    mark: _MarkBody


class _ClearReceived(_Received, tag="clear"):
    pass


_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(_MediaReceived | _MarkReceived | _ClearReceived).decode


class SimulatedTwilioStream:
    """A `SimulatedStream` of Twilio's."""

    line = plays = PCMU_8K
    wire_codecs = (str(PCMU_8K), str(PCMU_8K))

    def __init__(
        self,
        *,
        call_sid: str,
        account_sid: str,
        tracks: tuple[str, ...] = ("inbound",),
        parameters: Mapping[str, str] | None = None,
        one_way: bool = False,
    ) -> None:
        self.call_sid = call_sid
        self.stream_sid = new_sid("MZ")
        self.tracks = tracks
        self.one_way = one_way
        self.warnings: list[Warned] = []
        self._account_sid = account_sid
        self._parameters = parameters or {}
        self._sequence = 0
        self._chunks = dict.fromkeys(tracks, 0)

    def opening(self) -> list[str]:
        """The messages connected and start."""
        start = _StartBody(
            account_sid=self._account_sid,
            stream_sid=self.stream_sid,
            call_sid=self.call_sid,
            tracks=self.tracks,
            media_format=_MediaFormat(),
            custom_parameters=self._parameters,
        )
        return [self._text(_Connected()), self._text(_Start(self._next(), self.stream_sid, start))]

    def media(self, track: str, audio: bytes, at_ms: int) -> str:
        """The message media."""
        return self.media_of(track, self.payload(track, audio), at_ms)

    def payload(self, track: str, audio: bytes) -> str:
        """See `SimulatedStream`."""
        return b64encode(audio).decode()

    def media_of(self, track: str, payload: str, at_ms: int) -> str:
        """The message media. Its JSON is written by hand, because it is sent fifty times a second for every call."""
        self._chunks[track] += 1
        return (
            f'{{"event":"media","sequenceNumber":"{self._next()}","streamSid":"{self.stream_sid}",'
            f'"media":{{"track":"{track}","chunk":"{self._chunks[track]}","timestamp":"{at_ms}",'
            f'"payload":"{payload}"}}}}'
        )

    def digit(self, digit: str, at_ms: int = 0) -> str:
        """The message dtmf. Unlike media it names its track `inbound_track`."""
        return self._text(_Dtmf(self.stream_sid, self._next(), _DtmfBody("inbound_track", digit)))

    def mark(self, name: str) -> str:
        """The message mark."""
        return self._text(_MarkSent(self._next(), self.stream_sid, _MarkBody(name)))

    def closing(self) -> str:
        """The message stop."""
        return self._text(_Stop(self._next(), self.stream_sid, _StopBody(self._account_sid, self.call_sid)))

    def audio_discarded(self) -> None:
        """Warn with 31930, once for each stream, as Twilio does."""
        if not any(warned.code == SEND_BUFFER_OVERFLOW for warned in self.warnings):
            self._warn(SEND_BUFFER_OVERFLOW, "the server reads too slowly: audio was discarded")

    def decode(self, message: WireMessage, now: float = 0.0) -> Order | None:
        """Read media, mark or clear; on a one-way stream all messages are ignored."""
        if self.one_way:
            return None
        if isinstance(message, bytes):
            self._warn(UNDECODABLE_MESSAGE, "a binary message")
            return None
        try:
            return self._order(_read(message))
        except (msgspec.DecodeError, RecursionError) as error:
            self._warn(INVALID_MESSAGE, str(error))
            return None

    def _order(self, received: _Received) -> Order:
        if received.stream_sid != self.stream_sid:
            raise msgspec.ValidationError("streamSid is not that of this stream")
        match received:
            case _MediaReceived():
                return Play(received.media.payload)
            case _MarkReceived():
                return Mark(received.mark.name)
            case _:
                return Clear()

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)

    def _text(self, message: _Sent) -> str:
        return _write(message).decode()

    def _warn(self, code: int, why: str) -> None:
        self.warnings.append(Warned(code, why))
