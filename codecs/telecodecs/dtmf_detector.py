"""Finds pressed keys in the sound of one stream of samples: DTMF in the audio, where no carrier's message tells of it.

Sources: ITU-T Q.23 (the tones), Q.24 (what a receiver accepts); `dtmf` makes what is found here. Time is counted in
samples fed. A full-scale sine is taken as +3.14 dBm0 (ITU-T G.711, clause 7), so 0 dBm0 is -3.14 dBFS.

Each 5 ms the last 20 ms, under a Hann window, are set beside the eight frequencies. From one such window to the next a
tone turns by an angle that tells its true frequency to a tenth of a percent, and so also its true power. A key sounds
where the strongest row and the strongest column are near their frequencies, loud enough, not too unlike each other,
and together nearly all there is to hear. That last check is what keeps speech out: a voice that hits both
frequencies has other harmonics beside them, twice the row's and the column's among them, and a third tone fails it too.
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
"""What `ToneDetector` listens to: rates at which 5 ms are whole samples, as `resample` converts between."""

_HOP_MS = 5
_WINDOW_MS = 20
_HOPS = 4  # judged at once: a frame of 20 ms, whatever the chunks, so that no cut can change a sum

_TONES_HZ = (*ROWS_HZ, *COLUMNS_HZ)
_ROWS = len(ROWS_HZ)

_FULL_SCALE_POWER = 32_768.0**2 / 2  # mean square of a sine at full scale
_FULL_SCALE_DBM0 = 3.14

# Q.24 asks for -25 dBm0 in each tone, and for columns from 8 dB below to 4 dB above their rows.
_LOUD_ENOUGH = _FULL_SCALE_POWER * 10 ** ((-31 - _FULL_SCALE_DBM0) / 10)
_TWIST = 10 ** (10 / 10)  # either way: being stricter keeps out no speech
# Of all power under the window. Noise 12 dB below the tones leaves 0.91 at worst; 0.88 lets speech through once an hour.
_SHARE = 0.90
_SHARE_HELD = 0.25  # speech 5 dB louder than the tones leaves it; two tones are less of mere noise
# Relative to the nominal frequency; Q.24 asks to accept 1.5 % and to refuse 3.5 %.
_OFF_ONCE = 0.025
_OFF_ON_AVERAGE = 0.018  # the third and fourth harmonic of one voice are a * with 1.9 % in each
_LEAST_RESPONSE = 0.36  # of a tone's power is seen at least, `_OFF_ONCE` from the highest frequency
_ENOUGH = 4  # steps in a row that make a key: 35 ms of tone wherever they begin, where Q.24 has 40
# Half the window in a hole costs 6 dB. A hole of 20 ms, a lost packet, lasts 4 steps so, a pause of 40 ms 7.
_FADED = 10 ** (-6 / 10)
_PAUSE = 6

_Reals = NDArray[np.float64]
_Complexes = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Tone:
    """A key was pressed. `digit`: 0-9, *, #, A-D. `at_sample`: where its tone began, to 5 ms, from the first fed."""

    digit: str
    at_sample: int


class _Heard(NamedTuple):
    """What one step hears of a row and a column: power as seen, and the distance from the nominal frequency."""

    row: int
    column: int
    powers: tuple[float, float]
    off: tuple[float, float]

    @property
    def key(self) -> str:
        return KEYPAD[self.row][self.column]


class _Analysis(NamedTuple):
    """One rate, ready to be multiplied: a window of samples times `kernel` is its spectrum at the eight tones."""

    kernel: _Reals  # (samples of a window, 16): real and imaginary part of each tone by turns
    weights: _Reals  # squared samples of a window times these: its power
    turns: _Complexes  # by which each tone's phase grows in a hop, taken back
    quiet: float  # sum of squares of a line in which no window can hold a key


class ToneDetector:
    """One stream's keys, each told once however long it sounds.

    Found: 40 ms of tone, -25 to 0 dBm0 in each frequency, noise up to 12 dB below. Told within 60 ms of its beginning.
    The same key anew needs a pause: 40 ms are one, 20 ms in the middle of a tone (a lost packet) are not.
    `rate_hz`: one of `RATES_HZ`; ValueError otherwise.
    """

    def __init__(self, rate_hz: int = 8_000) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(
                f"rate_hz {rate_hz} cannot be listened to; one of {RATES_HZ} is right: resample first"
            )
        self._analysis = _analysis(rate_hz)
        self._hop = rate_hz * _HOP_MS // 1000
        self._frame = self._hop * _HOPS
        window = rate_hz * _WINDOW_MS // 1000
        # In the order of time: a window that is judged already, and the frame.
        self._line = np.zeros(window + self._frame)
        self._windows = np.lib.stride_tricks.sliding_window_view(self._line, window)[:: self._hop]
        self._run: deque[_Heard] = deque(maxlen=_ENOUGH)
        self.reset()

    @property
    def sounding(self) -> bool:
        """Whether a key's tone was in what was fed last, or what looks like one.

        Fed 20 ms at once: true 20 to 45 ms after a tone began, false 35 to 60 ms after it ended.
        """
        return self._pressed is not None or bool(self._run)

    def reset(self) -> None:
        """As new: the next sample is number 0."""
        self._line[:] = 0
        self._kept = np.zeros(0, np.int16)
        self._at = 0  # samples judged
        self._run.clear()  # steps in a row that hear the same key
        self._since = 0
        self._pressed: _Heard | None = None
        self._missed = 0  # steps in a row without the pressed key

    def feed(self, samples: Samples) -> list[Tone]:
        """The keys that are certain by the end of these samples; less than 20 ms wait for the next call."""
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
        begins = self._at - len(line) + self._frame  # where the line does
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
        """Whether the pressed key is there as loud as it was, even if somebody speaks over it by now."""
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
        """`at`: where the earlier of the step's windows begins."""
        run = self._run
        if heard is None or (run and heard.key != run[0].key):
            run.clear()
        if heard is not None and self._pressed is not None and heard.key == self._pressed.key:
            self._missed = 0  # fainter, but there
            return
        self._miss()
        if heard is None:
            return
        if not run:
            self._since = max(at + self._hop // 2, 0)  # some of the window may be empty before a tone
        run.append(heard)
        if len(run) == _ENOUGH and _near_on_average(run):
            self._pressed, self._missed = heard, 0
            told.append(Tone(heard.key, self._since))

    def _miss(self) -> None:
        self._missed += 1
        if self._missed >= _PAUSE:
            self._pressed = None


def _key(row: int, column: int, step: _Complexes, total: float) -> _Heard | None:
    """The key of this row and column, if that is what sounds. `step`: turned spectra; `total`: power of everything."""
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
    """How far both tones are from their nominal frequencies, relative to these."""
    hertz_in_a_radian = 1000 / (2 * math.pi * _HOP_MS)
    return (
        cmath.phase(step[row]) * hertz_in_a_radian / ROWS_HZ[row],
        cmath.phase(step[_ROWS + column]) * hertz_in_a_radian / COLUMNS_HZ[column],
    )


def _response(off_hz: float) -> float:
    """What the window leaves of the power of a tone so far from the frequency looked at; up to 50 Hz."""
    bins = off_hz * _WINDOW_MS / 1000
    turn = math.pi * bins
    return (math.sin(turn) / turn / (1 - bins * bins)) ** 2 if turn else 1.0


@cache
def _analysis(rate_hz: int) -> _Analysis:
    """Shared by all streams; 20 kB for 8 kHz. A tone's power is its mean square, as the window's is."""
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
