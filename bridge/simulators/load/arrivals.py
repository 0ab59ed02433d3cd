"""Says when calls are placed: a number of calls at once, or so many in a second. There is no clock here.

With `--calls` the number rises evenly over the ramp. With `--hold-calls` a call that has ended or failed is replaced, at
most as many in a second as there are calls, so that a server that refuses everything is not flooded. With
`--calls-per-second` the rate rises evenly over the ramp. Times are seconds from the start of the run.
"""

from collections.abc import Iterator

FIRST_AFTER_S = 0.0


class Arrivals:
    """The calls of one process. `first_s`: shifts all calls, so that several processes do not place theirs at once."""

    def __init__(
        self,
        *,
        calls: int = 0,
        calls_per_second: float = 0.0,
        ramp_s: float = 0.0,
        hold: bool = False,
        first_s: float = FIRST_AFTER_S,
    ) -> None:
        self._calls = calls
        self._rate = calls_per_second
        self._ramp_s = ramp_s
        self._hold = hold
        self._first_s = first_s
        self._placed = 0
        self._again_s = 0.0  # when the next replacement may be placed

    def due(self, now_s: float, held: int) -> Iterator[float]:
        """The calls to be placed by now, each as the time at which it was due. `held`: calls under way or being set up."""
        while (due_s := self._due_s(self._placed)) is not None and due_s <= now_s:
            self._placed += 1
            held += 1
            self._again_s = max(self._again_s, due_s)
            yield due_s
        if self._hold and self._calls and self._placed >= self._calls:
            yield from self._replacements(now_s, held)

    def _replacements(self, now_s: float, held: int) -> Iterator[float]:
        """A call that is missing is due now: how long it has been missing is not known here, nor does it matter."""
        interval_s = 1 / self._calls
        self._again_s = max(self._again_s, now_s - 1.0)
        while held < self._calls and self._again_s + interval_s <= now_s:
            self._again_s += interval_s
            self._placed += 1
            held += 1
            yield now_s

    def _due_s(self, number: int) -> float | None:
        """When call number `number`, from 0, is due; None if there is no such call but replacements."""
        if self._rate:
            return self._first_s + self._arrives_s(number)
        if number >= self._calls:
            return None
        return self._first_s + self._ramp_s * number / self._calls

    def _arrives_s(self, number: int) -> float:
        """Within the ramp r(t) = rate * t / ramp, so rate * t² / (2 * ramp) calls have come; behind it rate * t."""
        in_ramp = self._rate * self._ramp_s / 2
        if number < in_ramp:
            return float((2 * number * self._ramp_s / self._rate) ** 0.5)
        return self._ramp_s + (number - in_ramp) / self._rate
