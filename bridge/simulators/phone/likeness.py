"""Finds a sound in a recording: how like it the best place is, and where that is. Judges what each party has heard."""

from typing import NamedTuple

import numpy as np

from telecodecs.format import Samples

FAINT = 0.01
"""A stretch with less than this share of the sound's power is not looked at: noise would be like anything."""


class Found(NamedTuple):
    """The best place. `likeness`: normalised correlation, 0 to 1. `at`: the sample of the recording where it begins."""

    likeness: float
    at: int


def find_sound(heard: Samples, said: Samples) -> Found:
    """Look for `said` in `heard`, both at one rate. In silence nothing is found: the likeness is 0."""
    if len(heard) < len(said) or not said.any():
        return Found(0.0, 0)
    recorded, wanted = heard.astype(np.float64), said.astype(np.float64)
    size = 1 << (len(recorded) + len(wanted)).bit_length()
    products = np.fft.irfft(np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(wanted, size)), size)
    power_until = np.concatenate([[0.0], np.cumsum(recorded**2)])
    places = len(recorded) - len(wanted) + 1
    power = power_until[len(wanted) :] - power_until[:places]
    wanted_power = float(np.sum(wanted**2))
    scale = np.sqrt(np.maximum(power, FAINT * wanted_power) * wanted_power)
    likenesses = np.where(power > FAINT * wanted_power, products[:places] / scale, 0.0)
    best = int(np.argmax(likenesses))
    return Found(max(0.0, float(likenesses[best])), best)
