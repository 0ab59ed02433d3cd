"""Changes the sampling rate: live between 8, 16, 24 and 48 kHz, or of a whole recording between any two rates.

Live: a polyphase FIR low-pass (Kaiser window; Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5). With `low`
the lower of the two rates, it is flat within 0.3 dB up to 7/16 of low (3.5 kHz for 8 kHz) and 60 dB down from 21/40 of
low (4.2 kHz), so aliases lie above the flat band. Delay: 19 samples of low, 2.4 ms for 8 kHz.
Units: samples, Hz, milliseconds. Output comes in steps: from 8 to 24 kHz one input makes three outputs, from 24 to
16 kHz three inputs make two. 20 ms are whole steps at every rate, so 20 ms in give 20 ms out from the first call on.

Sums are exact: coefficients are multiples of 2**-20, so float64 holds every partial sum, and neither the order of
summation, nor the cut of the input, nor the BLAS library can change a sample.
"""

from functools import cache
from math import lcm
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from telecodecs.format import Samples

RATES_HZ = (8_000, 16_000, 24_000, 48_000)
"""Sampling rates that `Resampler` converts between."""

_PERIODS = (
    38  # length of the filter in samples of the lower rate: as many as keep the delay under 2.5 ms at 8 kHz
)
_ATTENUATION_DB = 62.0
_CUTOFF = 0.4735  # -6 dB point, of the lower rate: the lowest with which 7/16 is still flat
_ONE = 1 << 20  # denominator of the coefficients
_ROWS = (
    8  # rows of the matrix product in 20 ms: few zeros among the taps, and large enough for BLAS to be fast
)

_FULL_SCALE = np.iinfo(np.int16)

_Reals = NDArray[np.float64]


class _Filter(NamedTuple):
    """The constants of one conversion: a row of inputs times `taps` is a row of outputs."""

    taps: _Reals  # shape (history + row, outputs of a row)
    history: int  # inputs before a row that the row needs
    row: int  # inputs in a row, 2.5 ms
    inputs: int  # in the smallest step
    outputs: int  # in the smallest step
    delay_ms: float


class Resampler:
    """Converts one stream from one rate to another; however the input is cut, the output is the same.

    Raises ValueError on a rate that is not one of `RATES_HZ`.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        for rate_hz in (from_hz, to_hz):
            if rate_hz not in RATES_HZ:
                raise ValueError(f"rate {rate_hz} Hz cannot be converted live; expected one of {RATES_HZ}")
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._filter = _design(from_hz, to_hz)
        # Inputs, oldest first: the history, then up to 20 ms and the rest of a step. The rows overlap.
        history, row = self._filter.history, self._filter.row
        self._line = np.zeros(history + (_ROWS + 1) * row)
        self._rows = np.lib.stride_tricks.sliding_window_view(self._line, history + row)[::row]
        self._waiting = 0  # inputs of an unfinished step
        self._fed = False

    @property
    def delay_ms(self) -> float:
        """How much later a sound is in the output than in the input; 0 for equal rates."""
        return 0.0 if self.from_hz == self.to_hz else self._filter.delay_ms

    def feed(self, samples: Samples) -> Samples:
        """The outputs of all steps that are now complete; with equal rates the object `samples` itself."""
        if self.from_hz == self.to_hz or not len(samples):
            return samples
        self._fed = True
        longest = _ROWS * self._filter.row
        if len(samples) <= longest:
            return self._convert(samples)
        return np.concatenate(
            [self._convert(samples[at : at + longest]) for at in range(0, len(samples), longest)]
        )

    def flush(self) -> Samples:
        """The samples that are still in the filter; after it the resampler is as new.

        The filter rings for twice `delay_ms`. After n inputs and a flush, the outputs are those of all steps, the last
        one rounded up, that n + 38 samples of the lower rate fill (one step less where the rate is reduced). If
        nothing was fed, the result is empty.
        """
        if not self._fed:
            return np.zeros(0, np.int16)
        filter_ = self._filter
        missing = -(self._waiting + filter_.history) % filter_.inputs
        tail = self.feed(np.zeros(filter_.history + missing, np.int16))
        self.reset()
        return tail

    def reset(self) -> None:
        """Forget all input."""
        self._line[:] = 0
        self._waiting = 0
        self._fed = False

    def __str__(self) -> str:
        return f"{self.from_hz} -> {self.to_hz} Hz"

    def _convert(self, samples: Samples) -> Samples:
        """Convert at most 20 ms: as much as `_line` holds, and too small a product for BLAS to start its threads."""
        taps, history, row, inputs, outputs, _ = self._filter
        line = self._line
        end = history + self._waiting + len(samples)
        line[history + self._waiting : end] = samples
        steps = (end - history) // inputs
        used = steps * inputs
        product = self._rows[: -(-used // row)] @ taps
        line[: end - used] = line[used:end]
        self._waiting = end - history - used
        return _as_samples(product.reshape(-1)[: steps * outputs])


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Convert a whole recording between any two rates in Hz, with soxr (quality HQ), without a delay."""
    if from_hz == to_hz:
        return samples
    converted = soxr.resample(samples.astype(np.float64), from_hz, to_hz, quality="HQ")
    return _as_samples(converted)


def coefficients(from_hz: int, to_hz: int) -> tuple[int, ...]:
    """The low-pass of a live conversion, in multiples of 2**-20, at the least common multiple of both rates."""
    ticks_hz = lcm(from_hz, to_hz)
    taps = _quantised(_low_pass(min(from_hz, to_hz) / ticks_hz), ticks_hz // from_hz)
    return tuple((taps * _ONE).astype(int).tolist())


def _as_samples(reals: _Reals) -> Samples:
    """Round, half to even, and clip to 16 bits."""
    whole = np.rint(reals)
    np.clip(whole, _FULL_SCALE.min, _FULL_SCALE.max, out=whole)
    return whole.astype(np.int16)


@cache
def _design(from_hz: int, to_hz: int) -> _Filter:
    """The filter for two rates, shared by all streams; at most 95 kB.

    A tick is the longest time of which both sampling periods are multiples. Input i is at tick i * outputs, output j at
    tick j * inputs, and a step has inputs * outputs ticks. Output j of a row weighs input i with
    prototype[j * inputs + inputs - 1 - i * outputs]: the least delay that the last input of a step allows.
    """
    ticks_hz = lcm(from_hz, to_hz)
    inputs, outputs = ticks_hz // to_hz, ticks_hz // from_hz
    prototype = _quantised(_low_pass(min(from_hz, to_hz) / ticks_hz), outputs)
    history = (len(prototype) - inputs) // outputs
    row = from_hz // 50 // _ROWS
    i = np.arange(-history, row)[:, np.newaxis]
    j = np.arange(row // inputs * outputs)[np.newaxis, :]
    tap = j * inputs + inputs - 1 - i * outputs
    inside = (tap >= 0) & (tap < len(prototype))
    taps = np.where(inside, prototype[tap * inside], 0.0)
    delay_ticks = (len(prototype) - 1) / 2 - (inputs - 1)
    return _Filter(taps, history, row, inputs, outputs, delay_ticks * 1000 / ticks_hz)


def _low_pass(low: float) -> _Reals:
    """The windowed sinc. `low`: the lower rate, in samples per tick."""
    length = round(_PERIODS / low) + 1
    at = np.arange(length) - (length - 1) / 2
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    sinc: _Reals = np.sinc(2 * _CUTOFF * low * at)
    return sinc * np.kaiser(length, beta)


def _quantised(prototype: _Reals, phases: int) -> _Reals:
    """Round to multiples of 2**-20 so that each phase sums to exactly one: a constant input stays constant."""
    taps = np.zeros_like(prototype)
    for phase in range(phases):
        weights = prototype[phase::phases] / prototype[phase::phases].sum()
        whole = np.rint(weights * _ONE)
        whole[np.argmax(whole)] += _ONE - whole.sum()
        taps[phase::phases] = whole / _ONE
    return taps
