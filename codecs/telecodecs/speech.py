"""Finds where speech begins and ends in one stream of samples: webrtcvad, a level gate and two spans of time.

webrtcvad (the GMM detector of WebRTC) judges each 20 ms. Alone it takes the first 100 ms of any quiet line for
speech, and loud steady noise for ever; so a frame must also be 6 dB above the quietest of the last two seconds, and
above -50 dBFS. Other voices in the room are speech to it all the same. Time is counted in samples fed.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import webrtcvad

from telecodecs.format import Samples

RATES_HZ = (8_000, 16_000, 32_000, 48_000)
"""What webrtcvad can judge."""

_FRAME_MS = 20
_FULL_SCALE_POWER = 32_768.0**2 / 2  # mean square of a sine at full scale: 0 dBFS

# Gate, as power per sample: never below the first, never above the last, between them as the noise commands.
_QUIET = _FULL_SCALE_POWER * 10 ** (-50 / 10)
_LOUD = _FULL_SCALE_POWER * 10 ** (-24 / 10)
_ABOVE_NOISE = 10 ** (6 / 10)
# Filled holes and suppressed pauses tell of no noise; A-law's silence is as loud as -69 dBFS.
_DIGITAL_SILENCE = _FULL_SCALE_POWER * 10 ** (-66 / 10)
_NOISE_MS = 2000  # speech dips to the noise more often than this


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

    `rate_hz`: one of `RATES_HZ`. `aggressiveness`: of webrtcvad, 0 (calls most things speech) to 3 (least). In pink
    noise 10 dB below the voice, 1 finds no end of some utterances, and 3 finds beginnings up to 100 ms later than 2.
    `min_speech_ms`: so much speech makes a beginning; coughs and clicks are shorter.
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
        hangover_ms: int = 80,
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
        self._rate_hz = rate_hz
        self._aggressiveness = aggressiveness
        self._frame = rate_hz * _FRAME_MS // 1000
        self._enough = _frames(min_speech_ms)
        self._silence = _frames(silence_ms) * self._frame
        self._votes: deque[bool] = deque(maxlen=self._enough + _frames(hangover_ms))
        self._noise: deque[float] = deque(maxlen=_frames(_NOISE_MS))
        self.reset()

    def reset(self) -> None:
        """As new: the next sample is number 0."""
        self.speaking = False
        self._vad = webrtcvad.Vad(self._aggressiveness)
        self._votes.clear()
        self._noise.clear()
        self._kept = np.zeros(0, np.int16)
        self._at = 0  # samples judged
        self._spoken_to = 0  # end of the last frame with speech

    def feed(self, samples: Samples) -> list[SpeechStarted | SpeechEnded]:
        """What was noticed by the end of these samples; less than 20 ms wait for the next call."""
        if len(self._kept):
            samples = np.concatenate([self._kept, samples])
        noticed: list[SpeechStarted | SpeechEnded] = []
        whole = len(samples) - len(samples) % self._frame
        for at in range(0, whole, self._frame):
            self._judge(samples[at : at + self._frame], noticed)
        self._kept = samples[whole:].copy()
        return noticed

    def _judge(self, frame: Samples, noticed: list[SpeechStarted | SpeechEnded]) -> None:
        speech = self._is_speech(frame)
        self._at += self._frame
        if speech:
            self._spoken_to = self._at
        if not self.speaking:
            self._votes.append(speech)
            if speech and sum(self._votes) >= self._enough:
                self.speaking = True
                first = self._votes.index(True)
                noticed.append(SpeechStarted(self._at - (len(self._votes) - first) * self._frame))
        elif self._at - self._spoken_to >= self._silence:
            self.speaking = False
            self._votes.clear()
            noticed.append(SpeechEnded(self._spoken_to))

    def _is_speech(self, frame: Samples) -> bool:
        voiced: bool = self._vad.is_speech(frame.tobytes(), self._rate_hz)
        wide = frame.astype(np.float64)
        power = float(wide @ wide) / self._frame
        if power > _DIGITAL_SILENCE:
            self._noise.append(power)
        gate = min(max(min(self._noise, default=0.0) * _ABOVE_NOISE, _QUIET), _LOUD)
        return voiced and power >= gate


def _frames(ms: int) -> int:
    return -(-ms // _FRAME_MS)
