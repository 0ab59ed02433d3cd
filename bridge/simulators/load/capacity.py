"""Searches the most calls at once that hold the thresholds: doubling until they are not held, then halving the interval.

There is no clock here and no run: ask `next_calls`, run it, and tell the outcome with `record`.
"""

from bridge.simulators.load.results import Capacity, CapacityStep, Verdict
from bridge.simulators.load.verdict import in_words

FIRST_CALLS = 10
CLOSE_SHARE = 0.05
"""The search ends when the interval is within this of what was held, or one call."""


class CapacitySearch:
    """One search, from `first` to at most `most` calls."""

    def __init__(self, first: int = FIRST_CALLS, most: int = 100_000) -> None:
        self._first = first
        self._most = most
        self._held = 0
        self._broke: int | None = None
        self._broke_first = ""
        self._stopped = ""
        self._tool = ""  # why the tool was the limit at `_broke`, which is then not the server's
        self._steps: list[CapacityStep] = []

    def next_calls(self) -> int | None:
        """How many calls the next run has; None when the search is over."""
        if self._stopped or self._held >= self._most:
            return None
        if not self._steps:
            return min(self._first, self._most)
        if self._broke is None:
            return min(self._held * 2, self._most)
        gap = self._broke - self._held
        if gap <= max(1, round(self._held * CLOSE_SHARE)):
            return None
        return self._held + gap // 2

    def record(self, calls: int, verdict: Verdict, failed_because: str = "") -> None:
        """Tell what has become of the run with so many calls. `failed_because`: why most of its failed calls failed."""
        why = f" ({failed_because})" if failed_because else ""
        broken = [
            in_words(bar) + (why if bar.option == "--max-failures" else "")
            for bar in verdict.bars
            if not bar.held
        ]
        self._steps.append(
            CapacityStep(
                calls=calls, outcome=verdict.outcome, broke=broken[0] if broken else "", bars=verdict.bars
            )
        )
        match verdict.outcome:
            case "held":
                self._held = max(self._held, calls)
            case "not held":
                self._broke, self._broke_first, self._tool = calls, f"{broken[0]}, at {calls} calls", ""
            case "tool was the limit":
                if self._held or calls == 1:
                    self._stopped = verdict.own_limit
                else:  # it began with too many
                    self._broke, self._tool = calls, verdict.own_limit
            case "interrupted":
                self._stopped = "the search was interrupted"

    @property
    def found(self) -> Capacity:
        """The answer so far."""
        return Capacity(
            most_calls=self._held,
            is_exact=self._broke is not None and not (self._stopped or self._tool),
            broke_first=self._broke_first,
            sentence=self._sentence(),
            steps=tuple(self._steps),
        )

    def _sentence(self) -> str:
        hold = f"{self._held} call{' at once holds' if self._held == 1 else 's at once hold'} the thresholds"
        above = f", not more: {self._broke_first}" if self._broke_first else ""
        if ended := self._stopped or self._tool:
            return f"at least {hold}{above or ', perhaps more'}; {ended}"
        if self._broke is None:
            return f"{hold}, which is the most that was tried"
        if not self._held:
            return f"no number of calls holds the thresholds: {self._broke_first}"
        return f"{hold}{above}"
