"""Where a value lies on the axis of a chart, and which values are written beside it."""

from collections.abc import Iterator
from math import ceil, floor, log10

STEPS = (1.0, 2.0, 5.0, 10.0)
"""What the ticks of an axis are apart, times a power of ten."""


class Scale:
    """Maps values from `low` to `high` to pixels from `from_px` to `to_px`; evenly, or by their logarithm."""

    def __init__(
        self, low: float, high: float, from_px: float, to_px: float, *, is_log: bool = False
    ) -> None:
        self._low = low
        self._high = high if high > low else low + 1.0
        self._from_px, self._to_px = from_px, to_px
        self._is_log = is_log

    def __call__(self, value: float) -> float:
        """The pixel of a value. What is beyond an end of the axis is put there."""
        low, high, value = self._low, self._high, min(max(value, self._low), self._high)
        if self._is_log:
            low, high, value = log10(low), log10(high), log10(value)
        return self._from_px + (value - low) / (high - low) * (self._to_px - self._from_px)

    def ticks(self, most: int = 6) -> Iterator[float]:
        """Round values within the axis: about `most` of them, or 1, 2 and 5 in each power of ten."""
        if self._is_log:
            yield from self._ticks_by_decade()
            return
        step = _round_step((self._high - self._low) / most)
        tick = ceil(self._low / step)
        while tick * step <= self._high * (1 + 1e-9):
            yield tick * step
            tick += 1

    def _ticks_by_decade(self) -> Iterator[float]:
        decades = log10(self._high / self._low)
        factors = (1.0, 2.0, 5.0) if decades < 3 else (1.0,)
        for power in range(floor(log10(self._low)), ceil(log10(self._high)) + 1):
            for factor in factors:
                if self._low <= (tick := factor * 10.0**power) <= self._high:
                    yield tick


def _round_step(step: float) -> float:
    """The smallest round step that is no smaller."""
    power = 10.0 ** floor(log10(step))
    return next(factor * power for factor in STEPS if factor * power >= step * (1 - 1e-9))


def in_words(value: float) -> str:
    """A number with as many digits as a reader needs: three at most."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}".replace(",", "\u202f")
    text = f"{value:.{max(0, 2 - floor(log10(abs(value))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
