"""Detects pressed keys (DTMF) in the audio of one stream, for carriers that do not send a message for each key.

Sources: ITU-T Q.23 (the tones), Q.24 (what a receiver accepts). `dtmf` makes the tones that are found here. Time is
counted in samples fed. A full-scale sine is +3.14 dBm0 (ITU-T G.711, clause 7), so 0 dBm0 is -3.14 dBFS.

Every 5 ms the last 20 ms are multiplied by a Hann window and correlated with the eight frequencies. The phase of a tone
advances from one window to the next by an angle that gives its frequency to a tenth of a percent, and with it its true
power. A key is present if the strongest row and the strongest column are near their nominal frequencies, loud enough,
of similar level, and together nearly all of the power. The last condition rejects speech: a voice that hits both
frequencies has other harmonics beside them, among them twice the row's and twice the column's. It also rejects a third
tone.
"""

import cmath
import math
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telecodecs.dtmf import COLUMNS_HZ, KEYPAD, ROWS_HZ
from telecodecs.format import Samples

RATES_HZ = (8_000, 16_000, 24_000, 48_000)
"""Sampling rates that `ToneDetector` takes: those of `resample`, at which 5 ms are whole samples."""

_HOP_MS = 5
_WINDOW_MS = 20
_HOPS = 4  # analysed at once: 20 ms, however the input is cut, so that the cut cannot change a sum

_TONES_HZ = (*ROWS_HZ, *COLUMNS_HZ)
_ROWS = len(ROWS_HZ)

_FULL_SCALE_POWER = 32_768.0**2 / 2  # mean square of a sine at full scale
_FULL_SCALE_DBM0 = 3.14

# Q.24 asks for -25 dBm0 in each tone, and for columns from 8 dB below to 4 dB above their rows.
_LOUD_ENOUGH = _FULL_SCALE_POWER * 10 ** ((-31 - _FULL_SCALE_DBM0) / 10)
_TWIST = 10 ** (10 / 10)  # either way: a stricter limit rejects no more speech
# Share of all power under the window. Noise 12 dB below the tones leaves 0.91 at worst; at 0.88 speech makes a false
# key once an hour.
_SHARE = 0.90
_SHARE_HELD = (
    0.25  # while a key is held: speech 5 dB louder than the tones leaves so much, noise alone has less
)
# Relative to the nominal frequency; Q.24 asks to accept 1.5 % and to refuse 3.5 %.
_OFF_ONCE = 0.025
_OFF_ON_AVERAGE = 0.018  # the third and fourth harmonic of one voice look like * with 1.9 % in each tone
_LEAST_RESPONSE = 0.36  # share of a tone's power that is seen at `_OFF_ONCE` from the highest frequency
_ENOUGH = 4  # steps in a row that make a key: 35 ms of tone wherever it begins; Q.24 asks for 40
# A window that is half silent loses 6 dB. A hole of 20 ms (a lost packet) lasts 4 such steps, a pause of 40 ms 7.
_FADED = 10 ** (-6 / 10)
_PAUSE = 6

_Reals = NDArray[np.float64]
_Complexes = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Tone:
    """A key was pressed. `digit`: 0-9, *, #, A-D. `at_sample`: where its tone began, within 5 ms; the first fed is 0."""

    digit: str
    at_sample: int


class _Heard(NamedTuple):
    """The row and column found in one step: their power as seen, and their relative distance from the nominal tones."""

    row: int
    column: int
    powers: tuple[float, float]
    off: tuple[float, float]

    @property
    def key(self) -> str:
        return KEYPAD[self.row][self.column]


class _Analysis(NamedTuple):
    """The constants for one sampling rate: a window of samples times `kernel` is its spectrum at the eight tones."""

    kernel: _Reals  # shape (samples of a window, 16): real and imaginary part of each tone alternate
    weights: _Reals  # squared samples of a window times these give its power
    turns: _Complexes  # undo the phase that each nominal tone gains in a hop
    quiet: float  # sum of squares of the buffer below which no window can hold a key


class ToneDetector:
    """Detects the keys of one stream; each is reported once, however long it sounds.

    Detected: 40 ms of tone at -25 to 0 dBm0 in each frequency, with noise up to 12 dB below. A key is reported within
    60 ms of its beginning. The same key counts again after a pause of 40 ms; 20 ms of silence within a tone (a lost
    packet) are not a pause. Raises ValueError if `rate_hz` is not one of `RATES_HZ`.
    """

    def __init__(self, rate_hz: int = 8_000) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(
                f"rate_hz {rate_hz} is not supported; expected one of {RATES_HZ}: resample first"
            )
        self._analysis = _analysis(rate_hz)
        self._hop = rate_hz * _HOP_MS // 1000
        self._frame = self._hop * _HOPS
        window = rate_hz * _WINDOW_MS // 1000
        # Oldest first: one window that was analysed before, then the new frame.
        self._line = np.zeros(window + self._frame)
        self._windows = np.lib.stride_tricks.sliding_window_view(self._line, window)[:: self._hop]
        self._run: deque[_Heard] = deque(maxlen=_ENOUGH)
        self.reset()

    @property
    def sounding(self) -> bool:
        """Whether the audio fed last contains the tone of a key, or the first steps of what may become one.

        When fed 20 ms at a time it becomes true 20 to 45 ms after a tone begins, false 35 to 60 ms after it ends.
        """
        return self._pressed is not None or bool(self._run)

    def reset(self) -> None:
        """Forget everything: the next sample is number 0."""
        self._line[:] = 0
        self._kept = np.zeros(0, np.int16)
        self._at = 0  # samples analysed
        self._run.clear()  # steps in a row with the same key
        self._since = 0
        self._pressed: _Heard | None = None
        self._missed = 0  # steps in a row without the pressed key

    def feed(self, samples: Samples) -> list[Tone]:
        """The keys detected by the end of these samples. A rest of less than 20 ms is analysed with the next call."""
        if len(self._kept):
            samples = np.concatenate([self._kept, samples])
        told: list[Tone] = []
        whole = len(samples) - len(samples) % self._frame
        for at in range(0, whole, self._frame):
            self._judge(samples[at : at + self._frame], told)
        self._kept = samples[whole:].copy()
        return told

    def _judge(self, frame: Samples, told: list[Tone]) -> None:
        line, (kernel, weights, turns, quiet) = self._line, self._analysis
        line[: -self._frame] = line[self._frame :]
        line[-self._frame :] = frame
        begins = self._at - len(line) + self._frame  # number of the buffer's first sample
        self._at += self._frame
        if float(line @ line) < quiet:
            for _ in range(_HOPS):
                self._miss()
            self._run.clear()
            return
        spectra = (self._windows @ kernel).view(np.complex128)
        steps = spectra[1:] * spectra[:-1].conj() * turns
        seen = np.abs(steps)
        totals = (self._windows**2) @ weights
        rows = seen[:, :_ROWS].argmax(axis=1).tolist()
        columns = seen[:, _ROWS:].argmax(axis=1).tolist()
        powers: list[list[float]] = seen.tolist()
        for hop, (row, column) in enumerate(zip(rows, columns, strict=True)):
            total = float(totals[hop] + totals[hop + 1]) / 2
            if self._still_held(powers[hop], total):
                continue
            heard = None
            if powers[hop][row] + powers[hop][_ROWS + column] > _SHARE * _LEAST_RESPONSE * total:
                heard = _key(row, column, steps[hop], total)
            self._count(heard, begins + hop * self._hop, told)

    def _still_held(self, powers: list[float], total: float) -> bool:
        """Whether the pressed key sounds as loud as before, even if somebody speaks over it now."""
        if self._pressed is None:
            return False
        row, column, (low, high), _ = self._pressed
        low_now, high_now = powers[row], powers[_ROWS + column]
        if low_now < low * _FADED or high_now < high * _FADED or low_now + high_now < _SHARE_HELD * total:
            return False
        self._missed = 0
        self._run.clear()
        return True

    def _count(self, heard: _Heard | None, at: int, told: list[Tone]) -> None:
        """Count steps with the same key; at the last one that is needed, report it.

        `at`: the first sample of the earlier of the step's two windows.
        """
        run = self._run
        if heard is None or (run and heard.key != run[0].key):
            run.clear()
        if heard is not None and self._pressed is not None and heard.key == self._pressed.key:
            self._missed = 0  # fainter than before, but present
            return
        self._miss()
        if heard is None:
            return
        if not run:
            self._since = max(at + self._hop // 2, 0)  # the tone need not fill the whole window
        run.append(heard)
        if len(run) == _ENOUGH and _near_on_average(run):
            self._pressed, self._missed = heard, 0
            told.append(Tone(heard.key, self._since))

    def _miss(self) -> None:
        self._missed += 1
        if self._missed >= _PAUSE:
            self._pressed = None


def _key(row: int, column: int, step: _Complexes, total: float) -> _Heard | None:
    """The key of this row and column, if it sounds. `step`: from one spectrum to the next; `total`: all power."""
    low_off, high_off = _offs(row, column, step)
    if max(abs(low_off), abs(high_off)) > _OFF_ONCE:
        return None
    low, high = float(abs(step[row])), float(abs(step[_ROWS + column]))
    low_power = low / _response(low_off * ROWS_HZ[row])
    high_power = high / _response(high_off * COLUMNS_HZ[column])
    quieter, louder = sorted((low_power, high_power))
    if quieter < _LOUD_ENOUGH or louder > _TWIST * quieter or low_power + high_power < _SHARE * total:
        return None
    return _Heard(row, column, (low, high), (low_off, high_off))


def _near_on_average(run: deque[_Heard]) -> bool:
    return all(
        abs(sum(offs)) <= _OFF_ON_AVERAGE * len(run) for offs in zip(*(h.off for h in run), strict=True)
    )


def _offs(row: int, column: int, step: _Complexes) -> tuple[float, float]:
    """The distance of both tones from their nominal frequencies, relative to these."""
    hertz_in_a_radian = 1000 / (2 * math.pi * _HOP_MS)
    return (
        cmath.phase(step[row]) * hertz_in_a_radian / ROWS_HZ[row],
        cmath.phase(step[_ROWS + column]) * hertz_in_a_radian / COLUMNS_HZ[column],
    )


def _response(off_hz: float) -> float:
    """The share of a tone's power that the Hann window leaves, `off_hz` (up to 50) from the frequency looked at."""
    bins = off_hz * _WINDOW_MS / 1000
    turn = math.pi * bins
    return (math.sin(turn) / turn / (1 - bins * bins)) ** 2 if turn else 1.0


@cache
def _analysis(rate_hz: int) -> _Analysis:
    """The constants for one rate, shared by all streams; 20 kB for 8 kHz. The power of a tone is its mean square."""
    at = np.arange(rate_hz * _WINDOW_MS // 1000)
    window: _Reals = (1 - np.cos(2 * np.pi * at / len(at))) / 2
    hertz = np.array(_TONES_HZ)
    waves = np.exp(-2j * np.pi * at[:, np.newaxis] * hertz / rate_hz)
    kernel = np.ascontiguousarray(waves * window[:, np.newaxis] * math.sqrt(2) / window.sum())
    squares = window**2
    return _Analysis(
        kernel.view(np.float64),
        squares / squares.sum(),
        np.exp(-2j * np.pi * hertz * _HOP_MS / 1000),
        _LOUD_ENOUGH * _FADED * float(squares.sum()),
    )
