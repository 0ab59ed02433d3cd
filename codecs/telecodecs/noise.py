"""Estimates the noise of a line and how loud a sound must be to stand out from it, from the power of every 20 ms.

Peaks say more about a noise than dips: a room full of voices has dips as deep as a single voice. So the gate is 3 dB
above the level that 49 of 50 frames stay below, in the last 5 s without speech. A frame above the gate counts as if it
were at the gate, so that one click raises it little. A sound passes if two frames in a row reach the gate on average
and neither is more than 3 dB below it: the peaks of a noise are short and clicks are shorter, vowels are longer.
Frames of speech are not counted as noise, or a long sentence would raise the gate above itself. But speech falls below
the gate again and again, and its level varies by more than 25 dB: 3 s in which neither happens are a new noise.
Units: power, the mean square of 16-bit samples; dBFS as in `level`.
"""

from collections import deque
from collections.abc import Collection

from telecodecs.format import FRAME_MS

FULL_SCALE_POWER = 32_768.0**2 / 2
"""0 dBFS: the mean square of a sine at full scale."""

QUIET_GATE = FULL_SCALE_POWER * 10 ** (-50 / 10)
"""The gate on a quiet line: -50 dBFS."""

SPEECH_RANGE = 10 ** (25 / 10)
"""Power of the loudest frame over that of the softest, from which on the frames are not one noise: 25 dB."""

_SOFT_BEGINNING = FULL_SCALE_POWER * 10 ** (-40 / 10)  # an s or h on a telephone, of a voice at -17 dBFS
_ABOVE_NOISE = 10 ** (3 / 10)
_ABOVE_NEW_NOISE = 10 ** (4.5 / 10)  # while little of it is known: its highest peaks are still to come
_KNOWN = 2_000 // FRAME_MS
_LOUDEST = 10 ** (8 / 10)  # the peaks of a noise, over the level that a fifth of its frames stay below
_STAY_BELOW = 0.98
_REMEMBERED = 5_000 // FRAME_MS
_DIPS_WITHIN = 3_000 // FRAME_MS
_HOLES = 0.05  # share of those 3 s that may be lost frames, filled with silence
_LATE = 200 // FRAME_MS  # by then it is decided whether a sound is speech
_REVIEW = 100 // FRAME_MS


class NoiseFloor:
    """Estimates the noise of one line. `gate`: the power from which on a sound stands out."""

    def __init__(self) -> None:
        self.gate = QUIET_GATE
        self._before = 0.0
        self._noise: deque[float] = deque(maxlen=_REMEMBERED)
        self._undecided: deque[float] = deque()
        self._last: deque[float] = deque(maxlen=_DIPS_WITHIN)
        self._until_review = _REVIEW

    @property
    def masks(self) -> bool:
        """Whether the noise is loud enough to hide the soft beginnings of words."""
        return self.gate > _SOFT_BEGINNING

    def lets_pass(self, power: float) -> bool:
        """Whether the next frame stands out; in noise, whether it does so together with the frame before."""
        before, self._before = self._before, power
        if not self.masks:
            return power >= self.gate
        return before + power >= 2 * self.gate and min(before, power) >= self.gate / _ABOVE_NOISE

    def learn(self, powers: Collection[float]) -> None:
        """Take these frames for noise. Those that are too loud for it are limited: somebody may speak over it."""
        usual = sorted(powers)[len(powers) // 5]
        self._noise.extend(min(power, usual * _LOUDEST) for power in powers)
        self._review()

    def hear(self, power: float, speaking: bool) -> None:
        """Remember this frame; to be called after `lets_pass`. `speaking`: whether it is within an utterance."""
        self._last.append(power)
        if speaking:
            self._undecided.clear()
        else:
            self._undecided.append(min(power, self.gate))
            if len(self._undecided) > _LATE:
                self._noise.append(self._undecided.popleft())
        self._until_review -= 1
        if not self._until_review:
            if speaking and self._is_noise_after_all():
                self._noise.clear()
                self.learn(self._last)
            else:
                self._review()

    def _is_noise_after_all(self) -> bool:
        if len(self._last) < _DIPS_WITHIN:
            return False
        ranked = sorted(self._last)
        dip = ranked[int(len(ranked) * _HOLES)]
        return self.gate <= dip and ranked[-1] < dip * SPEECH_RANGE

    def _review(self) -> None:
        """Set the gate. Only every 100 ms: it takes as much time as everything else together."""
        self._until_review = _REVIEW
        if self._noise:
            ranked = sorted(self._noise)
            above = _ABOVE_NOISE if len(ranked) >= _KNOWN else _ABOVE_NEW_NOISE
            self.gate = max(QUIET_GATE, ranked[int(len(ranked) * _STAY_BELOW)] * above)
