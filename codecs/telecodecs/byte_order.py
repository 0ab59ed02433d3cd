"""Finds by measurement which byte order an L16 stream has, where the documents do not tell.

Sound is smooth: the mean step from sample to sample is small. Read in the wrong order it is noise, with steps of a
third of the whole range. What is as rough as that itself tells nothing, nor does silence: loud white noise,
a tone of full scale near half the rate. Units: bytes, Hertz; time is counted in audio that tells.
"""

import numpy as np

_SETTLED_MS = 500
_CLEARLY = 1.5  # times rougher; speech is 10 times and more
_ROUGH = 256.0  # mean step of the wrong order at least: else the audio hardly moves


class ByteOrder:
    """One stream's byte order. `big`: what is taken for right until the audio tells."""

    def __init__(self, rate_hz: int, *, big: bool = False) -> None:
        self.big = big
        """Whether samples are big endian, as far as is known."""
        self.settled = False
        """Whether half a second has told; then it stays, and costs nothing."""
        self._wanted = rate_hz * _SETTLED_MS // 1000  # samples
        self._little_steps = 0.0
        self._big_steps = 0.0

    def feed(self, audio: bytes) -> None:
        """Take the next frame; half a sample at its end is left out."""
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
