"""The sounds of the carrier itself: the ringback tone and music on hold, as samples to be repeated.

Source: ITU-T E.180 supplement 2 (ringing tone in the United States: 440 Hz and 480 Hz, 2 s on, 4 s off).
"""

import numpy as np

from telecodecs.format import Samples

LEVEL = 3_000
"""Peak of each tone, about -21 dBFS."""

_MELODY_HZ = (262, 330, 392, 523)


def ringback(rate_hz: int) -> Samples:
    """What a caller hears while another party's phone rings: 6 s."""
    at = np.arange(2 * rate_hz) / rate_hz
    tone = sum(np.sin(2 * np.pi * hz * at) for hz in (440, 480)) * LEVEL / 2
    return np.concatenate([np.rint(tone).astype(np.int16), np.zeros(4 * rate_hz, np.int16)])


def hold_music(rate_hz: int) -> Samples:
    """A melody of four notes without a pause: 2 s."""
    at = np.arange(rate_hz // 2) / rate_hz
    notes = [np.rint(np.sin(2 * np.pi * hz * at) * LEVEL).astype(np.int16) for hz in _MELODY_HZ]
    return np.concatenate(notes)
