"""The noise of a line, and how loud a sound must be to stand out from it; told the power of every 20 ms.

Peaks tell more of a noise than dips do: a room full of voices dips as deep as a voice. So the gate is 3 dB above what
49 of 50 frames stay below, in the last 5 s in which nobody spoke; a frame above it counts as if just at it, so one
click lifts it little. Two frames together have to reach it, neither more than 3 dB below it: a noise's peak is short
and a click shorter, a vowel is not. Speech is left out, or a long sentence would raise the gate over itself. But
speech dips below the gate again and again, and ranges over more than 25 dB: 3 s that do neither are a noise that has
set in.
Units: power per sample, of 16 bits; dBFS as in `level`.
"""

from collections import deque
from collections.abc import Collection

from telecodecs.format import FRAME_MS

FULL_SCALE_POWER = 32_768.0**2 / 2
"""0 dBFS: the mean square of a sine at full scale."""

QUIET_GATE = FULL_SCALE_POWER * 10 ** (-50 / 10)
"""The gate where there is no noise to speak of."""

SPEECH_RANGE = 10 ** (25 / 10)
"""Loudest to softest, of frames that are not all of one noise."""

_SOFT_BEGINNING = FULL_SCALE_POWER * 10 ** (-40 / 10)  # an s or h, on a telephone, of a voice at -17
_ABOVE_NOISE = 10 ** (3 / 10)
_ABOVE_NEW_NOISE = 10 ** (4.5 / 10)  # its highest peaks are still to come
_KNOWN = 2_000 // FRAME_MS
_LOUDEST = 10 ** (8 / 10)  # of a noise, over what a fifth of its frames stay below
_STAY_BELOW = 0.98
_REMEMBERED = 5_000 // FRAME_MS
_DIPS_WITHIN = 3_000 // FRAME_MS
_HOLES = 0.05  # of those 3 s may be filled with silence
_LATE = 200 // FRAME_MS  # by then a sound is known for speech, or is none
_REVIEW = 100 // FRAME_MS


class NoiseFloor:
    """One line's. `gate`: the power that stands out."""

    def __init__(self) -> None:
        self.gate = QUIET_GATE
        self._before = 0.0
        self._noise: deque[float] = deque(maxlen=_REMEMBERED)
        self._undecided: deque[float] = deque()
        self._last: deque[float] = deque(maxlen=_DIPS_WITHIN)
        self._until_review = _REVIEW

    @property
    def masks(self) -> bool:
        """Whether the noise hides the soft beginnings of words."""
        return self.gate > _SOFT_BEGINNING

    def lets_pass(self, power: float) -> bool:
        """Whether the next frame stands out, in noise together with the one before."""
        before, self._before = self._before, power
        if not self.masks:
            return power >= self.gate
        return before + power >= 2 * self.gate and min(before, power) >= self.gate / _ABOVE_NOISE

    def learn(self, powers: Collection[float]) -> None:
        """All of this is noise, but for what is too loud for the rest: somebody speaks over it."""
        usual = sorted(powers)[len(powers) // 5]
        self._noise.extend(min(power, usual * _LOUDEST) for power in powers)
        self._review()

    def hear(self, power: float, speaking: bool) -> None:
        """Remember this frame, after `lets_pass`. `speaking`: somebody does, as far as one has_assistant."""
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
        """Ten times a second: it takes as long as all else together."""
        self._until_review = _REVIEW
        if self._noise:
            ranked = sorted(self._noise)
            above = _ABOVE_NOISE if len(ranked) >= _KNOWN else _ABOVE_NEW_NOISE
            self.gate = max(QUIET_GATE, ranked[int(len(ranked) * _STAY_BELOW)] * above)
