"""Makes the tones of keypad digits (DTMF).

Source: ITU-T Q.23 (frequencies), Q.24 (a receiver accepts 40 ms on, 40 ms off). Each key is two tones at once:

             1209 Hz  1336 Hz  1477 Hz  1633 Hz
    697 Hz      1        2        3        A
    770 Hz      4        5        6        B
    852 Hz      7        8        9        C
    941 Hz      *        0        #        D
"""

import numpy as np
from numpy.typing import NDArray

from telecodecs.format import Samples

_Reals = NDArray[np.float64]

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYPAD = ("123A", "456B", "789C", "*0#D")
"""Keys by row and column."""

TONES_HZ = {
    key: (row_hz, column_hz)
    for row_hz, keys in zip(ROWS_HZ, KEYPAD, strict=True)
    for column_hz, key in zip(COLUMNS_HZ, keys, strict=True)
}
"""Low and high tone of each key, Hz (ITU-T Q.23)."""

_RAMP_MS = 2  # fade-in and fade-out of each tone: without it every key clicks over the whole band


def tones(
    digits: str,
    rate_hz: int = 8000,
    on_ms: int = 100,
    off_ms: int = 50,
    level_dbfs: float = -13.0,
) -> Samples:
    """Each digit for `on_ms`, then `off_ms` of silence; `level_dbfs` is the level of each of its two tones.

    Digits are 0-9, *, # and A-D, in lower case too. Raises ValueError on any other character.
    """
    on = np.arange(rate_hz * on_ms // 1000)
    off = np.zeros(rate_hz * off_ms // 1000)
    envelope = 32_767 * 10 ** (level_dbfs / 20) * _envelope(len(on), rate_hz * _RAMP_MS // 1000)
    pieces = [np.zeros(0)]
    for digit in digits.upper():
        if digit not in TONES_HZ:
            raise ValueError(f"{digit!r} is not on the keypad; expected 0-9, *, # or A-D")
        low_hz, high_hz = TONES_HZ[digit]
        cycle = 2 * np.pi * on / rate_hz
        pieces += [envelope * (np.sin(cycle * low_hz) + np.sin(cycle * high_hz)), off]
    sound: _Reals = np.clip(np.rint(np.concatenate(pieces)), -32_768, 32_767)
    return sound.astype(np.int16)


PAUSES_MS = {"w": 500, "W": 1000}
"""Length of the pauses that may stand between keys."""


def dialled(keys: str, rate_hz: int = 8000) -> Samples:
    """Keys as a telephone would dial them, 100 ms on and 100 ms off. w is a pause of 500 ms, W of 1000 ms.

    Raises ValueError on a character that is neither a key nor a pause.
    """
    pieces = [
        np.zeros(rate_hz * PAUSES_MS[key] // 1000, np.int16)
        if key in PAUSES_MS
        else tones(key, rate_hz, off_ms=100)
        for key in keys
    ]
    return np.concatenate([np.zeros(0, np.int16), *pieces])


def _envelope(length: int, ramp: int) -> _Reals:
    """Fade in and out by a raised cosine of `ramp` samples each, 1.0 between them."""
    ramp = min(ramp, length // 2)
    rising = (1 - np.cos(np.pi * (np.arange(ramp) + 0.5) / max(ramp, 1))) / 2
    return np.concatenate([rising, np.ones(length - 2 * ramp), rising[::-1]])
