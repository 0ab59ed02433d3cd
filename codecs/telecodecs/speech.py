"""Finds where speech begins and ends in one stream of samples: webrtcvad, the line's noise, and spans of time.

webrtcvad (the GMM detector of WebRTC) judges each 20 ms. Alone it takes the first 100 ms of any quiet line for
speech, and babble and loud steady noise for ever; so a frame must also stand out from the `noise`. What noise hides
of a beginning counts as heard. The stream's first 800 ms show what the line is like: if they stay loud without
ranging as speech does, they are noise. Time is counted in samples fed.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import webrtcvad

from telecodecs.format import FRAME_MS, Samples
from telecodecs.noise import QUIET_GATE, SPEECH_RANGE, NoiseFloor

RATES_HZ = (8_000, 16_000, 32_000, 48_000)
"""What webrtcvad can judge."""

HANGOVER_MS = 80
"""A stop consonant closes the mouth for 50 to 100 ms."""

_DIGITAL_SILENCE = QUIET_GATE / 10 ** (
    16 / 10
)  # holes that were filled; A-law's silence is as loud as -69 dBFS
_FIRST = 800 // FRAME_MS
_QUIET_LINE = 200 // FRAME_MS  # of the first frames so many are below what speech must have
_HIDDEN = 80 // FRAME_MS  # of a word in noise, until its first vowel stands out


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Someone speaks. `at_sample`: where it began, counted from the first sample fed; noticed later."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over. `at_sample`: the end of its last speech; noticed `silence_ms` later."""

    at_sample: int


class SpeechDetector:
    """One stream's utterances.

    `rate_hz`: one of `RATES_HZ`. `aggressiveness`: of webrtcvad, 0 (calls most things speech) to 3 (least). On a quiet
    line 3 finds beginnings up to 80 ms later than the others; in noise the levels decide, and it makes no difference.
    `min_speech_ms`: so much speech makes a beginning; coughs and clicks are shorter. Loud noise hides 80 ms of it.
    `hangover_ms`: dips in a beginning that are forgiven; a stop consonant closes the mouth for 50 to 100 ms.
    `silence_ms`: so long without speech ends the utterance; below 500 hesitations cut it.
    Spans count in frames of 20 ms, rounded up. Raises ValueError on what webrtcvad cannot judge.
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
                f"rate_hz {rate_hz} cannot be judged; one of {RATES_HZ} is right: resample first"
            )
        if aggressiveness not in range(4):
            raise ValueError(f"aggressiveness {aggressiveness} is out of range; 0 to 3 is right")
        if min_speech_ms <= 0 or silence_ms <= 0 or hangover_ms < 0:
            raise ValueError(
                f"min_speech_ms {min_speech_ms}, silence_ms {silence_ms}, hangover_ms {hangover_ms}: "
                "more than zero is right, for the last zero too"
            )
        self.speaking = False
        """Whether an utterance was noticed and has not ended."""
        self.judged = 0
        """Samples of which it is known whether they are speech."""
        self.spoken_to = 0
        """The end of the last speech, in samples."""
        self._rate_hz = rate_hz
        self._aggressiveness = aggressiveness
        self._frame = rate_hz * FRAME_MS // 1000
        self._enough = _frames(min_speech_ms)
        self._silence = _frames(silence_ms) * self._frame
        self._votes: deque[bool] = deque(maxlen=self._enough + _frames(hangover_ms))
        self.reset()

    def reset(self) -> None:
        """As new: the next sample is number 0."""
        self.speaking = False
        self.judged = self.spoken_to = 0
        self._vad = webrtcvad.Vad(self._aggressiveness)
        self._noise = NoiseFloor()
        self._votes.clear()
        self._kept = np.zeros(0, np.int16)
        self._first: list[tuple[bool, float]] | None = []  # frames, until it is known what the line is like

    def feed(self, samples: Samples) -> list[SpeechStarted | SpeechEnded]:
        """What was noticed by the end of these samples; less than 20 ms wait for the next call."""
        if len(self._kept):
            samples = np.concatenate([self._kept, samples])
        noticed: list[SpeechStarted | SpeechEnded] = []
        whole = len(samples) - len(samples) % self._frame
        for at in range(0, whole, self._frame):
            frame = samples[at : at + self._frame]
            voiced: bool = self._vad.is_speech(frame.tobytes(), self._rate_hz)
            wide = frame.astype(np.float64)
            wide -= wide.sum() / self._frame  # a line's direct current is no sound
            power = float(wide @ wide) / self._frame
            if self._first is None:
                self._judge(voiced, power, noticed)
            else:
                self._first.append((voiced, power))
                self._judge_line(self._first, noticed)
        self._kept = samples[whole:].copy()
        return noticed

    def withdraw(self) -> None:
        """The utterance that was noticed is none; nothing will tell of its end."""
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
        """Whether there was enough speech by now, in all the votes."""
        hidden = _HIDDEN if self._noise.masks else 0
        if sum(self._votes) < max(1, self._enough - hidden):
            return
        self.speaking = True
        heard = len(self._votes) - self._votes.index(True) + hidden
        noticed.append(SpeechStarted(max(0, self.judged - heard * self._frame)))


def _frames(ms: int) -> int:
    return -(-ms // FRAME_MS)
