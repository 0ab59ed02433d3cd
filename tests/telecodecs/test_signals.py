"""The sounds of the bridge's own: short, quiet, without a click, and nobody's key."""

import numpy as np
import pytest

from telecodecs.dtmf import COLUMNS_HZ, ROWS_HZ
from telecodecs.dtmf_detector import ToneDetector
from telecodecs.level import dbfs
from telecodecs.signals import WAITING_HZ, waiting_signal


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
def test_the_waiting_signal_is_two_tones_short_and_quiet(rate_hz: int) -> None:
    signal = waiting_signal(rate_hz)
    assert len(signal) == rate_hz * 440 // 1000
    assert -28 < dbfs(signal) < -26
    for half, hz in zip(np.split(signal, 2), WAITING_HZ, strict=True):
        spectrum = np.abs(np.fft.rfft(half))
        assert abs(np.argmax(spectrum) * rate_hz / len(half) - hz) < 5
    steps = np.abs(np.diff(signal.astype(int)))
    assert steps.max() < 900 * 8000 / rate_hz, "no click"
    assert abs(int(signal[0])) + abs(int(signal[-1])) < 10


def test_it_is_no_key() -> None:
    assert ToneDetector().feed(waiting_signal()) == []
    assert min(abs(hz - tone) for hz in WAITING_HZ for tone in (*ROWS_HZ, *COLUMNS_HZ)) > 30
