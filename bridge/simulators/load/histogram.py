"""Counts durations in fixed buckets, so that a day of frames takes as much memory as a second of them.

The buckets are spaced evenly on a logarithmic scale, `BUCKETS_PER_DECADE` for each factor of ten, and are the same in every
process: histograms are merged by adding their counts. A percentile is known to 2 %, the smallest and the largest value
exactly. Durations are milliseconds.
"""

from collections.abc import Mapping
from math import ceil, log10

from msgspec import Struct

BUCKETS_PER_DECADE = 115
LEAST_MS = 0.01
"""What is shorter is counted in the first bucket."""

MOST_MS = 10_000_000.0
"""What is longer, nearly three hours, is counted in the last bucket."""

_DECADES = round(log10(MOST_MS / LEAST_MS))
BUCKETS = _DECADES * BUCKETS_PER_DECADE
_OFFSET = -log10(LEAST_MS) * BUCKETS_PER_DECADE


class Counts(Struct, frozen=True, kw_only=True):
    """What a histogram holds, to be written as JSON and added to another one's."""

    buckets: dict[int, int] = {}
    """How many durations each bucket has, by its number; empty ones are left out."""
    sum_ms: float = 0.0
    min_ms: float = 0.0
    max_ms: float = 0.0


class Histogram:
    """Durations by bucket."""

    __slots__ = ("_counts", "count", "max_ms", "min_ms", "sum_ms")

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.sum_ms = 0.0
        self.min_ms = 0.0
        self.max_ms = 0.0

    def add(self, ms: float) -> None:
        """Count one duration."""
        bucket = 0
        if ms > LEAST_MS:
            bucket = min(int(log10(ms) * BUCKETS_PER_DECADE + _OFFSET), BUCKETS - 1)
        self._counts[bucket] += 1
        self.sum_ms += ms
        self.max_ms = max(self.max_ms, ms)
        self.min_ms = min(self.min_ms, ms) if self.count else ms
        self.count += 1

    def merge(self, other: Counts) -> None:
        """Add what another histogram has counted."""
        came = sum(other.buckets.values())
        if not came:
            return
        for bucket, count in other.buckets.items():
            self._counts[bucket] += count
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)
        self.min_ms = min(self.min_ms, other.min_ms) if self.count else other.min_ms
        self.count += came

    def percentile(self, percent: float) -> float:
        """The duration in ms that so many percent do not exceed, by nearest rank; 0 if nothing was counted."""
        wanted = max(1, ceil(self.count * percent / 100))
        if wanted >= self.count:
            return self.max_ms
        passed = 0
        for bucket, count in enumerate(self._counts):
            passed += count
            if passed >= wanted:
                return min(max(upper_ms(bucket), self.min_ms), self.max_ms)
        return self.max_ms

    @property
    def counts(self) -> Counts:
        """What was counted so far."""
        filled = {bucket: count for bucket, count in enumerate(self._counts) if count}
        return Counts(buckets=filled, sum_ms=self.sum_ms, min_ms=self.min_ms, max_ms=self.max_ms)

    @classmethod
    def of(cls, counts: Counts) -> "Histogram":
        """A histogram with what another one has counted."""
        histogram = cls()
        histogram.merge(counts)
        return histogram


def lower_ms(bucket: int) -> float:
    """Where a bucket begins; the first one begins at 0."""
    return 0.0 if bucket == 0 else LEAST_MS * 10 ** (bucket / BUCKETS_PER_DECADE)


def upper_ms(bucket: int) -> float:
    """Where a bucket ends."""
    return LEAST_MS * 10 ** ((bucket + 1) / BUCKETS_PER_DECADE)


def merged(all_counts: "list[Counts] | Mapping[str, Counts]") -> Counts:
    """The sum of several histograms."""
    total = Histogram()
    for counts in all_counts.values() if isinstance(all_counts, Mapping) else all_counts:
        total.merge(counts)
    return total.counts
