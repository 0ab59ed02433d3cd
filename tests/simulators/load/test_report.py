"""The report of a load test: what stands in it, and that it is one well-formed file which loads nothing."""

import math
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.simulators.load.histogram import Histogram, lower_ms, upper_ms
from bridge.simulators.load.own_load import TOOL_WAS_THE_LIMIT
from bridge.simulators.load.report.chart import distribution_chart
from bridge.simulators.load.report.page import report_page, write_report
from bridge.simulators.load.report.scale import Scale, in_words
from bridge.simulators.load.results import (
    Bar,
    Bucket,
    CallEvent,
    CallSecond,
    CallSummary,
    Capacity,
    CapacityStep,
    Distribution,
    Failure,
    Options,
    Outage,
    Percentiles,
    RunResults,
    Second,
    Span,
    Totals,
    Verdict,
    Versions,
)


def distribution(median_ms: float, count: int = 4000) -> Distribution:
    drawn, histogram = random.Random(7), Histogram()
    for _ in range(count):
        histogram.add(median_ms * math.exp(drawn.gauss(0, 0.5)))
    percentiles = zip(("p50", "p90", "p95", "p99", "p999"), (50, 90, 95, 99, 99.9), strict=True)
    buckets = histogram.counts.buckets
    return Distribution(
        count=count,
        min_ms=histogram.min_ms,
        mean_ms=histogram.sum_ms / count,
        max_ms=histogram.max_ms,
        buckets=tuple(Bucket(lower_ms(at), upper_ms(at), buckets[at]) for at in sorted(buckets)),
        **{f"{name}_ms": histogram.percentile(percent) for name, percent in percentiles},
    )


def percentiles(ms: float) -> Percentiles:
    return Percentiles(count=2000, p50_ms=ms, p90_ms=2 * ms, p99_ms=4 * ms, max_ms=9 * ms)


def second(at_s: int) -> Second:
    return Second(
        at_s=at_s,
        held=min(at_s * 10, 100),
        started=10 if at_s < 10 else 0,
        ended=0,
        failed=1 if at_s == 30 else 0,
        frames_sent=5000,
        frames_back=4990,
        frames_lost=0,
        underruns=at_s % 17 == 3,
        added_latency=None if at_s == 0 else percentiles(1.0 + math.sin(at_s / 6) ** 2),
        turn_wait=None,
        barge_in=None,
        own_lag=percentiles(0.2),
        own_cpu_share=0.4,
        server_cpu_share=0.7 + 0.1 * math.sin(at_s),
        server_rss_mib=90 + at_s / 10,
    )


TOTALS = Totals(
    **dict.fromkeys(Totals.__struct_fields__, 0)
    | {"placed": 101, "started": 100, "completed": 100, "failed": 1, "most_held": 100, "underruns": 4}
)

WORST = CallSummary(
    call_id="CA7",
    number=7,
    process=0,
    started_at_s=0.7,
    length_s=59.0,
    ended="the caller hung up as planned",
    failed=False,
    why_worst="a frame took 41 ms",
    latency=percentiles(2.0),
    turn_waits_ms=(),
    underruns=1,
    underrun_ms=60.0,
    frames_late=2,
    frames_lost=0,
    said=tuple(Span(at, at + 2.5) for at in range(1, 55, 5)),
    heard=tuple(Span(at + 0.02, at + 2.4) for at in range(1, 55, 5)),
    seconds=tuple(
        CallSecond(at_s=at, latency_max_ms=2 + at % 7 * 5, frames_lost=0, gap_ms=0.0) for at in range(59)
    ),
    events=(
        CallEvent(at_s=12.0, kind="gap", ms=60.0),
        CallEvent(at_s=22.0, kind="barge_in", ms=45.0),
        CallEvent(at_s=22.05, kind="clear"),
        CallEvent(at_s=31.0, kind="key", text="5"),
        CallEvent(at_s=59.0, kind="end"),
    ),
)

HELD = RunResults(
    options=msgspec.convert(
        dict.fromkeys(Options.__struct_fields__, 0)
        | {"url": "ws://127.0.0.1:8080/twilio/media", "carrier": "twilio", "audio": "talk-over.wav"}
        | {"codec": "PCMU", "calls": 100, "duration_s": 60.0, "measure": "auto", "digits": "", "pid": 4711}
        | {"signed": False, "hold_calls": True},
        Options,
    ),
    versions=Versions(
        voicebridge="0.1.0", python="3.11.2", event_loop="uvloop 0.21", machine="Linux, 2 cores", tool_cores=1
    ),
    began_at="2026-11-30T13:00:00Z",
    ended_at="2026-11-30T13:01:00Z",
    length_s=60.0,
    interrupted=False,
    measure="echo",
    totals=TOTALS,
    added_latency=distribution(1.4),
    turn_wait=None,
    barge_in=None,
    set_up=distribution(8.0, 100),
    own_lag=distribution(0.2),
    own_cpu_share=0.41,
    server_cpu_share=0.71,
    server_rss_mib=96.0,
    seconds=tuple(second(at_s) for at_s in range(60)),
    failures=(Failure(reason="the server answered 503", count=1, first_at_s=30.0, last_at_s=30.0, heard=""),),
    outage=None,
    worst=(WORST,) * 5,
    verdict=Verdict(
        outcome="held",
        exit_code=0,
        sentence="100 calls held: added latency p99 5.1 ms (at most 20 ms), 1 failed call",
        bars=(
            Bar(option="--max-p99-ms", name="added latency, p99", value=5.1, bar=20.0, unit="ms", held=True),
            Bar(
                option="--max-failures",
                name="calls that failed",
                value=0.01,
                bar=0.02,
                unit="share",
                held=True,
            ),
        ),
        own_limit="",
    ),
)

DIED = replace(
    HELD,
    verdict=replace(
        HELD.verdict, outcome="not held", exit_code=1, sentence="100 calls: the server died after 31 s"
    ),
    outage=Outage(
        at_s=31.0,
        calls_broken=100,
        calls_in_reply=40,
        refused_after=12,
        sentence="At 31 s the server was gone: 100 calls broke, 40 of them within a reply.",
    ),
    capacity=Capacity(
        most_calls=80,
        is_exact=True,
        broke_first="added latency p99: 34 ms, at most 20 ms, at 88 calls",
        sentence="80 calls at once hold the thresholds; at 88 the added latency broke first.",
        steps=(CapacityStep(calls=88, outcome="not held", broke="added latency p99: 34 ms", bars=()),),
    ),
)

EMPTY = replace(
    HELD,
    measure="turns",
    added_latency=None,
    set_up=None,
    own_lag=None,
    seconds=(),
    worst=(),
    server_cpu_share=None,
    server_rss_mib=None,
    options=replace(HELD.options, pid=0),
    verdict=replace(
        HELD.verdict, outcome="interrupted", exit_code=1, sentence="Interrupted before a call began."
    ),
)


class Reader(HTMLParser):
    """The words of a page, and every address in it; fails where a tag is not closed in order."""

    VOID = frozenset({"meta"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_verdict_comes_first_then_thresholds_figures_and_the_worst_calls() -> None:
    text = Reader(report_page(HELD)).text
    told = (
        "100 calls held: added latency p99 5.1 ms (at most 20 ms), 1 failed call",
        "added latency, p99 5.1 ms 20 ms held",
        "calls that failed 1 % 2 % held",
        "100 calls at once",
        "Added latency",
        "the server answered 503 1 30 s",
        "71 % of a core: the server",
        "a frame took 41 ms : CA7, began at 0.7 s, lasted 59 s; the caller hung up as planned",
        "Linux, 2 cores",
    )
    places = [text.find(sentence) for sentence in told]
    assert -1 not in places, told[places.index(-1)]
    assert places[0] < min(places[1:])


def test_a_server_that_dies_is_told_beside_the_verdict_with_the_time_and_what_callers_heard() -> None:
    text = Reader(report_page(DIED)).text
    assert "not held 100 calls: the server died after 31 s" in text
    assert "At 31 s the server was gone: 100 calls broke, 40 of them within a reply." in text
    assert "80 calls at once hold the thresholds; at 88 the added latency broke first." in text


def test_a_search_begins_with_the_capacity_and_says_it_once() -> None:
    found = Reader(report_page(replace(HELD, capacity=DIED.capacity))).text
    sentence = "80 calls at once hold the thresholds; at 88 the added latency broke first."
    assert f"capacity {sentence} The figures below are those of one run." in found
    assert found.count(sentence) == 1


def test_what_was_held_in_spite_of_a_slow_tool_does_not_say_that_the_tool_was_the_limit() -> None:
    slow = replace(HELD.verdict, own_limit=f"{TOOL_WAS_THE_LIMIT}it sent its own frames 8.5 ms late")
    text = Reader(report_page(replace(HELD, verdict=slow))).text
    assert (
        "A part of these times is the tool's own, not the server's: it sent its own frames 8.5 ms late"
        in text
    )
    assert "the limit" not in text


def test_labels_that_are_near_each_other_have_rows_of_their_own() -> None:
    waits = distribution(900.0)
    near = replace(waits, p50_ms=923.0, p99_ms=942.0)
    page = distribution_chart(near, "Waits", bar=3000.0)
    rows = {name: float(y) for y, name in re.findall(r'y="([\d.]+)">(p50|p99)', page)}
    assert rows["p99"] - rows["p50"] >= 12


def test_each_chart_says_above_it_what_it_shows() -> None:
    page = report_page(HELD)
    assert page.count('<p class="title">') == page.count("<svg") - len(HELD.worst)
    assert "Processor time in each second, % of one core" in Reader(page).text


def test_a_run_without_a_single_call_is_a_report_too() -> None:
    text = Reader(report_page(EMPTY)).text
    assert "Interrupted before a call began." in text
    assert "Nothing was measured." in text
    assert "--pid shows its CPU" in text


@pytest.mark.parametrize("run", [HELD, DIED, EMPTY], ids=["held", "died", "empty"])
def test_the_file_loads_nothing_and_runs_nothing(run: RunResults) -> None:
    page = report_page(run)
    assert Reader(page).addresses == []
    assert "<script" not in page
    assert not re.search(r"url\(|@import|\bon\w+=", page)
    assert not re.search(r"\bnan\b|\binf\b|None", page)


def test_what_a_server_said_is_text_and_never_markup() -> None:
    hostile = replace(HELD.failures[0], reason="<script>alert(1)</script>", heard='"><img src=x>')
    page = report_page(replace(HELD, failures=(hostile,), worst=(replace(WORST, call_id="</svg><b>"),)))
    assert "<script" not in page
    assert "<img" not in page
    assert "</svg><b>" not in page
    assert "<script>alert(1)</script>" in Reader(page).text


def test_a_report_that_cannot_be_written_raises_the_fault_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_report(HELD, tmp_path / "missing" / "report.html")


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6), st.booleans())
def test_an_axis_has_round_ticks_within_its_ends_in_order(low: float, span: float, is_log: bool) -> None:
    scale = Scale(low, low + span, 0, 100, is_log=is_log)
    ticks = list(scale.ticks())
    assert ticks == sorted(set(ticks))
    assert all(low * (1 - 1e-9) <= tick <= (low + span) * (1 + 1e-9) for tick in ticks)
    assert all(0 <= scale(tick) <= 100 for tick in ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0123, "0.0123"),
        (1, "1"),
        (1.5, "1.5"),
        (9.996, "10"),
        (41.23, "41.2"),
        (12345, "12\u202f345"),
    ],
)
def test_numbers_have_three_digits_at_most(value: float, text: str) -> None:
    assert in_words(value) == text
