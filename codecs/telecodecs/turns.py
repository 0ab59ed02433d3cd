"""Detects when the caller starts and ends a turn, in the audio of one stream.

`speech` detects the speech. Where it has to be confirmed, a short noise is a turn that is suspected and dismissed.
Without confirmation the sequence is (TurnStarted TurnEnded)*, with it
(TurnSuspected (TurnDismissed | TurnStarted TurnEnded))*; the stream may end anywhere in it.
Times are milliseconds of the audio fed; the result does not depend on how the audio is cut.
"""

from dataclasses import dataclass

from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS, AudioFormat
from telecodecs.resample import Resampler
from telecodecs.speech import HANGOVER_MS, RATES_HZ, SpeechDetector, SpeechEnded, SpeechStarted

_JUDGED_HZ = 16_000
"""The rate to which formats are resampled whose own rate the detector does not take."""

_DISMISSED_AFTER_MS = 200
"""After so much silence a suspected turn is dismissed without waiting for the end of the confirmation."""


@dataclass(frozen=True, slots=True)
class TurnSuspected:
    """Somebody may be speaking since `at_ms`; `TurnStarted` or `TurnDismissed` follows."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Somebody speaks since `at_ms`."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnDismissed:
    """The turn suspected at `at_ms` was too short to be speech."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The utterance is over: its last speech ended at `at_ms`, `silence_ms` ago."""

    at_ms: int


Turn = TurnSuspected | TurnStarted | TurnDismissed | TurnEnded


class TurnDetector:
    """Detects the turns of one stream, in any format of one channel.

    `min_speech_ms`: how much speech begins a turn; a click is shorter. `silence_ms`: how long without speech ends it.
    `confirm_ms`: a turn is only suspected at first, and started if the speech still goes on after this time; 0 starts
    it at once. Times are rounded up to frames of 20 ms. Raises ValueError on more than one channel, on a rate that
    cannot be resampled, and on a time out of range.
    """

    def __init__(
        self, hears: AudioFormat, *, min_speech_ms: int = 100, confirm_ms: int = 0, silence_ms: int = 700
    ) -> None:
        if confirm_ms < 0:
            raise ValueError(f"confirm_ms {confirm_ms} is out of range; expected 0 or more")
        rate_hz = hears.rate_hz if hears.rate_hz in RATES_HZ else _JUDGED_HZ
        self._per_ms = rate_hz // 1000
        self._decode = decoder(hears)
        self._resampler = Resampler(hears.rate_hz, rate_hz) if rate_hz != hears.rate_hz else None
        self._speech = SpeechDetector(rate_hz=rate_hz, min_speech_ms=min_speech_ms, silence_ms=silence_ms)
        self._confirm = confirm_ms * self._per_ms
        self._suspected: TurnSuspected | None = None  # while it waits for confirmation
        self._noticed_at = 0  # samples classified by then

    @property
    def speaking(self) -> bool:
        """Whether a turn has started and not ended. A turn that is only suspected does not count."""
        return self._speech.speaking and self._suspected is None

    def reset(self) -> None:
        """Forget everything: the next sample is at 0 ms."""
        if self._resampler is not None:
            self._resampler.reset()
        self._speech.reset()
        self._suspected = None

    def feed(self, audio: bytes) -> list[Turn]:
        """The changes by the end of this audio, which holds whole samples."""
        samples = self._decode(audio)
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        turns: list[Turn] = []
        frame = FRAME_MS * self._per_ms
        for at in range(0, len(samples), frame):  # a frame at a time, so that each is followed by a check
            turns.extend(map(self._turn, self._speech.feed(samples[at : at + frame])))
            if self._suspected is not None:
                turns += self._confirmed(self._suspected)
        return turns

    def _turn(self, change: SpeechStarted | SpeechEnded) -> Turn:
        at_ms = change.at_sample // self._per_ms
        suspected, self._suspected = self._suspected, None
        match change:
            case SpeechStarted() if self._confirm:
                self._suspected = TurnSuspected(at_ms)
                self._noticed_at = self._speech.judged
                return self._suspected
            case SpeechStarted():
                return TurnStarted(at_ms)
            case SpeechEnded():
                return TurnEnded(at_ms) if suspected is None else TurnDismissed(suspected.at_ms)

    def _confirmed(self, suspected: TurnSuspected) -> list[Turn]:
        """Start or dismiss the suspected turn, if it is time; else nothing."""
        judged = self._speech.judged
        quiet_ms = (judged - self._speech.spoken_to) // self._per_ms
        waited = judged - self._noticed_at >= self._confirm
        if quiet_ms > (HANGOVER_MS if waited else _DISMISSED_AFTER_MS):
            self._suspected = None
            self._speech.withdraw()
            return [TurnDismissed(suspected.at_ms)]
        if waited:
            self._suspected = None
            return [TurnStarted(suspected.at_ms)]
        return []
