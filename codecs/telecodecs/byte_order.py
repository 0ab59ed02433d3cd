"""Measures which byte order an L16 stream has, for carriers whose documents do not say.

Sound is smooth: the mean step from one sample to the next is small. Read in the wrong byte order it becomes noise, with
steps of a third of the full range. Some audio is no evidence and is skipped: silence, loud white noise, a full-scale
tone near half the sampling rate. Units: bytes, Hz.
"""

import numpy as np

_SETTLED_MS = 500
_CLEARLY = 1.5  # the wrong order is so many times rougher; with speech it is 10 times and more
_ROUGH = 256.0  # the least mean step in the wrong order; below it the audio is close to silence


class ByteOrder:
    """The byte order of one stream. `big`: what to assume until the audio has shown it. `rate_hz`: its sampling rate."""

    def __init__(self, rate_hz: int, *, big: bool = False) -> None:
        self.big = big
        """Whether samples are big endian, by the audio so far."""
        self.settled = False
        """Whether half a second of evidence was seen. From then on `big` is final and `feed` does nothing."""
        self._wanted = rate_hz * _SETTLED_MS // 1000  # samples
        self._little_steps = 0.0
        self._big_steps = 0.0

    def feed(self, audio: bytes) -> None:
        """Measure the next frame, in bytes; an odd byte at its end is ignored."""
        count = len(audio) // 2
        if self.settled or count < 2:
            return
        little, big = _mean_step(audio, "<i2"), _mean_step(audio, ">i2")
        rough, smooth = max(little, big), min(little, big)
        if rough < _ROUGH or rough < _CLEARLY * smooth:
            return
        self._little_steps += little * count
        self._big_steps += big * count
        self.big = self._big_steps < self._little_steps
        self._wanted -= count
        self.settled = self._wanted <= 0


def _mean_step(audio: bytes, order: str) -> float:
    samples = np.frombuffer(audio, order, len(audio) // 2).astype(np.int32)
    return float(np.abs(np.diff(samples)).mean())
