"""Levels of signals that are known by definition."""

import math

import numpy as np
import pytest

from telecodecs.format import Samples
from telecodecs.level import dbfs, peak_dbfs


def sine(amplitude: float) -> Samples:
    return np.rint(amplitude * np.sin(2 * np.pi * np.arange(8000) / 80)).astype(np.int16)


SQUARE = np.tile(np.array([32_767, -32_768], np.int16), 100)

LEVELS = [  # samples, dbfs, peak_dbfs
    (sine(32_767), 0.0, 0.0),
    (sine(3_276.8), -20.0, -20.0),
    (sine(32.768), -60.0, -60.0),
    (SQUARE, 3.01, 0.0),
    (np.full(10, -32_768, np.int16), 3.01, 0.0),
    (np.array([1] + [0] * 99, np.int16), -107.3, -90.3),
    (np.zeros(160, np.int16), -math.inf, -math.inf),
    (np.zeros(0, np.int16), -math.inf, -math.inf),
]


@pytest.mark.parametrize(("samples", "rms", "peak"), LEVELS)
def test_levels(samples: Samples, rms: float, peak: float) -> None:
    assert dbfs(samples) == pytest.approx(rms, abs=0.1)
    assert peak_dbfs(samples) == pytest.approx(peak, abs=0.1)
