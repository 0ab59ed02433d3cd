"""DTMF as a receiver hears it: two tones and no third, for as long as asked, without a click."""

import numpy as np
import pytest

from telecodecs.dtmf import tones
from telecodecs.format import Samples
from telecodecs.g711 import ulaw_decode, ulaw_encode
from telecodecs.level import dbfs, peak_dbfs

Q23 = [  # copied from the recommendation, not from the module
    ("1", 697, 1209),
    ("2", 697, 1336),
    ("3", 697, 1477),
    ("A", 697, 1633),
    ("4", 770, 1209),
    ("5", 770, 1336),
    ("6", 770, 1477),
    ("B", 770, 1633),
    ("7", 852, 1209),
    ("8", 852, 1336),
    ("9", 852, 1477),
    ("C", 852, 1633),
    ("*", 941, 1209),
    ("0", 941, 1336),
    ("#", 941, 1477),
    ("D", 941, 1633),
]


def loudest_two(samples: Samples, rate_hz: int) -> list[float]:
    """The frequencies of the loudest tone below and above 1075 Hz, by FFT in steps of 0.5 Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 2 * rate_hz))
    border = 2 * 1075
    return [float(np.argmax(spectrum[:border])) / 2, float(np.argmax(spectrum[border:]) + border) / 2]


def goertzel(samples: Samples, frequency_hz: float, rate_hz: int) -> float:
    """Power of one frequency relative to the whole."""
    turn = np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz)
    return float(abs(samples @ turn) ** 2 * 2 / len(samples) / (samples.astype(np.float64) ** 2).sum())


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
@pytest.mark.parametrize(("digit", "low_hz", "high_hz"), Q23)
def test_frequencies(digit: str, low_hz: int, high_hz: int, rate_hz: int) -> None:
    heard = loudest_two(tones(digit, rate_hz, off_ms=0), rate_hz)
    assert heard == [pytest.approx(low_hz, rel=0.005), pytest.approx(high_hz, rel=0.005)]


@pytest.mark.parametrize(("digit", "low_hz", "high_hz"), Q23)
def test_a_receiver_recognises_it_after_g711(digit: str, low_hz: int, high_hz: int) -> None:
    heard = ulaw_decode(ulaw_encode(tones(digit, on_ms=50, off_ms=0)))
    frequencies = sorted({hz for _, low, high in Q23 for hz in (low, high)})
    power = {hz: goertzel(heard, hz, 8000) for hz in frequencies}
    assert sorted(power, key=lambda hz: -power[hz])[:2] in ([low_hz, high_hz], [high_hz, low_hz])
    assert min(power[low_hz], power[high_hz]) > 0.4


DURATIONS = [  # digits, rate, on, off, samples
    ("1", 8000, 100, 50, 1200),
    ("123#", 8000, 100, 50, 4800),
    ("12", 16_000, 40, 40, 2560),
    ("9", 8000, 1, 0, 8),
    ("9", 8000, 0, 10, 80),
    ("", 8000, 100, 50, 0),
]


@pytest.mark.parametrize(("digits", "rate_hz", "on_ms", "off_ms", "samples"), DURATIONS)
def test_durations(digits: str, rate_hz: int, on_ms: int, off_ms: int, samples: int) -> None:
    sound = tones(digits, rate_hz, on_ms, off_ms)
    assert sound.dtype == np.int16
    assert len(sound) == samples


def test_silence_between() -> None:
    sound = tones("12")
    assert not sound[800:1200].any()
    assert not sound[2000:].any()
    assert dbfs(sound[40:760]) == pytest.approx(-10, abs=0.2)


@pytest.mark.parametrize("level_dbfs", [-30.0, -13.0, -7.0])
def test_level_is_that_of_each_tone(level_dbfs: float) -> None:
    sound = tones("5", on_ms=1000, off_ms=0, level_dbfs=level_dbfs)
    assert dbfs(sound) == pytest.approx(level_dbfs + 3.01, abs=0.1)
    assert peak_dbfs(sound) <= level_dbfs + 6.1


def test_too_loud_is_clipped_not_wrapped() -> None:
    quiet, loud = tones("5", level_dbfs=-20), tones("5", level_dbfs=0)
    clear = np.abs(quiet) > 50
    assert np.array_equal(np.sign(loud[clear]), np.sign(quiet[clear]))


@pytest.mark.parametrize("rate_hz", [8000, 48_000])
def test_does_not_click(rate_hz: int) -> None:
    """Above 3 kHz, where no tone is, there is nothing; a hard edge leaves -46 dB."""
    for digit, _, _ in Q23:
        sound = tones(digit, rate_hz, off_ms=10)
        spectrum = np.abs(np.fft.rfft(sound))
        far = 3000 * len(sound) // rate_hz
        assert 20 * np.log10(spectrum[far:].max() / spectrum.max()) < -70


def test_lower_case_is_the_same() -> None:
    assert np.array_equal(tones("abcd"), tones("ABCD"))


@pytest.mark.parametrize("digit", ["E", " ", "+", "1,2"])
def test_refuses(digit: str) -> None:
    with pytest.raises(ValueError, match=r"'[E ,+]' is not on the keypad"):
        tones(digit)
