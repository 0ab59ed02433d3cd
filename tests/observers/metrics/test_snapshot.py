"""Figures of several processes are added up, and written as scrapers read them."""

from math import inf, nan

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bridge.observers.metrics.families import Metrics
from bridge.observers.metrics.snapshot import Family, Key, families, lasting, merged, pieces, text


def counted(calls: int, *, active: int, draining: int = 0) -> list[Family]:
    metrics = Metrics()
    metrics.calls.labels("twilio", "inbound", "sales", "assistant").inc(calls)
    metrics.calls_active.labels("twilio").set(active)
    metrics.draining.set(draining)
    metrics.oldest_call.set(active * 10)
    for _ in range(calls):
        metrics.turn_heard.labels("sales").observe(0.45)
    return list(families(metrics.registry))


def value(found: list[Family], name: str, **labels: str) -> float | None:
    lines = "".join(map(text, found))
    for family in text_string_to_metric_families(lines):
        for sample in family.samples:
            if sample.name == f"voicebridge_{name}" and labels.items() <= sample.labels.items():
                return sample.value
    return None


def test_two_processes_are_added_and_gauges_as_each_needs() -> None:
    both = merged([counted(3, active=2, draining=1), counted(5, active=1)])
    assert value(both, "calls_total", ended_by="assistant") == 8
    assert value(both, "calls_active", carrier="twilio") == 3
    assert value(both, "draining") == 0, "one of them still takes calls"
    assert value(both, "oldest_call_seconds") == 20
    assert value(both, "turn_heard_seconds_count") == 8
    assert value(both, "turn_heard_seconds_bucket", le="0.4") == 0
    assert value(both, "turn_heard_seconds_bucket", le="0.5") == 8


def test_of_a_process_that_has_ended_what_grew_stays() -> None:
    after = merged([lasting(counted(3, active=2)), counted(1, active=0)])
    assert value(after, "calls_total") == 4
    assert value(after, "turn_heard_seconds_count") == 4
    assert value(after, "calls_active") == 0


def test_pieces_are_the_whole_again() -> None:
    whole = counted(3, active=2)
    small = list(pieces(whole, 4))
    assert max(len(family.samples) for family in small) == 4
    assert merged([small]) == whole


def test_the_text_is_the_librarys() -> None:
    """But for the order of labels, and the time when each series began."""
    metrics = Metrics()
    metrics.calls.labels("twilio", "inbound", 'a "name"\\ of\nmany lines', "assistant").inc(2)
    metrics.turn_heard.labels("sales").observe(0.45)
    metrics.oldest_call.set(0.1)
    ours = "".join(map(text, families(metrics.registry)))
    theirs = generate_latest(metrics.registry).decode()

    def read(written: str) -> list[tuple[str, str, list[Sample]]]:
        found = text_string_to_metric_families(written)
        return [(one.name, one.type, one.samples) for one in found if not one.name.endswith("_created")]

    assert read(ours) == read(theirs)
    assert "_created" not in ours


def test_numbers_that_are_none_are_written_as_the_format_says() -> None:
    values: list[tuple[Key, float]] = [
        ((name, ()), number) for name, number in (("a", inf), ("b", -inf), ("c", nan))
    ]
    assert text(Family("a", "gauge", "one\ntwo", values)).splitlines() == ["# HELP a one\\ntwo", "# TYPE a gauge", "a +Inf", "b -Inf", "c NaN"]  # fmt: skip
