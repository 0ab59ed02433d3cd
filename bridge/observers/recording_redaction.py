"""Redaction of the recording: where the caller's side must be silent, because sensitive keys may sound there.

A carrier reports a key when its tone is over, or takes the tone out of the audio, or does neither; so while keys are
sensitive, tones are detected as well. Audio is silenced from `BEFORE_MS` before such a key until `AFTER_MS` after it.
Keys may become sensitive after they were typed, so their positions are kept while their entry is open.
Positions are bytes of the line's format, as in `recording`; `now` is seconds.
"""

from typing import NamedTuple

from bridge.vocabulary.commands import EnterDigits, SetSensitive, TypeDigit
from bridge.vocabulary.events import DigitPressed, EntryEnd, Word
from telecodecs.codec import decoder
from telecodecs.dtmf_detector import RATES_HZ, ToneDetector
from telecodecs.format import AudioFormat

BEFORE_MS = 400
AFTER_MS = 150

LONGEST_OPEN_MS = 15_000
"""How long the position of a key is kept while its entry is open, and the audio before it can still be silenced."""


class Span(NamedTuple):
    """A span of the caller's side."""

    start: int
    stop: int


class Tones:
    """Detects keys in the audio. `pressed`: a key sounds; `is_sounding`: what sounds may become a key."""

    def __init__(self, line: AudioFormat) -> None:
        self._decode = decoder(line)
        self._detector = ToneDetector(line.rate_hz)
        self.pressed = False

    @property
    def is_sounding(self) -> bool:
        return self.pressed or self._detector.sounding

    def listen(self, audio: bytes) -> None:
        heard = self._detector.feed(self._decode(audio))
        self.pressed = bool(heard) or (self.pressed and self._detector.sounding)


class RecordingRedaction:
    """The redaction of one call's recording. `line`: the format of the caller's audio."""

    def __init__(self, line: AudioFormat) -> None:
        self._line = line
        self._before, self._after = line.bytes_in(BEFORE_MS), line.bytes_in(AFTER_MS)
        self._longest_open = line.bytes_in(LONGEST_OPEN_MS)
        self._is_sensitive = False
        self._open: list[Span] = []  # of keys of the open entry that are not sensitive so far
        self._blank: list[Span] = []
        self._silent_until = 0.0
        self._tones: Tones | None = None

    def saw(self, word: Word, at: int, now: float) -> list[Span]:
        """Return spans to be silenced, recorded or to come. `at`: the end of the recording."""
        match word:
            case SetSensitive(is_sensitive):
                return self._set_sensitive(is_sensitive)
            case DigitPressed() | TypeDigit():
                return self._press(at, now)
            case EnterDigits(reason=reason) if (
                reason is not EntryEnd.FULL
            ):  # a full entry may leave keys for the next
                self._open.clear()
        return []

    def listen(self, audio: bytes, at: int, now: float) -> tuple[bytes, list[Span]]:
        """Return the caller's next frame as it may be recorded, and spans to be silenced. `audio`: whole samples."""
        blanks: list[Span] = []
        tones = self._tones
        if tones is not None:
            tones.listen(audio)
            if tones.pressed:
                blanks = self._press(at, now)
        if now < self._silent_until or (tones is not None and tones.is_sounding):
            audio = self._line.silence * self._line.samples_in(len(audio))
        return audio, blanks

    def within(self, start: int, stop: int) -> list[Span]:
        """Return the parts of a span to be silenced, whose audio came only now."""
        return [
            Span(max(start, blank.start), min(stop, blank.stop))
            for blank in self._blank
            if blank.start < stop and start < blank.stop
        ]

    def keeps_from(self, end: int) -> int:
        """Return the position from which on the recording may still have to be silenced."""
        self._open = [span for span in self._open if span.start > end - self._longest_open]
        return min((span.start for span in self._open), default=end)

    def forget(self, before: int) -> None:
        """Nothing is recorded before this position any more."""
        self._blank = [blank for blank in self._blank if blank.stop > before]

    def _set_sensitive(self, is_sensitive: bool) -> list[Span]:
        self._is_sensitive = is_sensitive
        self._tones = Tones(self._line) if is_sensitive and self._line.rate_hz in RATES_HZ else None
        if not is_sensitive:
            return []
        blanks, self._open = self._open, []
        self._blank += blanks
        return blanks

    def _press(self, at: int, now: float) -> list[Span]:
        span = Span(max(0, at - self._before), at + self._after)
        if not self._is_sensitive:
            self._open.append(span)
            return []
        self._silent_until = now + AFTER_MS / 1000
        if self._blank and span.start <= self._blank[-1].stop:
            span = Span(min(span.start, self._blank[-1].start), span.stop)
            self._blank.pop()
        self._blank.append(span)
        return [span]
