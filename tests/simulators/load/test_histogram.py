"""Histograms: percentiles against the nearest rank of a sorted list, merging, and bounded memory."""

import random
from math import ceil

import pytest

from bridge.simulators.load.histogram import BUCKETS, Counts, Histogram, lower_ms, merged, upper_ms


def filled(*durations: float) -> Histogram:
    histogram = Histogram()
    histogram.add_all(durations)
    return histogram


def test_one_at_a_time_or_all_at_once_is_the_same() -> None:
    one_by_one = Histogram()
    for ms in (0.2, 7.0, 5000.0):
        one_by_one.add(ms)
    assert one_by_one.counts == filled(0.2, 7.0, 5000.0).counts


@pytest.mark.parametrize("percent", [50, 90, 95, 99, 99.9, 100])
def test_a_percentile_is_within_two_percent_of_the_sorted_list(percent: float) -> None:
    chance = random.Random(5)
    durations = [chance.lognormvariate(1, 2) for _ in range(20_000)]
    exact = sorted(durations)[ceil(len(durations) * percent / 100) - 1]
    assert filled(*durations).percentile(percent) == pytest.approx(exact, rel=0.0203)


def test_the_smallest_and_the_largest_are_exact() -> None:
    histogram = filled(3.217, 999.123, 17.0)
    assert (histogram.min_ms, histogram.max_ms, histogram.count) == (3.217, 999.123, 3)
    assert histogram.percentile(100) == 999.123


def test_nothing_counted_reads_zero() -> None:
    assert (Histogram().percentile(99), Histogram().count) == (0.0, 0)


@pytest.mark.parametrize("ms", [0.0, 0.001, 1e9, 1e12])
def test_what_is_out_of_range_is_counted_at_the_end(ms: float) -> None:
    histogram = filled(ms)
    assert histogram.count == 1
    assert histogram.percentile(50) == ms


def test_histograms_of_several_processes_add_up() -> None:
    chance = random.Random(6)
    durations = [chance.expovariate(0.1) for _ in range(3000)]
    parts = [filled(*durations[part::3]).counts for part in range(3)]
    whole, one = Histogram.of(merged([*parts, Counts()])), filled(*durations)
    assert whole.counts.buckets == one.counts.buckets
    assert (whole.count, whole.min_ms, whole.max_ms) == (one.count, one.min_ms, one.max_ms)
    assert whole.sum_ms == pytest.approx(one.sum_ms)


def test_buckets_touch_each_other_and_hold_what_is_put_in() -> None:
    assert all(upper_ms(bucket) == pytest.approx(lower_ms(bucket + 1)) for bucket in range(BUCKETS - 1))
    for ms in (0.02, 0.5, 1.0, 20.0, 1234.5):
        (bucket,) = filled(ms).counts.buckets
        assert lower_ms(bucket) * 0.999999 <= ms <= upper_ms(bucket) * 1.000001
