"""Telnyx's side of one media stream: writes Telnyx's messages, reads the server's, and refuses what Telnyx refuses.

Wire: Telnyx, "Media streaming over WebSockets" and "Stream call media over WebSocket" (AsyncAPI), with the error codes
10000x. Counters are strings on the wire. There is no socket and no clock here.
"""

import secrets
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bridge.simulators.carriers.contract import Clear, Mark, Order, Play, Refused, Warned
from bridge.simulators.carriers.telnyx.coding import PCMU, Coding, Mode, unpack_mp3
from bridge.vocabulary.contracts import WireMessage
from telecodecs.format import L16_16K, AudioFormat

ERRORS = {
    100002: "unknown_error",
    100003: "malformed_frame",
    100004: "invalid_media",
    100005: "rate_limit_reached",
}
UNKNOWN_ERROR, MALFORMED_FRAME, INVALID_MEDIA, RATE_LIMIT_REACHED = ERRORS

TOKEN_HEADER = "x-telnyx-streaming-auth-token"  # noqa: S105 - the name of a header

SHORTEST_MS = 20
LONGEST_MS = 30_000
"""Limits of the audio in one message in the mode rtp ("Media streaming over WebSockets")."""

MP3_EVERY_S = 1.0
"""In the mode mp3 a server may send one file in this time (likewise)."""

EPOCH = datetime(2025, 6, 5, 8, 54, 19, tzinfo=UTC)
"""When a call began by default; keys are sent with their time of day."""

_ACCOUNT = UUID("24a00c93-31cc-5acc-9981-2873d10be978")


def new_call_control_id() -> str:
    """A new id as Telnyx gives them: opaque, and to be encoded in a URL."""
    return f"v3:{secrets.token_urlsafe(33)}+/="


def token_headers(stream_token: str) -> dict[str, str]:
    """The header of the WebSocket upgrade that authenticates the stream; none without a token."""
    return {TOKEN_HEADER: stream_token} if stream_token else {}


class _Sent(Struct, tag_field="event"):
    pass


class _Token(Struct, rename={"token": TOKEN_HEADER}):
    token: str


class _Connected(_Sent, tag="connected"):
    version: str = "1.0.0"
    connected: _Token | UnsetType = UNSET


class _MediaFormat(Struct):
    encoding: str
    sample_rate: int
    channels: int = 1


class _StartBody(Struct, rename={"caller": "from", "called": "to"}):
    user_id: str
    call_control_id: str
    call_session_id: str
    media_format: _MediaFormat
    caller: str | UnsetType = UNSET
    called: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    client_state: str | UnsetType = UNSET
    custom_parameters: Mapping[str, str] | UnsetType = UNSET


class _Start(_Sent, tag="start"):
    sequence_number: str
    stream_id: str
    start: _StartBody


class _DtmfBody(Struct):
    digit: str


class _Dtmf(_Sent, tag="dtmf"):
    stream_id: str
    occurred_at: str
    sequence_number: str
    dtmf: _DtmfBody


class _MarkBody(Struct):
    name: str


class _MarkSent(_Sent, tag="mark"):
    stream_id: str
    sequence_number: str
    mark: _MarkBody


class _ErrorReport(Struct):
    code: int
    title: str
    detail: str


class _Error(_Sent, tag="error"):
    payload: _ErrorReport
    stream_id: str


class _StopBody(Struct):
    user_id: str
    call_control_id: str


class _Stop(_Sent, tag="stop"):
    sequence_number: str
    stream_id: str
    stop: _StopBody


class _Received(Struct, tag_field="event"):
    """Unknown fields are ignored, as Telnyx does."""


class _MediaBody(Struct):
    payload: str


class _MediaReceived(_Received, tag="media"):
    media: _MediaBody


class _MarkReceived(_Received, tag="mark"):
    mark: _MarkBody


class _ClearReceived(_Received, tag="clear"):
    pass


_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(_MediaReceived | _MarkReceived | _ClearReceived).decode


class SimulatedTelnyxStream:
    """A `SimulatedStream` of Telnyx's.

    `says`: the codec in which the caller's audio is sent. `hears`: the codec of the server's audio, in the mode rtp.
    `line`: the format of the caller's audio, if Telnyx transcodes it from A-law to mu-law or back; by default that of
    `says`. `stream_token`: sent with the message `connected`. `client_state`: base64. `began_at`: when the call began.
    Raises `ConfigurationError` if a codec's library is missing.
    """

    def __init__(
        self,
        *,
        call_control_id: str,
        call_session_id: str = "",
        stream_id: str = "",
        says: Coding = PCMU,
        hears: Coding = PCMU,
        mode: Mode = "rtp",
        line: AudioFormat | None = None,
        tracks: tuple[str, ...] = ("inbound",),
        parameters: Mapping[str, str] | None = None,
        one_way: bool = False,
        caller: str = "",
        called: str = "",
        client_state: str = "",
        tags: tuple[str, ...] = (),
        stream_token: str = "",
        began_at: datetime = EPOCH,
    ) -> None:
        self.call_sid = call_control_id
        self.stream_sid = stream_id or str(uuid4())
        self.line = line or says.format
        self.plays = L16_16K if mode == "mp3" else hears.format
        self.wire_codecs = (says.on_the_wire, "mp3" if mode == "mp3" else hears.on_the_wire)
        self.tracks = tracks
        self.one_way = one_way
        self.warnings: list[Warned] = []
        self._mode = mode
        self._pack = {track: says.pack(self.line) for track in tracks}
        self._unpack = unpack_mp3() if mode == "mp3" else hears.unpack()
        self._start = _StartBody(
            user_id=str(_ACCOUNT),
            call_control_id=call_control_id,
            call_session_id=call_session_id or str(uuid5(_ACCOUNT, call_control_id)),
            media_format=_MediaFormat(says.codec, says.rate_hz),
            caller=caller or UNSET,
            called=called or UNSET,
            tags=tags or UNSET,
            client_state=client_state or UNSET,
            custom_parameters=parameters or UNSET,
        )
        self._connected = _Connected(connected=_Token(stream_token) if stream_token else UNSET)
        self._began_at = began_at
        self._sequence = 0
        self._chunks = dict.fromkeys(tracks, 0)
        self._last_mp3 = float("-inf")

    def opening(self) -> list[str]:
        """The messages connected and start."""
        start = _Start(self._next(), self.stream_sid, self._start)
        return [self._text(self._connected), self._text(start)]

    def media(self, track: str, audio: bytes, at_ms: int) -> str:
        """The message media."""
        return self.media_of(track, self.payload(track, audio), at_ms)

    def payload(self, track: str, audio: bytes) -> str:
        """See `SimulatedStream`."""
        return b64encode(self._pack[track](audio)).decode()

    def media_of(self, track: str, payload: str, at_ms: int) -> str:
        """The message media. Its JSON is written by hand, because it is sent fifty times a second for every call."""
        self._chunks[track] += 1
        return (
            f'{{"event":"media","sequence_number":"{self._next()}","stream_id":"{self.stream_sid}",'
            f'"media":{{"track":"{track}","chunk":"{self._chunks[track]}","timestamp":"{at_ms}",'
            f'"payload":"{payload}"}}}}'
        )

    def digit(self, digit: str, at_ms: int = 0) -> str:
        """The message dtmf."""
        at = self._began_at + timedelta(milliseconds=at_ms)
        occurred_at = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return self._text(_Dtmf(self.stream_sid, occurred_at, self._next(), _DtmfBody(digit)))

    def mark(self, name: str) -> str:
        """The message mark."""
        return self._text(_MarkSent(self.stream_sid, self._next(), _MarkBody(name)))

    def closing(self) -> str:
        """The message stop."""
        body = _StopBody(self._start.user_id, self._start.call_control_id)
        return self._text(_Stop(self._next(), self.stream_sid, body))

    def audio_discarded(self) -> None:
        """Count the discarded chunks, which leave a gap in the numbers, and warn once.

        Telnyx documents no error for this, so none is sent.
        """
        for track in self.tracks:
            self._chunks[track] += 1
        if not any(warned.code == UNKNOWN_ERROR for warned in self.warnings):
            self.warnings.append(Warned(UNKNOWN_ERROR, "the server reads too slowly: audio was discarded"))

    def decode(self, message: WireMessage, now: float = 0.0) -> Order | None:
        """Read media, mark or clear; on a one-way stream all messages are ignored."""
        if self.one_way:
            return None
        if isinstance(message, bytes):
            return self._refuse(MALFORMED_FRAME, "a binary message")
        try:
            received = _read(message)
        except (msgspec.DecodeError, RecursionError) as error:
            return self._refuse(MALFORMED_FRAME, str(error))
        match received:
            case _MediaReceived():
                return self._media(received.media.payload, now)
            case _MarkReceived():
                return Mark(received.mark.name)
            case _:
                return Clear()

    def _media(self, payload: str, now: float) -> Order | None:
        try:
            data = a2b_base64(payload, strict_mode=True)
        except ValueError:
            return self._refuse(INVALID_MEDIA, "the payload is not base64")
        match self._mode:
            case "rtp":
                return self._rtp(data)
            case "mp3":
                return self._mp3(data, now)
            case _:
                return None

    def _rtp(self, data: bytes) -> Order:
        try:
            audio = self._unpack(data)
        except ValueError as error:
            return self._refuse(INVALID_MEDIA, str(error))
        ms = self.plays.duration_ms(len(audio))
        if not SHORTEST_MS <= ms <= LONGEST_MS:
            return self._refuse(INVALID_MEDIA, f"{ms:g} ms of audio in one message; expected 20 ms to 30 s")
        return Play(audio)

    def _mp3(self, data: bytes, now: float) -> Order | None:
        """Play an MP3 file; other data is ignored without an error."""
        if now - self._last_mp3 < MP3_EVERY_S:
            return self._refuse(RATE_LIMIT_REACHED, "more than one MP3 file in a second")
        self._last_mp3 = now
        try:
            return Play(self._unpack(data))
        except ValueError:
            return None

    def _refuse(self, code: int, why: str) -> Refused:
        self.warnings.append(Warned(code, why))
        return Refused(self._text(_Error(_ErrorReport(code, ERRORS[code], why), self.stream_sid)))

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)

    def _text(self, message: _Sent) -> str:
        return _write(message).decode()
