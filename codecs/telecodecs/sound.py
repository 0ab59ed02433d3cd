"""Where sound begins and where it ends in a stretch of audio, by its level.

This is the one definition behind every figure of how long a caller waited: whoever measures (the bridge, the simulated
phone, a test on a recording) asks these functions. A block of 10 ms is sound if its level reaches `SOUND_DBFS`. Where the
line is noisy, it must also stand out by `ABOVE_NOISE_DB` from the quietest block of the last 300 ms.
Units: dBFS as in `level`; positions are blocks from the beginning.
"""

import numpy as np
from numpy.typing import NDArray

from telecodecs.format import Samples

BLOCK_MS = 10

SOUND_DBFS = -40.0
"""What is softer is no sound: well above the noise of a quiet line, well below the softest syllable."""

ABOVE_NOISE_DB = 8.0
"""The blocks of a steady noise stay within this of the quietest of them."""

_NOISE_BLOCKS = 300 // BLOCK_MS
_SILENCE_DBFS = -120.0
_FULL_SCALE_POWER = 32_768.0**2 / 2

Levels = NDArray[np.float64]
"""The level of each block, shape (blocks,)."""


def block_samples(rate_hz: int) -> int:
    """How many samples a block has."""
    return rate_hz * BLOCK_MS // 1000


def block_levels(samples: Samples, rate_hz: int) -> Levels:
    """The levels of the whole blocks from the first sample on; digital silence reads -120 dBFS."""
    length = block_samples(rate_hz)
    blocks = samples[: len(samples) // length * length].reshape(-1, length).astype(np.float64)
    power = np.einsum("ij,ij->i", blocks, blocks) / (length * _FULL_SCALE_POWER)
    levels: Levels = 10 * np.log10(np.maximum(power, 10 ** (_SILENCE_DBFS / 10)))
    return levels


def sounds(levels: Levels, noise_dbfs: float = _SILENCE_DBFS) -> NDArray[np.bool_]:
    """For each block whether it is sound. `noise_dbfs`: the level of the quietest blocks of this line."""
    return levels >= max(SOUND_DBFS, noise_dbfs + ABOVE_NOISE_DB)


def sound_begins(levels: Levels) -> int | None:
    """The first block that is sound, on a line without noise; None if there is none."""
    found = np.flatnonzero(sounds(levels))
    return int(found[0]) if len(found) else None


def sound_ended(levels: Levels) -> int | None:
    """The block behind the last sound, in audio that ends within a pause; None if there is no sound."""
    noise_dbfs = float(levels[-_NOISE_BLOCKS:].min(initial=np.inf))
    found = np.flatnonzero(sounds(levels, noise_dbfs))
    return int(found[-1]) + 1 if len(found) else None
