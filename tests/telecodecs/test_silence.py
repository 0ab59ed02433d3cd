"""Silence: how much ends a turn, what it is in each format, and comfort noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telecodecs.codec import decoder
from telecodecs.format import L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from telecodecs.level import dbfs
from telecodecs.silence import ComfortNoise, closing_ms, silence

FORMATS = [PCMU_8K, PCMA_8K, L16_16K, L16_24K, AudioFormat(Encoding.L16_BE, 8_000)]


@pytest.mark.parametrize(
    ("waits_ms", "ms"), [(500, 600), (200, 300), (333, 440), (700, 800), (1, 120), (0, 100), (20_000, 20_100)]
)
def test_what_ends_a_turn(waits_ms: int, ms: int) -> None:
    assert closing_ms(waits_ms) == ms


@given(st.integers(0, 60_000))
def test_what_ends_a_turn_is_longer_in_whole_frames_and_not_by_much(waits_ms: int) -> None:
    ms = closing_ms(waits_ms)
    assert ms % 20 == 0
    assert waits_ms + 100 <= ms < waits_ms + 120


@pytest.mark.parametrize(
    ("format", "length", "byte"), [(PCMU_8K, 4_800, 0xFF), (PCMA_8K, 4_800, 0xD5), (L16_24K, 28_800, 0)]
)
def test_600_ms_of_silence(format: AudioFormat, length: int, byte: int) -> None:
    assert silence(format, 600) == bytes([byte]) * length


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("level_dbfs", [-65.0, -50.0, -30.0])
def test_noise_is_as_loud_as_asked_for(format: AudioFormat, level_dbfs: float) -> None:
    noise = decoder(format)(ComfortNoise(format, level_dbfs).take(2 * format.rate_hz))
    assert len(noise) == 2 * format.rate_hz
    assert abs(dbfs(noise) - level_dbfs) < (1.0 if level_dbfs > -60 else 2.5), "G.711 has coarse steps"


@pytest.mark.parametrize("format", [PCMU_8K, L16_24K], ids=str)
def test_noise_lies_in_the_telephone_band(format: AudioFormat) -> None:
    noise = decoder(format)(ComfortNoise(format, -40.0).take(2 * format.rate_hz))
    power = np.abs(np.fft.rfft(noise)) ** 2
    at_hz = np.fft.rfftfreq(len(noise), 1 / format.rate_hz)
    assert power[(at_hz >= 300) & (at_hz <= 3_400)].sum() > 0.98 * power.sum()
    assert np.abs(noise).max() < 5 * np.sqrt(np.mean(noise.astype(float) ** 2)), "no crackle"


@pytest.mark.parametrize("format", FORMATS, ids=str)
@given(pieces=st.lists(st.sampled_from([20, 40, 60, 500, 2_000, 4_020]), min_size=1, max_size=8))
def test_any_cut_gives_the_same_noise(format: AudioFormat, pieces: list[int]) -> None:
    noise = ComfortNoise(format, -55.0)
    cut = [noise.take(samples) for samples in pieces]
    assert [len(piece) for piece in cut] == [samples * format.sample_bytes for samples in pieces]
    assert b"".join(cut) == ComfortNoise(format, -55.0).take(sum(pieces))


@pytest.mark.parametrize("level_dbfs", [-81.0, -19.0, 0.0, float("nan")])
def test_refuses_a_level_out_of_range(level_dbfs: float) -> None:
    with pytest.raises(ValueError, match=r"level_dbfs .* is out of range; expected -80 to -20"):
        ComfortNoise(PCMU_8K, level_dbfs)


def test_refuses_two_channels() -> None:
    with pytest.raises(ValueError, match="channels 2"):
        ComfortNoise(AudioFormat(Encoding.L16, 8_000, 2), -60.0)
