"""Where a recording of the caller must be silent, because keys that are nobody's business may sound there.

A carrier tells of a key when its tone is over, or takes the tone out of the audio, or does neither; so while keys are
sensitive the sound is listened to as well. Silent is what came from `BEFORE_MS` before such a key until `AFTER_MS` after
it. Of keys that are typed ahead of the set_sensitive the places are kept while their entry is open.
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
"""So long the place of a key is kept whose entry is open, and the sound before it can still be taken out."""


class Span(NamedTuple):
    """A stretch of the caller's side."""

    start: int
    stop: int


class _Tones:
    """Keys in the sound. `pressed`: one sounds; `sounding`: what is heard may become one."""

    def __init__(self, line: AudioFormat) -> None:
        self._decode = decoder(line)
        self._detector = ToneDetector(line.rate_hz)
        self.pressed = False

    @property
    def sounding(self) -> bool:
        return self.pressed or self._detector.sounding

    def listen(self, audio: bytes) -> None:
        heard = self._detector.feed(self._decode(audio))
        self.pressed = bool(heard) or (self.pressed and self._detector.sounding)


class RecordingRedaction:
    """One call's, whose caller comes in this format."""

    def __init__(self, line: AudioFormat) -> None:
        self._line = line
        self._before, self._after = line.bytes_in(BEFORE_MS), line.bytes_in(AFTER_MS)
        self._longest_open = line.bytes_in(LONGEST_OPEN_MS)
        self._sensitive = False
        self._open: list[Span] = []  # of keys that are typed and not sensitive as yet
        self._blank: list[Span] = []
        self._silent_until = 0.0
        self._tones: _Tones | None = None

    def saw(self, word: Word, at: int, now: float) -> list[Span]:
        """What is to be silent from now on, whether it was recorded or will be. `at`: the recording's end."""
        match word:
            case SetSensitive(sensitive):
                return self._set_sensitive(sensitive)
            case DigitPressed() | TypeDigit():
                return self._press(at, now)
            case EnterDigits(reason=reason) if reason is not EntryEnd.FULL:  # else some keys may be left
                self._open.clear()
        return []

    def listen(self, audio: bytes, at: int, now: float) -> tuple[bytes, list[Span]]:
        """The caller's next frame as it may be recorded, and what is to be silent besides. Whole samples."""
        blanks: list[Span] = []
        tones = self._tones
        if tones is not None:
            tones.listen(audio)
            if tones.pressed:
                blanks = self._press(at, now)
        if now < self._silent_until or (tones is not None and tones.sounding):
            audio = self._line.silence * self._line.samples_in(len(audio))
        return audio, blanks

    def within(self, start: int, stop: int) -> list[Span]:
        """What of this stretch is to be silent, though its audio came only now."""
        return [
            Span(max(start, blank.start), min(stop, blank.stop))
            for blank in self._blank
            if blank.start < stop and start < blank.stop
        ]

    def keeps_from(self, end: int) -> int:
        """From here on the recording may still have to be changed."""
        self._open = [span for span in self._open if span.start > end - self._longest_open]
        return min((span.start for span in self._open), default=end)

    def forget(self, before: int) -> None:
        """Nothing can be laid there any more."""
        self._blank = [blank for blank in self._blank if blank.stop > before]

    def _set_sensitive(self, sensitive: bool) -> list[Span]:
        self._sensitive = sensitive
        self._tones = _Tones(self._line) if sensitive and self._line.rate_hz in RATES_HZ else None
        if not sensitive:
            return []
        blanks, self._open = self._open, []
        self._blank += blanks
        return blanks

    def _press(self, at: int, now: float) -> list[Span]:
        span = Span(max(0, at - self._before), at + self._after)
        if not self._sensitive:
            self._open.append(span)
            return []
        self._silent_until = now + AFTER_MS / 1000
        if self._blank and span.start <= self._blank[-1].stop:
            span = Span(min(span.start, self._blank[-1].start), span.stop)
            self._blank.pop()
        self._blank.append(span)
        return [span]
