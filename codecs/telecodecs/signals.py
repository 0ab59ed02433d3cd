"""Makes the sounds of the bridge's own that are not keys: the signals of a call that waits, and the beep of a recorder."""

import numpy as np

from telecodecs.format import Samples

WAITING_HZ = (523.25, 659.25)
"""The two tones, c'' and e''. They are far from those of a telephone exchange (ITU-T E.180) and of a keypad (Q.23)."""

_TONE_MS = 220
_FADE_MS = 30
_HOLD_PAUSE_MS = 2560


def waiting_signal(rate_hz: int = 8000, level_dbfs: float = -26.0) -> Samples:
    """Two tones, the second higher, 220 ms each and faded in and out; `level_dbfs` is the level of their peaks."""
    return np.concatenate([_tone(hz, _TONE_MS, rate_hz, level_dbfs) for hz in WAITING_HZ])


def hold_signal(rate_hz: int = 8000) -> Samples:
    """What a caller on hold hears where there is no music, to be played over and over: the two tones, quieter, and a pause."""
    tones = waiting_signal(rate_hz, level_dbfs=-32.0)
    return np.concatenate([tones, np.zeros(rate_hz * _HOLD_PAUSE_MS // 1000, np.int16)])


def beep(rate_hz: int = 8000) -> Samples:
    """From its end on the caller is recorded: 1400 Hz for 400 ms."""
    return _tone(1400.0, 400, rate_hz, -20.0)


def _tone(hz: float, length_ms: int, rate_hz: int, level_dbfs: float) -> Samples:
    length = rate_hz * length_ms // 1000
    fade = rate_hz * _FADE_MS // 1000
    envelope = np.ones(length)
    envelope[:fade] = (1 - np.cos(np.pi * np.arange(fade) / fade)) / 2
    envelope[-fade:] = envelope[:fade][::-1]
    cycle = 2 * np.pi * np.arange(length) / rate_hz
    peak = 32_767 * 10 ** (level_dbfs / 20)
    return np.rint(peak * envelope * np.sin(cycle * hz)).astype(np.int16)
