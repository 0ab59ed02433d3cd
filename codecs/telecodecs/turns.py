"""Hears when the caller takes a turn and when it is over, in one stream of bytes; a cough need not be one.

Without confirmation: (TurnStarted TurnEnded)*. With it: (TurnSuspected (TurnDismissed | TurnStarted TurnEnded))*. The stream may end anywhere.
`speech` finds the speech. Times are milliseconds of the audio fed: however it is cut, the same is noticed.
"""

from dataclasses import dataclass

from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS, AudioFormat
from telecodecs.resample import Resampler
from telecodecs.speech import HANGOVER_MS, RATES_HZ, SpeechDetector, SpeechEnded, SpeechStarted

_JUDGED_HZ = 16_000
"""For formats at a rate that the detector cannot judge."""

_COUGH_IS_OVER_MS = 200
"""So much quiet after what suspected: it need not be waited for any longer."""


@dataclass(frozen=True, slots=True)
class TurnSuspected:
    """Perhaps someone speaks, since `at_ms`; `TurnStarted` or `TurnDismissed` tells."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Someone speaks, since `at_ms`."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnDismissed:
    """What suspected at `at_ms` was too short to be speech."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The utterance is over: its last speech ended at `at_ms`, `silence_ms` ago."""

    at_ms: int


Turn = TurnSuspected | TurnStarted | TurnDismissed | TurnEnded


class TurnDetector:
    """One stream's turns, in any format of one channel.

    `min_speech_ms`: so much speech is noticed; a click is shorter. `silence_ms`: so long without speech ends a turn.
    `confirm_ms`: speech only suspects at first, and is spoken if it still goes on so much later; 0: it is spoken at once.
    Spans count in frames of 20 ms, rounded up. Raises ValueError on more than one channel, a rate that is not
    converted, and a span out of range.
    """

    def __init__(
        self, hears: AudioFormat, *, min_speech_ms: int = 100, confirm_ms: int = 0, silence_ms: int = 700
    ) -> None:
        if confirm_ms < 0:
            raise ValueError(f"confirm_ms {confirm_ms} is out of range; 0 or more is right")
        rate_hz = hears.rate_hz if hears.rate_hz in RATES_HZ else _JUDGED_HZ
        self._per_ms = rate_hz // 1000
        self._decode = decoder(hears)
        self._resampler = Resampler(hears.rate_hz, rate_hz) if rate_hz != hears.rate_hz else None
        self._speech = SpeechDetector(rate_hz=rate_hz, min_speech_ms=min_speech_ms, silence_ms=silence_ms)
        self._confirm = confirm_ms * self._per_ms
        self._suspected: TurnSuspected | None = None  # while it waits for confirmation
        self._noticed_at = 0  # samples judged by then

    @property
    def speaking(self) -> bool:
        """Whether somebody spoke, as far as `TurnStarted` told, and has not paused."""
        return self._speech.speaking and self._suspected is None

    def reset(self) -> None:
        """As new: the next sample is at 0 ms."""
        if self._resampler is not None:
            self._resampler.reset()
        self._speech.reset()
        self._suspected = None

    def feed(self, audio: bytes) -> list[Turn]:
        """What was noticed by the end of this audio: whole samples."""
        samples = self._decode(audio)
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        turns: list[Turn] = []
        frame = FRAME_MS * self._per_ms
        for at in range(0, len(samples), frame):  # no more than are judged at once: none is looked past
            turns.extend(map(self._told, self._speech.feed(samples[at : at + frame])))
            if self._suspected is not None:
                turns += self._weigh(self._suspected)
        return turns

    def _told(self, change: SpeechStarted | SpeechEnded) -> Turn:
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

    def _weigh(self, suspected: TurnSuspected) -> list[Turn]:
        """Whether it can be told by now what suspected."""
        judged = self._speech.judged
        quiet_ms = (judged - self._speech.spoken_to) // self._per_ms
        waited = judged - self._noticed_at >= self._confirm
        if quiet_ms > (HANGOVER_MS if waited else _COUGH_IS_OVER_MS):
            self._suspected = None
            self._speech.withdraw()
            return [TurnDismissed(suspected.at_ms)]
        if waited:
            self._suspected = None
            return [TurnStarted(suspected.at_ms)]
        return []
