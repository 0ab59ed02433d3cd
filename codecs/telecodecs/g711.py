"""Converts between 16-bit linear samples and 8-bit mu-law or A-law codes (G.711).

Source: ITU-T G.711 (11/88), tables 1 and 2. The laws take the upper 14 (mu-law) or 13 bits (A-law) of 16, rounded down,
as in Sun's g711.c and Python's `audioop`.
A code of either law is a sign, one of eight segments, and one of sixteen steps in it; the step doubles from segment to
segment. The rules are written as arithmetic, which fills tables of all 65,536 samples and all 256 codes on import.
"""

import numpy as np
from numpy.typing import NDArray

from telecodecs.format import Samples

Codes = NDArray[np.uint8]
"""G.711 codes as they are on the line, shape (n,)."""

_Integers = NDArray[np.int64]

_MU_BIAS = 33  # puts the segment borders of mu-law on powers of two
_MU_CLIP = 8158  # of 14 bits: the last decision value is 8159
_MU_INVERTED = 0xFF  # on the line every bit of a mu-law code is inverted
_A_INVERTED = 0x55  # on the line every second bit of an A-law code is inverted
_SIGN = 0x80


def ulaw_encode(samples: Samples) -> Codes:
    """Compress 16-bit samples to mu-law, one code for each."""
    return _ULAW_OF_SAMPLE[samples.view(np.uint16)]


def ulaw_decode(codes: Codes) -> Samples:
    """Expand mu-law codes to 16-bit samples."""
    return _SAMPLE_OF_ULAW[codes]


def alaw_encode(samples: Samples) -> Codes:
    """Compress 16-bit samples to A-law, one code for each."""
    return _ALAW_OF_SAMPLE[samples.view(np.uint16)]


def alaw_decode(codes: Codes) -> Samples:
    """Expand A-law codes to 16-bit samples."""
    return _SAMPLE_OF_ALAW[codes]


def _compress_mu(samples: _Integers) -> Codes:
    linear = samples >> 2
    biased = np.minimum(np.abs(linear), _MU_CLIP) + _MU_BIAS
    segment = _top_bit(biased) - 5
    step = (biased >> (segment + 1)) & 0x0F
    sign = np.where(linear < 0, _SIGN, 0)
    codes: _Integers = (sign | segment << 4 | step) ^ _MU_INVERTED
    return codes.astype(np.uint8)


def _expand_mu(codes: _Integers) -> Samples:
    code = codes ^ _MU_INVERTED
    segment, step = code >> 4 & 7, code & 0x0F
    linear: _Integers = ((2 * step + _MU_BIAS) << segment) - _MU_BIAS
    samples: _Integers = np.where(code & _SIGN, -linear, linear) << 2
    return samples.astype(np.int16)


def _compress_a(samples: _Integers) -> Codes:
    linear = samples >> 3
    magnitude = np.where(linear < 0, ~linear, linear)
    segment = np.maximum(_top_bit(magnitude) - 4, 0)
    step = magnitude >> np.maximum(segment, 1) & 0x0F
    sign = np.where(linear < 0, 0, _SIGN)
    codes: _Integers = (sign | segment << 4 | step) ^ _A_INVERTED
    return codes.astype(np.uint8)


def _expand_a(codes: _Integers) -> Samples:
    code = codes ^ _A_INVERTED
    segment, step = code >> 4 & 7, code & 0x0F
    # The first two segments have the same step; only the first has no leading one bit.
    leading = np.where(segment > 0, 32, 0)
    linear: _Integers = (2 * step + 1 + leading) << np.maximum(segment - 1, 0)
    samples: _Integers = np.where(code & _SIGN, linear, -linear) << 3
    return samples.astype(np.int16)


def _top_bit(magnitudes: _Integers) -> _Integers:
    """Index of the highest bit that is set; -1 for zero."""
    _, exponents = np.frexp(magnitudes)
    return exponents.astype(np.int64) - 1


_EVERY_SAMPLE = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int64)
_EVERY_CODE = np.arange(256, dtype=np.int64)

_ULAW_OF_SAMPLE = _compress_mu(_EVERY_SAMPLE)
_ALAW_OF_SAMPLE = _compress_a(_EVERY_SAMPLE)
_SAMPLE_OF_ULAW = _expand_mu(_EVERY_CODE)
_SAMPLE_OF_ALAW = _expand_a(_EVERY_CODE)
