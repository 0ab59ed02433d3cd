"""Measures how loud audio is, in dBFS.

0 dBFS is a sine at full scale (AES17), so a square wave reads +3 dBFS and silence -inf. On a telephone line add 3.17
(mu-law) or 3.14 (A-law) to have dBm0 (ITU-T G.711, clause 7).
"""

import math

import numpy as np

from telecodecs.format import Samples

_FULL_SCALE = 32_768.0
_SINE_OVER_RMS = math.sqrt(2)


def dbfs(samples: Samples) -> float:
    """RMS level of all samples; -inf for silence, and for no samples."""
    if not len(samples):
        return -math.inf
    wide = samples.astype(np.float64)
    return _decibel(math.sqrt(float(wide @ wide) / len(wide)) * _SINE_OVER_RMS)


def peak_dbfs(samples: Samples) -> float:
    """Level of the sine whose peak is the largest sample; at most 0, and -inf for silence and for no samples."""
    if not len(samples):
        return -math.inf
    return _decibel(float(max(int(samples.max()), -int(samples.min()))))


def _decibel(amplitude: float) -> float:
    return 20 * math.log10(amplitude / _FULL_SCALE) if amplitude else -math.inf
