"""Resampler: passband, stopband, delay; and that no cut of the input changes a sample."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from telecodecs.format import Samples
from telecodecs.resample import RATES_HZ, Resampler, _design, resample

PAIRS = list(permutations(RATES_HZ, 2))
AMPLITUDE = 20_000.0


def tone(frequency_hz: float, rate_hz: int, seconds: float = 0.2) -> Samples:
    phase = 2 * np.pi * frequency_hz * np.arange(int(rate_hz * seconds)) / rate_hz
    return np.rint(AMPLITUDE * np.sin(phase)).astype(np.int16)


def noise(samples: int, seed: int = 7) -> Samples:
    return np.random.default_rng(seed).integers(-32_768, 32_768, samples).astype(np.int16)


def lines(frequency_hz: float, from_hz: int, to_hz: int) -> NDArray[np.complex128]:
    """The steady output for a tone as amplitudes relative to it, one for every 10 Hz: it falls on one exactly."""
    steady = Resampler(from_hz, to_hz).feed(tone(frequency_hz, from_hz))[-to_hz // 10 :]
    return np.fft.rfft(steady) * 2 / len(steady) / AMPLITUDE


def decibel(amplitude: float) -> float:
    return 20 * float(np.log10(max(amplitude, 1e-9)))


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_passband_is_flat_and_leaves_no_image(from_hz: int, to_hz: int) -> None:
    for frequency_hz in range(100, min(from_hz, to_hz) * 7 // 16 + 1, 100):
        heard = np.abs(lines(frequency_hz, from_hz, to_hz))
        assert abs(decibel(heard[frequency_hz // 10])) <= 0.3, frequency_hz
        heard[frequency_hz // 10] = 0
        assert decibel(heard.max()) <= -60, frequency_hz


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_stopband_leaves_no_alias(from_hz: int, to_hz: int) -> None:
    for frequency_hz in range(to_hz * 21 // 40, from_hz // 2, 100):
        assert decibel(np.abs(lines(frequency_hz, from_hz, to_hz)).max()) <= -60, frequency_hz


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_the_delay_is_as_stated(from_hz: int, to_hz: int) -> None:
    delay_ms = Resampler(from_hz, to_hz).delay_ms
    assert 0 < delay_ms <= 2.5
    for frequency_hz in (50, 100):  # below half a turn of phase
        turned = -np.angle(lines(frequency_hz, from_hz, to_hz)[frequency_hz // 10] * 1j) / (2 * np.pi)
        assert turned / frequency_hz * 1000 == pytest.approx(delay_ms, abs=0.01)


@pytest.mark.parametrize("level", [-32_768, -1, 1, 1000, 32_767])
@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_constant_stays_that_constant(from_hz: int, to_hz: int, level: int) -> None:
    steady = Resampler(from_hz, to_hz).feed(np.full(from_hz // 25, level, np.int16))[-to_hz // 50 :]
    assert set(steady.tolist()) == {level}


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_coefficients_are_whole_so_that_every_sum_is_exact(from_hz: int, to_hz: int) -> None:
    taps = _design(from_hz, to_hz).taps
    whole = taps * 2**20
    assert np.array_equal(whole, np.rint(whole))
    assert np.abs(whole).sum(axis=0).max() * 2**15 < 2**53
    assert set(taps.sum(axis=0).tolist()) == {1.0}


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_20_ms_in_give_20_ms_out_from_the_first_on(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    for _ in range(5):
        heard = resampler.feed(noise(from_hz // 50))
        assert len(heard) == to_hz // 50
        assert heard.dtype == np.int16


@given(
    pair=st.sampled_from(PAIRS),
    cuts=st.lists(st.integers(0, 2500), max_size=8),
    seed=st.integers(0, 1000),
)
def test_any_cut_gives_the_same_samples(pair: tuple[int, int], cuts: list[int], seed: int) -> None:
    sound = noise(2500, seed)
    whole = Resampler(*pair)
    expected = np.concatenate([whole.feed(sound), whole.flush()])
    resampler = Resampler(*pair)
    pieces = [resampler.feed(sound[a:b]) for a, b in pairwise([0, *sorted(cuts), 2500])]
    assert np.array_equal(np.concatenate([*pieces, resampler.flush()]), expected)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_one_sample_at_a_time(from_hz: int, to_hz: int) -> None:
    sound = noise(150)
    whole, single = Resampler(from_hz, to_hz), Resampler(from_hz, to_hz)
    expected = np.concatenate([whole.feed(sound), whole.flush()])
    pieces = [single.feed(sound[at : at + 1]) for at in range(150)]
    assert np.array_equal(np.concatenate([*pieces, single.flush()]), expected)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_equals_a_plain_convolution_in_integers(from_hz: int, to_hz: int) -> None:
    """The impulse response, read off impulse by impulse, says what every sum must be."""
    ratio = np.gcd(from_hz, to_hz)
    inputs, outputs = from_hz // ratio, to_hz // ratio
    sound = noise(600)
    heard = np.zeros(600 // inputs * outputs)
    for at in range(inputs):
        impulse = np.zeros(600, np.int16)
        impulse[at] = 32_767
        response = Resampler(from_hz, to_hz).feed(impulse) / 32_767
        for step in range(600 // inputs):
            late = step * outputs
            heard[late:] += response[: len(heard) - late] * sound[step * inputs + at]
    loud = np.clip(heard, -32_768, 32_767)
    got = Resampler(from_hz, to_hz).feed(sound)
    assert np.abs(got - loud).max() <= 60  # impulses are read in steps of 1/32767, and 39 or so add up


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
@pytest.mark.parametrize("samples", [1, 7, 480, 1234])
def test_flush_returns_the_rest(from_hz: int, to_hz: int, samples: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    sound = noise(samples) // 4
    heard = np.concatenate([resampler.feed(sound), resampler.flush()])
    more = Resampler(from_hz, to_hz)
    padded = more.feed(np.concatenate([sound, np.zeros(from_hz // 50 * 6, np.int16)]))
    assert np.array_equal(heard, padded[: len(heard)])
    assert not padded[len(heard) :].any()
    assert len(heard) / to_hz <= samples / from_hz + 0.005  # at most 5 ms longer
    rounded = len(heard) / 2 * from_hz / to_hz
    assert heard.sum() * from_hz / to_hz == pytest.approx(
        sound.sum(), abs=rounded + 0.002 * np.abs(sound).sum()
    )


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_is_as_new_after_flush_and_reset(from_hz: int, to_hz: int) -> None:
    sound = noise(1001)
    new = Resampler(from_hz, to_hz).feed(sound)
    resampler = Resampler(from_hz, to_hz)
    assert len(resampler.flush()) == 0
    resampler.feed(sound[:77])
    assert len(resampler.flush()) > 0
    assert len(resampler.flush()) == 0
    assert np.array_equal(resampler.feed(sound), new)
    resampler.reset()
    assert np.array_equal(resampler.feed(sound), new)


def test_too_loud_is_clipped_not_wrapped() -> None:
    square = np.repeat(np.tile(np.array([32_767, -32_768], np.int16), 20), 20)
    heard = Resampler(8000, 24_000).feed(square)
    assert heard.max() == 32_767
    assert heard.min() == -32_768
    assert np.abs(np.diff(heard.astype(np.int64))).max() < 40_000


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_equal_rates_change_nothing(rate_hz: int) -> None:
    resampler = Resampler(rate_hz, rate_hz)
    sound = noise(123)
    assert resampler.feed(sound) is sound
    assert len(resampler.flush()) == 0
    assert resampler.delay_ms == 0


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_nothing_in_nothing_out(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    assert resampler.feed(np.zeros(0, np.int16)).tolist() == []
    assert len(resampler.flush()) == 0


def test_takes_a_read_only_view() -> None:
    sound = np.frombuffer(noise(160).tobytes(), np.int16)
    assert not sound.flags.writeable
    assert len(Resampler(8000, 24_000).feed(sound)) == 480


def test_describes_itself() -> None:
    assert str(Resampler(8000, 24_000)) == "8000 -> 24000 Hz"


@pytest.mark.parametrize("pair", [(44_100, 8000), (8000, 22_050), (0, 0)])
def test_refuses(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"rate (44100|22050|0) Hz .* \(8000, 16000, 24000, 48000\)"):
        Resampler(*pair)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(8000, 24_000), (24_000, 8000), (16_000, 48_000), (8000, 48_000)]
)
def test_agrees_with_soxr(from_hz: int, to_hz: int) -> None:
    """On sound within the passband, half a second of it, shifted by the delay."""
    sound = resample((noise(6000) // 4).astype(np.int16), 6000, from_hz)[:from_hz]
    ours, theirs = Resampler(from_hz, to_hz).feed(sound), resample(sound, from_hz, to_hz)
    delay = Resampler(from_hz, to_hz).delay_ms * to_hz / 1000
    spectrum = np.fft.rfft(theirs[: len(ours)])
    turned = spectrum * np.exp(-2j * np.pi * np.arange(len(spectrum)) * delay / len(ours))
    shifted = np.fft.irfft(turned, len(ours))
    middle = slice(len(ours) // 4, -len(ours) // 4)
    error = (ours - shifted)[middle]
    assert decibel(float(np.std(error) / np.std(shifted[middle]))) < -45


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 8000), (8000, 22_050), (11_025, 16_000)])
def test_recordings_of_any_rate(from_hz: int, to_hz: int) -> None:
    heard = resample(tone(1000, from_hz, 1.0), from_hz, to_hz)
    assert heard.dtype == np.int16
    assert len(heard) == pytest.approx(to_hz, abs=1)
    middle = heard[to_hz // 4 : to_hz * 3 // 4].astype(np.float64)
    assert np.sqrt((middle**2).mean() * 2) == pytest.approx(AMPLITUDE, rel=0.01)


def test_recordings_at_the_ends() -> None:
    assert len(resample(np.zeros(0, np.int16), 44_100, 8000)) == 0
    sound = noise(10)
    assert resample(sound, 8000, 8000) is sound
    loud = resample(np.repeat(np.array([32_767, -32_768], np.int16), 50), 8000, 16_000)
    assert loud.max() == 32_767
    assert loud.min() == -32_768
