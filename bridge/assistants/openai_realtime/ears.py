"""Hears turns by itself, for a session without turn detection (`turn_detection = "none"`).

The caller's audio is decoded for this alone; what is sent is untouched.
"""

from telecodecs.codec import decoder
from telecodecs.format import AudioFormat
from telecodecs.resample import Resampler
from telecodecs.speech import RATES_HZ, SpeechDetector, SpeechEnded, SpeechStarted

_JUDGED_HZ = 16_000
"""For formats at a rate that the detector cannot judge."""


class Ears:
    """One session's voice detection. `silence_ms`: so long without speech ends a turn."""

    def __init__(self, hears: AudioFormat, silence_ms: int) -> None:
        rate_hz = hears.rate_hz if hears.rate_hz in RATES_HZ else _JUDGED_HZ
        self._decode = decoder(hears)
        self._resampler = Resampler(hears.rate_hz, rate_hz)
        self._detector = SpeechDetector(rate_hz=rate_hz, silence_ms=silence_ms)

    def feed(self, audio: bytes) -> list[SpeechStarted | SpeechEnded]:
        """What was noticed by the end of this audio."""
        return self._detector.feed(self._resampler.feed(self._decode(audio)))
