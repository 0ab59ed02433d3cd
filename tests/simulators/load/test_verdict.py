"""Thresholds, the tool's own limit, the search for the capacity, outages: judged from figures alone."""

from typing import Any

import pytest

from bridge.simulators.load.capacity import CapacitySearch
from bridge.simulators.load.collect import distribution
from bridge.simulators.load.histogram import Histogram
from bridge.simulators.load.measures import Counters, FailureNote
from bridge.simulators.load.outage import failures_by_reason, find_outage
from bridge.simulators.load.own_load import own_limit
from bridge.simulators.load.results import Bar, Distribution, Second, Totals, Verdict
from bridge.simulators.load.verdict import Limit, Measured, Thresholds, in_words, judge, read_limit
from bridge.vocabulary.errors import ConfigurationError


def totals(**counts: Any) -> Totals:
    names = {name: getattr(Counters(), name) for name in Counters.__struct_fields__ if name != "pieces"}
    return Totals(most_held=10, **(names | {"placed": 10, "started": 10, "frames_timed": 1000} | counts))


def of(*durations: float) -> Distribution | None:
    histogram = Histogram()
    histogram.add_all(durations)
    return distribution(histogram)


def verdict(thresholds: Thresholds, own: str = "", *, interrupted: bool = False, **counts: Any) -> Verdict:
    echo = Measured("echo", totals(**counts), of(5.0, 34.0), None, None, of(100.0))
    return judge(echo, thresholds, own, interrupted=interrupted)


JUDGED: list[tuple[Thresholds, dict[str, Any], str, int]] = [
    (Thresholds(), {}, "held", 0),
    (Thresholds(), {"failed": 1}, "not held", 1),
    (Thresholds(failures=Limit(1)), {"failed": 1}, "held", 0),
    (Thresholds(failures=Limit(0.1, True)), {"failed": 1}, "held", 0),
    (Thresholds(failures=Limit(0.09, True)), {"failed": 1}, "not held", 1),
    (Thresholds(p99_ms=34.0), {}, "held", 0),
    (Thresholds(p99_ms=33.9), {}, "not held", 1),
    (Thresholds(p99_ms=33.9), {"own": "slow"}, "tool was the limit", 3),
    (Thresholds(p99_ms=50.0), {"own": "slow"}, "held", 0),
    (Thresholds(p99_ms=33.9), {"own": "slow", "failed": 1}, "not held", 1),
    (Thresholds(barge_in_p99_ms=5.0), {}, "not held", 1),  # nothing was measured: that is not held
    (Thresholds(barge_in_p99_ms=5.0), {"own": "slow"}, "not held", 1),
    (Thresholds(set_up_p99_ms=99.0), {}, "not held", 1),
    (Thresholds(underruns=Limit(0)), {"calls_with_underruns": 1}, "not held", 1),
    (Thresholds(lost=Limit(0.001, True)), {"frames_lost": 1}, "held", 0),
    (Thresholds(lost=Limit(0)), {"frames_lost": 1}, "not held", 1),
    (Thresholds(late=Limit(0.01, True)), {"frames_late": 11}, "not held", 1),
    (Thresholds(unanswered=Limit(0)), {"turns": 1}, "held", 0),
    (
        Thresholds(failures=Limit(5)),
        {"failed": 3, "started": 0},
        "not held",
        1,
    ),  # it has taken no call at all
    (Thresholds(), {"failed": 1, "interrupted": True}, "interrupted", 130),
]


@pytest.mark.parametrize(("thresholds", "facts", "outcome", "code"), JUDGED)
def test_the_verdict(thresholds: Thresholds, facts: dict[str, Any], outcome: str, code: int) -> None:
    judged = verdict(thresholds, **facts)
    assert (judged.outcome, judged.exit_code) == (outcome, code)


def test_the_verdict_is_a_sentence() -> None:
    assert verdict(Thresholds(p99_ms=20.0)).sentence == (
        "10 calls at once, not held: added latency of a frame, p99: 34 ms, at most 20 ms"
    )
    assert verdict(Thresholds(p99_ms=20.0), "it was busy").sentence.startswith(
        "10 calls at once, not known: it was busy"
    )


def test_a_server_that_takes_no_call_holds_nothing_and_the_sentence_says_why() -> None:
    assert verdict(Thresholds(failures=Limit(5)), failed=3, started=0).sentence == (
        "10 calls at once, not held: failed calls (not one was taken): 3, at most 5"
    )


@pytest.mark.parametrize(
    ("text", "limit"), [("", None), ("0", Limit(0)), ("3", Limit(3)), (" 0.5% ", Limit(0.005, True))]
)
def test_a_limit_is_a_number_or_a_share(text: str, limit: Limit | None) -> None:
    assert read_limit("--max-lost", text) == limit


@pytest.mark.parametrize("text", ["-1", "many", "101%", "1 %x", "nan"])
def test_another_limit_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--max-lost: .* is not a number or a share"):
        read_limit("--max-lost", text)


@pytest.mark.parametrize(
    ("lag_ms", "share", "said"),
    [
        (5.0, 0.9, ""),
        (5.1, 0.3, "something else needs this machine's processors"),
        (1.0, 0.95, "give it --processes 4"),
    ],
)
def test_the_tool_says_when_it_was_itself_the_limit(lag_ms: float, share: float, said: str) -> None:
    told = own_limit(lag_ms, share, 2)
    assert (said in told) if said else (told == "")


# The capacity


def step(*, held: bool = True, own: str = "", interrupted: bool = False) -> Verdict:
    measured = Measured("echo", totals(), of(1.0 if held else 30.0), None, None, None)
    return judge(measured, Thresholds(p99_ms=20.0), own, interrupted=interrupted)


def search(most_held: int, first: int = 10, most: int = 5000) -> tuple[list[int], CapacitySearch]:
    looked, tried = CapacitySearch(first, most), []
    while (calls := looked.next_calls()) is not None:
        tried.append(calls)
        looked.record(calls, step(held=calls <= most_held))
    return tried, looked


def test_it_doubles_and_then_halves_the_interval() -> None:
    tried, looked = search(97)
    assert tried == [10, 20, 40, 80, 160, 120, 100, 90, 95]
    assert (looked.found.most_calls, looked.found.is_exact) == (95, True)
    assert looked.found.sentence == (
        "95 calls at once hold the thresholds, not more: added latency of a frame, p99: 30 ms, at most "
        "20 ms, at 100 calls"
    )


@pytest.mark.parametrize("most_held", [0, 1, 9, 10, 11, 37, 160, 999])
def test_it_finds_what_holds_within_five_percent(most_held: int) -> None:
    _, looked = search(most_held)
    assert looked.found.most_calls <= most_held
    assert most_held - looked.found.most_calls <= max(1, most_held * 0.06)


def test_it_ends_at_the_most_that_was_asked_for() -> None:
    tried, looked = search(10**6, most=50)
    assert tried == [10, 20, 40, 50]
    assert looked.found.sentence == "50 calls at once hold the thresholds, which is the most that was tried"
    assert not looked.found.is_exact


def test_not_even_one() -> None:
    tried, looked = search(0)
    assert tried == [10, 5, 2, 1]
    assert looked.found.sentence.startswith("no number of calls holds the thresholds: added latency")


def test_at_the_limit_of_the_tool_it_says_at_least() -> None:
    looked = CapacitySearch()
    looked.record(10, step())
    looked.record(20, step(held=False, own="the tool itself was the limit: it used 95% of a core"))
    assert looked.next_calls() is None
    assert looked.found.sentence == (
        "at least 10 calls at once hold the thresholds, perhaps more; the tool itself was the limit: it used 95% of a core"
    )


def test_why_calls_failed_is_told_with_what_was_not_held() -> None:
    looked = CapacitySearch()
    for calls in (10, 5, 2, 1):
        measured = Measured("echo", totals(failed=calls - 1), of(1.0), None, None, None)
        looked.record(
            calls, judge(measured, Thresholds(), ""), "the server closed the stream with the code 1013"
        )
    assert looked.found.sentence == (
        "1 call at once holds the thresholds, not more: failed calls: 1, at most 0 (the server closed the stream with the "
        "code 1013), at 2 calls"
    )


def test_a_tool_that_was_slow_does_not_explain_calls_that_failed() -> None:
    measured = Measured("echo", totals(failed=3), of(30.0), None, None, None)
    slow = "the tool itself was the limit: it used 95% of a core"
    assert (
        judge(measured, Thresholds(), slow).sentence
        == "10 calls at once, not held: failed calls: 3, at most 0"
    )
    assert slow in judge(measured, Thresholds(p99_ms=20.0), slow).sentence


def test_if_the_first_calls_are_too_many_for_the_tool_it_looks_below() -> None:
    own, tried = "the tool itself was the limit: it used 95% of a core", []
    looked = CapacitySearch(80)
    while (calls := looked.next_calls()) is not None:
        tried.append(calls)
        looked.record(calls, step(held=calls < 60, own=own))
    assert tried == [80, 40, 60]
    assert not looked.found.is_exact
    assert looked.found.sentence == f"at least 40 calls at once hold the thresholds, perhaps more; {own}"


def test_ctrl_c_ends_the_search() -> None:
    looked = CapacitySearch()
    looked.record(10, step(interrupted=True))
    assert looked.next_calls() is None
    assert "the search was interrupted" in looked.found.sentence


# An outage


def second(at_s: int, held: int) -> Second:
    return Second(
        at_s=at_s, held=held, started=0, ended=0, failed=0, frames_sent=0, frames_back=0, frames_lost=0, underruns=0,
        added_latency=None, turn_wait=None, barge_in=None, own_lag=None, own_cpu_share=0.1,
    )  # fmt: skip


def broken(at_s: float, *, in_reply: bool = False) -> FailureNote:
    return FailureNote("the stream broke", at_s, has_stream=True, in_reply=in_reply, is_cut=True)


def test_a_server_that_dies_is_an_outage_that_tells_when_and_what_was_heard() -> None:
    notes = [broken(12.4 + n / 100, in_reply=n < 3) for n in range(10)] + [FailureNote("refused", 13.0)] * 4
    outage = find_outage(notes, [second(n, 10) for n in range(12)])
    assert outage is not None
    assert outage.sentence == (
        "12.4 s after the start 10 calls were broken within 0.1 s; 3 of 10 callers heard a reply that was cut off, then "
        "silence; 4 calls were refused after that"
    )
    assert (outage.at_s, outage.calls_broken, outage.calls_in_reply, outage.refused_after) == (12.4, 10, 3, 4)


def test_calls_that_break_in_the_same_moment_break_at_once() -> None:
    outage = find_outage([broken(12.4, in_reply=True)] * 10, [second(n, 10) for n in range(12)])
    assert outage is not None
    assert outage.sentence.startswith(
        "12.4 s after the start 10 calls were broken at once; 10 of 10 callers heard"
    )


def test_every_tenth_call_that_breaks_is_none() -> None:
    assert find_outage([broken(n * 1.0) for n in range(10)], [second(n, 100) for n in range(10)]) is None


def test_calls_that_the_server_refuses_on_their_stream_are_none() -> None:
    notes = [FailureNote("closed with the code 1007", 1.0, has_stream=True)] * 10
    assert find_outage(notes, [second(0, 10)]) is None


def test_failures_are_counted_by_reason_the_most_frequent_first() -> None:
    notes = [FailureNote("b", 3.0), broken(1.0, in_reply=True), FailureNote("b", 5.0)]
    first, other = failures_by_reason(notes)
    assert (first.reason, first.count, first.first_at_s, first.last_at_s, first.heard) == (
        "b",
        2,
        3.0,
        5.0,
        "",
    )
    assert other.heard == "the caller heard a reply that was cut off, then silence"


def test_a_bar_without_a_value_says_that_nothing_was_measured() -> None:
    bar = Bar(
        option="--max-p99-ms", name="wait for a reply, p99", value=None, bar=900.0, unit="ms", held=False
    )
    assert in_words(bar) == "wait for a reply, p99: nothing was measured, at most 900 ms"
