"""Masks what one message of a trace must not show: telephone numbers, secrets, and sensitive keys.

Audio is left as it is; so are the ids by which messages refer to each other, unless they look like a number or a key.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from bridge.observers.trace import MASK, decoded_base64
from bridge.redaction import HIDDEN, SHORTEST_NUMBER, is_secret, safe_id, without_private, without_secrets

SHORTEST_AUDIO = 120
"""A text that is base64 throughout, and as long, is a frame of audio: 90 bytes, less than 20 ms of any format."""

_BASE64 = re.compile(rf"(_[A-Z]{{2,12}})?[A-Za-z0-9+/]{{{SHORTEST_AUDIO},}}={{0,2}}")
_COUNTER = re.compile(
    r"timestamp|chunk|version|sequence_?number|\w*_(at|ms|index|tokens|bytes)|limit|remaining", re.IGNORECASE
)
"""The names of fields whose digits are no telephone number."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?")
_ID = re.compile(r"[\w.:+/=~@-]{1,200}")
_DIGITS = frozenset({"digit", "digits"})
_PERSONAL = frozenset({"caller_name", "callername", "caller_id_name"})
"""Fields that hold the name of whoever calls: as little to be shown as a secret."""

_LONG_NUMBER = 10 ** (SHORTEST_NUMBER - 1)


class _Field(NamedTuple):
    """What a field's name says of its value."""

    name: str
    is_plain: bool
    """The name itself shows nothing."""
    is_secret: bool
    is_counter: bool
    is_id: bool
    is_account: bool


@lru_cache(maxsize=1_000)
def _field_of(name: str) -> _Field:
    lower = name.lower()
    return _Field(
        name,
        len(name) < SHORTEST_NUMBER or name.replace("_", "").isalpha(),
        is_secret(name) or lower in _PERSONAL,
        _COUNTER.fullmatch(name) is not None,
        lower.endswith("id"),
        "account" in lower,
    )


class _FrameBody(Struct, forbid_unknown_fields=True, gc=False):
    payload: bytes
    track: Literal["inbound", "outbound"] = "inbound"
    chunk: int = 0
    timestamp: int = 0


class _Frame(Struct, forbid_unknown_fields=True, tag_field="event", tag="media", gc=False):
    media: _FrameBody
    streamSid: str = ""  # noqa: N815  # as on the wire
    sequenceNumber: int = 0  # noqa: N815
    stream_id: str = ""
    sequence_number: int = 0


class _AudioField(Struct, forbid_unknown_fields=True, tag_field="type", gc=False):
    """A message of an assistant's protocol that is audio and little else."""


class _Append(_AudioField, tag="input_audio_buffer.append", forbid_unknown_fields=True, gc=False):
    audio: bytes


class _Audio(_AudioField, tag="audio", forbid_unknown_fields=True, gc=False):
    audio: bytes


class _Delta(_AudioField, tag="response.output_audio.delta", forbid_unknown_fields=True, gc=False):
    delta: bytes
    event_id: str = ""
    response_id: str = ""
    item_id: str = ""
    output_index: int = 0
    content_index: int = 0


_READ_FRAME = msgspec.json.Decoder(_Frame, strict=False)
_READ_AUDIO = msgspec.json.Decoder(_Append | _Audio | _Delta)
MOST_PLAIN_IDS = 1_000
"""Ids that are known to show nothing; then they are looked at anew."""

Hide = Callable[[str], str]


def is_audio_text(text: str) -> bool:
    """Whether a text message is audio in base64, with nothing but a word in capitals around it."""
    return _BASE64.fullmatch(text) is not None


def audio_field(message: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Where a message of JSON has its audio in base64: the object and the name in it; None where it has none."""
    if message.get("event") == "media" and isinstance(media := message.get("media"), dict):
        return (media, "payload") if isinstance(media.get("payload"), str) else None
    kind = message.get("type")
    if not isinstance(kind, str):
        return None
    name = "delta" if kind.endswith("audio.delta") else "audio"
    return (message, name) if isinstance(message.get(name), str) else None


class Masking:
    """The masking of one call's messages. `hide`: removes what is known by its value. `shows`: nothing but that is masked."""

    def __init__(self, hide: Hide, *, shows: bool = False) -> None:
        self._hide = hide
        self._shows = shows
        self._plain_ids: set[str] = set()

    def is_plain_audio(self, message: bytes) -> bool:
        """Whether this is a frame of audio with nothing to mask. It is asked of every message, and may say no."""
        try:
            if message.startswith(b'{"event":"media"'):
                frame = _READ_FRAME.decode(message)
                return self._are_plain(frame.streamSid, frame.stream_id)
            if b"audio" in message[:40]:
                audio = _READ_AUDIO.decode(message)
                return type(audio) is not _Delta or self._are_plain(audio.response_id, audio.item_id)
        except msgspec.DecodeError:
            pass
        return False

    def _are_plain(self, *ids: str) -> bool:
        for name in ids:
            if name and name not in self._plain_ids:
                if self.identifier(name) != name or len(self._plain_ids) >= MOST_PLAIN_IDS:
                    self._plain_ids.clear()
                    return False
                self._plain_ids.add(name)
        return True

    def message(self, message: Any, *, hides_digits: bool) -> Any:
        """Return a decoded message of JSON as it may be shown. `hides_digits`: the fields that hold keys are masked."""
        audio = audio_field(message) if isinstance(message, dict) else None
        if audio is not None and decoded_base64(audio[0][audio[1]]) is None:
            audio = None
        return self._table(message, audio, hides_digits)

    def _table(self, value: Any, audio: tuple[dict[str, Any], str] | None, hides_digits: bool) -> Any:
        if isinstance(value, dict):
            hides = hides_digits or value.get("sensitive") is True
            if audio is not None and value is audio[0]:
                own = audio[1]
                return {
                    self.name(name): inner
                    if name == own
                    else self._field(_field_of(name), inner, audio, hides)
                    for name, inner in value.items()
                }
            return {
                self.name(name): self._field(_field_of(name), inner, audio, hides)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._table(inner, audio, hides_digits) for inner in value]
        return self.text(value) if isinstance(value, str) else self._number(value)

    def _field(self, field: _Field, value: Any, audio: tuple[dict[str, Any], str] | None, hides: bool) -> Any:
        is_secret = field.is_secret and not self._shows
        if isinstance(value, (dict, list)):
            return self._secrets(value) if is_secret else self._table(value, audio, hides)
        if not isinstance(value, str):
            return value if field.is_counter else self._number(value)
        if field.name == "audio" and is_audio_text(value):
            return value
        if hides and field.name in _DIGITS:
            return MASK * len(value)
        if is_secret:
            return HIDDEN
        if len(value) < SHORTEST_NUMBER or _DATE.fullmatch(value):
            return self._hide(value)
        if field.is_counter and value.isdecimal():
            return value
        if field.name == "client_state" and (state := decoded_base64(value)) is not None:
            return self._state(value, state)
        if field.is_id:
            return "***" if field.is_account and not self._shows else self.identifier(value)
        return self.text(value)

    def identifier(self, name: str) -> str:
        """The name of a call, a stream, an item or the like, by which messages refer to each other."""
        if self._shows or _ID.fullmatch(name) is None:
            return self.text(name)
        return self._hide(without_secrets(safe_id(name)))

    def _secrets(self, value: Any) -> Any:
        """A table under the name of a secret: its texts are hidden."""
        if isinstance(value, dict):
            return {name: self._secrets(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._secrets(inner) for inner in value]
        return HIDDEN if isinstance(value, str) else value

    def _state(self, value: str, state: bytes) -> str:
        """The client state, which is a text in base64."""
        try:
            text = state.decode()
        except UnicodeDecodeError:
            return self.text(value)
        masked = self.text(text)
        return value if masked == text else b64encode(masked.encode()).decode()

    def _number(self, value: Any) -> Any:
        return 0 if type(value) is int and abs(value) >= _LONG_NUMBER and not self._shows else value

    def name(self, name: str) -> str:
        """The name of a field, which a peer may have chosen."""
        return name if _field_of(name).is_plain else self.text(name)

    def text(self, text: str) -> str:
        """Return a text as it may be shown."""
        text = self._hide(text)
        return text if self._shows else without_private(text)

    def raw(self, message: bytes, *, hides_digits: bool) -> bytes:
        """Return a message of JSON as it may be shown; unchanged, byte for byte, where nothing is masked."""
        decoded = msgspec.json.decode(message)
        masked = self.message(decoded, hides_digits=hides_digits)
        return message if masked == decoded else msgspec.json.encode(masked)
