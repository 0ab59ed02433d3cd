"""Detects where speech begins and ends in one stream of samples.

webrtcvad (the GMM detector of WebRTC) classifies each 20 ms. By itself it takes the first 100 ms of a quiet line for
speech, and babble and loud steady noise for as long as they last; so a frame must also stand out from the noise, which
`noise` estimates. Time at the beginning of a word that the noise hides counts as speech. The first 800 ms of the stream
show what the line is like: if they are loud all the time and vary less than speech does, they are noise. Time is
counted in samples fed.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import webrtcvad

from telecodecs.format import FRAME_MS, Samples
from telecodecs.noise import QUIET_GATE, SPEECH_RANGE, NoiseFloor

RATES_HZ = (8_000, 16_000, 32_000, 48_000)
"""Sampling rates that webrtcvad takes."""

HANGOVER_MS = 80
"""How long a pause within a word may be: a stop consonant closes the mouth for 50 to 100 ms."""

# Lost frames that were filled with silence; that of A-law reads -69 dBFS.
_DIGITAL_SILENCE = QUIET_GATE / 10 ** (16 / 10)
_FIRST = 800 // FRAME_MS
_QUIET_LINE = 200 // FRAME_MS  # so many of the first frames are below the gate if the line is quiet
_HIDDEN = 80 // FRAME_MS  # the part of a word that noise hides, until its first vowel stands out


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody speaks. `at_sample`: where the speech began, counted from the first sample fed."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over. `at_sample`: where its last speech ended, `silence_ms` before this was noticed."""

    at_sample: int


class SpeechDetector:
    """Detects the utterances of one stream.

    `rate_hz`: one of `RATES_HZ`.
    `aggressiveness`: of webrtcvad, 0 (most is speech) to 3 (least is speech). On a quiet line 3 detects beginnings up to
    80 ms later than the others; in noise it makes no difference, because the levels decide.
    `min_speech_ms`: how much speech makes a beginning; coughs and clicks are shorter. Loud noise hides 80 ms of it.
    `hangover_ms`: how much silence within that speech is ignored.
    `silence_ms`: how long without speech ends the utterance; below 500 a hesitation ends it.
    Times are rounded up to frames of 20 ms. Raises ValueError on a value out of range.
    """

    def __init__(
        self,
        *,
        rate_hz: int = 8_000,
        aggressiveness: int = 2,
        min_speech_ms: int = 100,
        silence_ms: int = 700,
        hangover_ms: int = HANGOVER_MS,
    ) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(
                f"rate_hz {rate_hz} is not supported; expected one of {RATES_HZ}: resample first"
            )
        if aggressiveness not in range(4):
            raise ValueError(f"aggressiveness {aggressiveness} is out of range; expected 0 to 3")
        if min_speech_ms <= 0 or silence_ms <= 0 or hangover_ms < 0:
            raise ValueError(
                f"min_speech_ms {min_speech_ms}, silence_ms {silence_ms}, hangover_ms {hangover_ms}: "
                "expected more than zero, and zero or more for the last"
            )
        self.speaking = False
        """Whether an utterance has begun and not ended."""
        self.judged = 0
        """How many samples have been classified."""
        self.spoken_to = 0
        """Where the last speech ended, in samples."""
        self._rate_hz = rate_hz
        self._aggressiveness = aggressiveness
        self._frame = rate_hz * FRAME_MS // 1000
        self._enough = _frames(min_speech_ms)
        self._silence = _frames(silence_ms) * self._frame
        self._votes: deque[bool] = deque(maxlen=self._enough + _frames(hangover_ms))
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next sample is number 0."""
        self.speaking = False
        self.judged = self.spoken_to = 0
        self._vad = webrtcvad.Vad(self._aggressiveness)
        self._noise = NoiseFloor()
        self._votes.clear()
        self._kept = np.zeros(0, np.int16)
        self._first: list[tuple[bool, float]] | None = []  # frames, until it is decided what the line is like

    def feed(self, samples: Samples) -> list[SpeechStarted | SpeechEnded]:
        """The changes by the end of these samples. A rest of less than 20 ms is classified with the next call."""
        if len(self._kept):
            samples = np.concatenate([self._kept, samples])
        noticed: list[SpeechStarted | SpeechEnded] = []
        whole = len(samples) - len(samples) % self._frame
        for at in range(0, whole, self._frame):
            frame = samples[at : at + self._frame]
            voiced: bool = self._vad.is_speech(frame.tobytes(), self._rate_hz)
            wide = frame.astype(np.float64)
            wide -= wide.sum() / self._frame  # without the line's direct current
            power = float(wide @ wide) / self._frame
            if self._first is None:
                self._judge(voiced, power, noticed)
            else:
                self._first.append((voiced, power))
                self._judge_line(self._first, noticed)
        self._kept = samples[whole:].copy()
        return noticed

    def withdraw(self) -> None:
        """Dismiss the utterance that has begun; no `SpeechEnded` follows."""
        self.speaking = False
        self._votes.clear()

    def _judge_line(
        self, first: list[tuple[bool, float]], noticed: list[SpeechStarted | SpeechEnded]
    ) -> None:
        powers = [power for _, power in first]
        is_quiet = sum(power < QUIET_GATE for power in powers) >= _QUIET_LINE
        sounds = [power for power in powers if power > _DIGITAL_SILENCE] or [0.0]
        is_noise = len(first) == _FIRST
        if is_noise or is_quiet or max(sounds) > min(sounds) * SPEECH_RANGE:
            if is_noise:
                self._noise.learn(powers)
            self._first = None
            for voiced, power in first:
                self._judge(voiced, power, noticed)

    def _judge(self, voiced: bool, power: float, noticed: list[SpeechStarted | SpeechEnded]) -> None:
        noise = self._noise
        speech = noise.lets_pass(power) and voiced
        self.judged += self._frame
        if speech:
            self.spoken_to = self.judged
        if not self.speaking:
            self._votes.append(speech)
            if speech:
                self._count(noticed)
        elif self.judged - self.spoken_to >= self._silence:
            self.withdraw()
            noticed.append(SpeechEnded(self.spoken_to))
        noise.hear(power, self.speaking)

    def _count(self, noticed: list[SpeechStarted | SpeechEnded]) -> None:
        """Begin an utterance if there was enough speech in the last frames."""
        hidden = _HIDDEN if self._noise.masks else 0
        if sum(self._votes) < max(1, self._enough - hidden):
            return
        self.speaking = True
        heard = len(self._votes) - self._votes.index(True) + hidden
        noticed.append(SpeechStarted(max(0, self.judged - heard * self._frame)))


def _frames(ms: int) -> int:
    return -(-ms // FRAME_MS)
