"""Counts durations in fixed buckets, so that a day of frames takes as much memory as a second of them.

The buckets are spaced evenly on a logarithmic scale, `BUCKETS_PER_DECADE` for each factor of ten, and are the same in every
process: histograms are merged by adding their counts. A percentile is known to 2 %, the smallest and the largest value
exactly. Durations are milliseconds.
"""

from collections.abc import Mapping, Sequence
from math import ceil, log10

import numpy as np
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
        self._counts = np.zeros(BUCKETS, np.int64)
        self.count = 0
        self.sum_ms = 0.0
        self.min_ms = 0.0
        self.max_ms = 0.0

    def add(self, ms: float) -> None:
        """Count one duration."""
        self.add_all((ms,))

    def add_all(self, durations_ms: Sequence[float]) -> None:
        """Count many durations: of many at once, each costs a fraction of what one alone does."""
        if not durations_ms:
            return
        came = np.asarray(durations_ms, np.float64)
        buckets = (np.log10(np.maximum(came, LEAST_MS)) * BUCKETS_PER_DECADE + _OFFSET).astype(np.int64)
        self._counts += np.bincount(np.clip(buckets, 0, BUCKETS - 1), minlength=BUCKETS)
        least, most = float(came.min()), float(came.max())
        self.sum_ms += float(came.sum())
        self.max_ms = max(self.max_ms, most)
        self.min_ms = min(self.min_ms, least) if self.count else least
        self.count += len(came)

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
        bucket = int(np.searchsorted(np.cumsum(self._counts), wanted))
        return min(max(upper_ms(bucket), self.min_ms), self.max_ms)

    @property
    def counts(self) -> Counts:
        """What was counted so far."""
        filled = {int(bucket): int(self._counts[bucket]) for bucket in np.flatnonzero(self._counts)}
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
