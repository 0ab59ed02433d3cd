"""G.711 against `audioop`: every sample, every code."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from telecodecs.format import Samples
from telecodecs.g711 import Codes, alaw_decode, alaw_encode, ulaw_decode, ulaw_encode

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # gone from the library in 3.13, there audioop-lts
    import audioop

EVERY_SAMPLE = np.arange(-32_768, 32_768, dtype=np.int16)
EVERY_CODE = np.arange(256, dtype=np.uint8)

Law = tuple[
    Callable[[Samples], Codes],
    Callable[[bytes, int], bytes],
    Callable[[Codes], Samples],
    Callable[[bytes, int], bytes],
]
LAWS: list[Law] = [
    (ulaw_encode, audioop.lin2ulaw, ulaw_decode, audioop.ulaw2lin),
    (alaw_encode, audioop.lin2alaw, alaw_decode, audioop.alaw2lin),
]


@pytest.mark.parametrize("law", LAWS, ids=["mu", "a"])
def test_every_sample_and_every_code_as_audioop(law: Law) -> None:
    encode, oracle_encode, decode, oracle_decode = law
    assert encode(EVERY_SAMPLE).tobytes() == oracle_encode(EVERY_SAMPLE.tobytes(), 2)
    assert decode(EVERY_CODE).tobytes() == oracle_decode(EVERY_CODE.tobytes(), 2)


@pytest.mark.parametrize("law", LAWS, ids=["mu", "a"])
def test_a_second_trip_changes_nothing(law: Law) -> None:
    encode, _, decode, _ = law
    once = decode(encode(EVERY_SAMPLE))
    np.testing.assert_array_equal(decode(encode(once)), once)


def test_every_code_survives_but_the_second_zero_of_mu_law() -> None:
    np.testing.assert_array_equal(alaw_encode(alaw_decode(EVERY_CODE)), EVERY_CODE)
    expected = EVERY_CODE.copy()
    expected[0x7F] = 0xFF  # minus zero
    np.testing.assert_array_equal(ulaw_encode(ulaw_decode(EVERY_CODE)), expected)


@pytest.mark.parametrize("law", LAWS, ids=["mu", "a"])
def test_error_stays_within_half_a_step(law: Law) -> None:
    encode, _, decode, _ = law
    samples = EVERY_SAMPLE.astype(np.int64)
    assert np.all(np.abs(decode(encode(EVERY_SAMPLE)) - samples) <= np.abs(samples) / 32 + 9)


SILENT: list[tuple[Callable[[Codes], Samples], int, int]] = [(ulaw_decode, 0xFF, 0), (alaw_decode, 0xD5, 8)]


@pytest.mark.parametrize(("decode", "code", "sample"), SILENT)
def test_silence(decode: Callable[[NDArray[np.uint8]], Samples], code: int, sample: int) -> None:
    """A-law has no zero: its quietest code is eight steps of 16 bits."""
    assert decode(np.array([code], np.uint8)).tolist() == [sample]


@pytest.mark.parametrize("law", LAWS, ids=["mu", "a"])
def test_takes_any_view(law: Law) -> None:
    encode, _, decode, _ = law
    assert encode(EVERY_SAMPLE[::-7]).tolist() == encode(EVERY_SAMPLE[::-7].copy()).tolist()
    assert decode(EVERY_CODE[::3]).dtype == np.int16
    assert encode(EVERY_SAMPLE[:0]).dtype == np.uint8
