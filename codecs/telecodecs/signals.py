"""Makes the sounds of the bridge's own that are not keys: the signal of a call that waits."""

import numpy as np

from telecodecs.format import Samples

WAITING_HZ = (523.25, 659.25)
"""The two tones, c'' and e''. They are far from those of a telephone exchange (ITU-T E.180) and of a keypad (Q.23)."""

_TONE_MS = 220
_FADE_MS = 30


def waiting_signal(rate_hz: int = 8000, level_dbfs: float = -26.0) -> Samples:
    """Two tones, the second higher, 220 ms each and faded in and out; `level_dbfs` is the level of their peaks."""
    length = rate_hz * _TONE_MS // 1000
    fade = rate_hz * _FADE_MS // 1000
    envelope = np.ones(length)
    envelope[:fade] = (1 - np.cos(np.pi * np.arange(fade) / fade)) / 2
    envelope[-fade:] = envelope[:fade][::-1]
    cycle = 2 * np.pi * np.arange(length) / rate_hz
    peak = 32_767 * 10 ** (level_dbfs / 20)
    tones = [envelope * np.sin(cycle * hz) for hz in WAITING_HZ]
    return np.rint(peak * np.concatenate(tones)).astype(np.int16)
