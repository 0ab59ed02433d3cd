"""Redaction of a trace: what of a call's lines may be written, and when.

Lines wait for `HOLD_MS`, and from the first key of an open entry on, because keys may become sensitive after they were
typed. What is then taken out are the digits, and the caller's audio around them, in which their tones may sound: that of
the recording (see `recording_redaction`), on the way from the carrier and on the way to the assistant.
Times are milliseconds since the carrier's socket was opened.
"""

from base64 import b64encode
from collections import deque
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, structs

from bridge.observers.call_secrets import CallSecrets
from bridge.observers.recording_redaction import AFTER_MS, BEFORE_MS, Tones
from bridge.observers.trace import (
    ASSISTANT,
    BRIDGE,
    CARRIER,
    MASK,
    HttpMessage,
    TraceLine,
    decoded_base64,
)
from bridge.observers.trace_masking import Masking, audio_field, is_audio_text
from bridge.vocabulary.commands import EnterDigits, SetSensitive
from bridge.vocabulary.events import AssistantReady, CallerAudio, CallStarted, DigitPressed, EntryEnd, Word
from telecodecs.dtmf_detector import RATES_HZ
from telecodecs.format import PCMU_8K, AudioFormat

LATE_MS = 300
"""How much later than its audio a key may be reported: a carrier that loses the order waits for what is missing."""

HOLD_MS = BEFORE_MS + LATE_MS
LONGEST_HELD_MS = 30_000
"""A key whose entry is open for longer is masked as if it were sensitive."""

_SILENCE = {"pcmu": b"\xff", "audio/x-mulaw": b"\xff", "pcma": b"\xd5", "l16": b"\x00"}
"""By the carrier's name of the codec. A packet of another codec is emptied."""


class Span(NamedTuple):
    """A span of time whose caller's audio is taken out, in ms."""

    start: float
    stop: float


class _Key:
    """A key that was pressed, in an entry that is not complete."""

    def __init__(self, at_ms: float, line: "_Held | None") -> None:
        self.at_ms = at_ms
        self.line = line
        self.is_seen = False  # by the core


class _Held:
    """A line that waits."""

    __slots__ = ("blanks_post", "digit", "hides_digits", "is_key", "line")

    def __init__(self, line: TraceLine, *, is_key: bool, hides_digits: bool) -> None:
        self.line = line
        self.is_key = is_key
        self.hides_digits = hides_digits
        self.blanks_post = False  # the utterance that is posted may have the tones of sensitive keys
        self.digit = ""  # in place of the masked one: the key that ended the entry


class TraceRedaction:
    """The redaction of one call's trace: `add` each line, `saw` each word, and take what may be written.

    `shows`: numbers and secrets are not masked; sensitive keys always are.
    """

    sees: frozenset[type[Word]] = frozenset(
        {CallStarted, SetSensitive, DigitPressed, EnterDigits, CallerAudio, AssistantReady}
    )

    def __init__(self, *, shows: bool = False) -> None:
        self._secrets = CallSecrets()
        self.masking = Masking(self._secrets.hide, shows=shows)
        self._held: deque[_Held] = deque()
        self._keys: deque[_Key] = deque()  # of the open entry
        self._typed: list[_Held] = []  # lines of sensitive keys of the open entry
        self._blank: deque[Span] = deque()
        self._is_sensitive = False
        self._posts_blank = False  # a sensitive key was pressed since the last utterance was posted
        self._tones: Tones | None = None
        self._line = self._hears = PCMU_8K
        self._silence = b""

    def add(self, line: TraceLine) -> None:
        """A line of the trace, in the order of time."""
        is_key = line.to == BRIDGE and b'"dtmf"' in bytes(line.message) and _event(line) == "dtmf"
        held = _Held(line, is_key=is_key, hides_digits=self._is_sensitive)
        self._held.append(held)
        if line.post is not None:
            held.blanks_post, self._posts_blank = self._posts_blank, False
        if is_key:
            self._press(line.at_ms, held)

    def saw(self, word: Word, at_ms: float) -> None:
        """An event before the core gets it, or a command before it is performed."""
        match word:
            case CallerAudio(audio=audio):
                self._listen(audio, at_ms)
            case SetSensitive(is_sensitive):
                self._set_sensitive(is_sensitive)
            case DigitPressed():
                self._seen(at_ms)
            case EnterDigits():
                self._entered(word)
            case CallStarted(line=line):
                self._secrets.saw(word)
                self._line = self._hears = line
            case AssistantReady(hears=hears):
                self._hears = hears

    def _listen(self, audio: bytes, at_ms: float) -> None:
        if self._tones is not None:
            self._tones.listen(audio)
            if self._tones.pressed or self._tones.is_sounding:
                self._blank_around(at_ms)

    def _set_sensitive(self, is_sensitive: bool) -> None:
        self._is_sensitive = is_sensitive
        self._tones = Tones(self._line) if is_sensitive and self._line.rate_hz in RATES_HZ else None
        if is_sensitive:
            self._mask_keys()

    def _mask_keys(self) -> None:
        """The keys of the open entry are sensitive."""
        if not self._keys:
            return
        first_ms = self._keys[0].at_ms
        for held in self._held:
            if held.line.at_ms >= first_ms:
                held.hides_digits = held.blanks_post = True
        for key in self._keys:
            self._blank_around(key.at_ms)
            if key.line is not None:
                self._typed.append(key.line)
        self._keys.clear()

    def _press(self, at_ms: float, held: _Held | None) -> None:
        if self._is_sensitive:
            self._blank_around(at_ms)
            if held is not None:
                self._typed.append(held)
        else:
            self._keys.append(_Key(at_ms, held))

    def _seen(self, at_ms: float) -> None:
        """The core gets a key: the oldest whose message came. One without a message is a key of its own."""
        if self._is_sensitive:
            self._blank_around(at_ms)
        key = next((key for key in self._keys if not key.is_seen), None)
        if key is not None:
            key.is_seen = True

    def _entered(self, entry: EnterDigits) -> None:
        is_secret = bool(entry.placeholder) or self._is_sensitive or bool(self._typed)
        if is_secret:
            placeholder = entry.placeholder or MASK * len(entry.digits)
            self._secrets.saw(structs.replace(entry, placeholder=placeholder))
            if self._typed and entry.terminator:
                self._typed[-1].digit = entry.terminator
        if entry.reason is not EntryEnd.FULL:
            self._typed.clear()
            while self._keys and self._keys[0].is_seen:
                self._keys.popleft()
            return
        for _ in range(len(entry.digits)):  # keys may have been typed ahead of the next entry
            if self._keys and self._keys[0].is_seen:
                self._keys.popleft()
        del self._typed[: len(entry.digits)]

    def _blank_around(self, at_ms: float) -> None:
        self._posts_blank = True
        span = Span(at_ms - HOLD_MS, at_ms + AFTER_MS)
        if self._blank and span.start <= self._blank[-1].stop:
            last = self._blank.pop()
            span = Span(min(last.start, span.start), max(last.stop, span.stop))
        self._blank.append(span)

    # What may be written

    def take(self, now_ms: float) -> list[TraceLine]:
        """The lines that may be written by now."""
        while self._keys and self._keys[0].at_ms < now_ms - LONGEST_HELD_MS:
            self._mask_keys()
        until = now_ms - HOLD_MS
        if self._keys:
            until = min(until, self._keys[0].at_ms - HOLD_MS)
        return self._release(until)

    def rest(self) -> list[TraceLine]:
        """All lines that are left: the call is over. Keys whose entry never ended are masked."""
        self._mask_keys()
        return self._release(float("inf"))

    def _release(self, until_ms: float) -> list[TraceLine]:
        lines = []
        while self._held and self._held[0].line.at_ms <= until_ms:
            held = self._held.popleft()
            while self._blank and self._blank[0].stop < held.line.at_ms:
                self._blank.popleft()
            lines.append(self._redacted(held))
        return lines

    def _redacted(self, held: _Held) -> TraceLine:
        line = held.line
        is_blank = bool(self._blank) and self._blank[0].start <= line.at_ms
        if line.what:
            return structs.replace(
                line,
                reason=self.masking.text(line.reason),
                output=self.masking.text(line.output),
                tool_call_id=self.masking.identifier(line.tool_call_id),
                assistant=self.masking.identifier(line.assistant),
            )
        if line.post is not None:
            return structs.replace(line, post=self._http(line.post, blank=held.blanks_post))
        if line.posted is not None:
            return structs.replace(line, posted=self._http(line.posted, blank=False))
        is_callers = line.to == ASSISTANT or (line.to == BRIDGE and line.leg.startswith(CARRIER))
        if line.base64 is not None:
            return self._blanked_bytes(line, line.base64) if is_blank and is_callers else line
        if line.text is not None:
            return self._text(line, line.text, blanks=is_blank and is_callers)
        return self._json(held, blanks=is_blank and is_callers) if bytes(line.message) else line

    def _json(self, held: _Held, *, blanks: bool) -> TraceLine:
        line, raw = held.line, bytes(held.line.message)
        if not blanks and self.masking.is_plain_audio(raw):
            return line
        message = msgspec.json.decode(raw)
        self._note_codec(message)
        is_masked = held.hides_digits and held.is_key
        masked = self.masking.message(message, hides_digits=held.hides_digits)
        if held.is_key and held.digit and isinstance(masked.get("dtmf"), dict):
            masked["dtmf"]["digit"] = held.digit
        if blanks and isinstance(masked, dict) and (found := audio_field(masked)) is not None:
            table, name = found
            if table.get("track") != "outbound":
                audio = decoded_base64(table[name]) or b""
                table[name] = b64encode(self._silent(audio, line.to)).decode()
                is_masked = True
        if masked == message:
            return line
        return structs.replace(line, message=Raw(msgspec.json.encode(masked)), masked=is_masked)

    def _note_codec(self, message: Any) -> None:
        if isinstance(message, dict) and isinstance(start := message.get("start"), dict):
            codec = start.get("media_format", start.get("mediaFormat"))
            name = codec.get("encoding") if isinstance(codec, dict) else None
            self._silence = _SILENCE.get(name.lower(), b"") if isinstance(name, str) else b""

    def _silent(self, audio: bytes, to: str) -> bytes:
        return _filled(self._hears, len(audio)) if to == ASSISTANT else self._silence * len(audio)

    def _blanked_bytes(self, line: TraceLine, audio: bytes) -> TraceLine:
        return structs.replace(line, base64=self._silent(audio, line.to), masked=True)

    def _text(self, line: TraceLine, text: str, *, blanks: bool) -> TraceLine:
        if not is_audio_text(text):
            return structs.replace(line, text=self.masking.text(text))
        word = text[: len(text) - len(text.lstrip("_ABCDEFGHIJKLMNOPQRSTUVWXYZ"))] if text[0] == "_" else ""
        audio = decoded_base64(text[len(word) :])
        if audio is None:
            return structs.replace(line, text=self.masking.text(text))
        if not blanks:
            return line
        return structs.replace(
            line, text=word + b64encode(self._silent(audio, line.to)).decode(), masked=True
        )

    def _http(self, http: HttpMessage, *, blank: bool) -> HttpMessage:
        headers = self.masking.message(http.headers, hides_digits=False)
        if bytes(http.json):
            body = Raw(self.masking.raw(bytes(http.json), hides_digits=False))
            return structs.replace(http, headers=headers, json=body)
        audio = _filled(self._hears, len(http.base64)) if blank else http.base64
        return structs.replace(http, headers=headers, text=self.masking.text(http.text), base64=audio)


def _filled(line: AudioFormat, size: int) -> bytes:
    return (line.silence * (size // line.sample_bytes + 1))[:size]


def _event(line: TraceLine) -> object:
    message = msgspec.json.decode(bytes(line.message))
    return message.get("event") if isinstance(message, dict) else None
