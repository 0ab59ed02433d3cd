"""Samples of several processes become one document, which is read back as it was written; a server's use of a machine."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bridge.simulators.load.collect import Collector
from bridge.simulators.load.measures import (
    FailureNote,
    LastWords,
    Sample,
    Tally,
    WorkerMessage,
    read_message,
    write_message,
)
from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.results import RunResults, as_json, from_json
from bridge.simulators.load.server_watch import ServerUse, ServerWatch
from bridge.simulators.load.verdict import Thresholds
from bridge.vocabulary.errors import ConfigurationError

PLAN = LoadPlan("ws://127.0.0.1:1/twilio/media", ("a.wav",), "twilio", calls=4, processes=2, duration_s=30)


def sample(process: int, at_s: int, *latencies_ms: float, failed: int = 0) -> Sample:
    tally = Tally()
    tally.latencies_ms += latencies_ms
    tally.own_lags_ms += [0.5]
    tally.counters.placed = tally.counters.started = 2
    tally.counters.failed = failed
    tally.failures += [FailureNote("the stream broke", at_s + 0.5, has_stream=True, is_cut=True)] * failed
    return tally.take(process, at_s, 2 - failed, 0.25 * (process + 1))


def collected() -> RunResults:
    collector = Collector(2)
    collector.server(0, ServerUse(0.5, 80.0))
    assert collector.add(sample(0, 0, 1.0, 2.0)) is None
    complete = collector.add(sample(1, 0, 3.0))
    assert complete is not None
    collector.add(sample(1, 1, 50.0, failed=1))
    last = [
        LastWords(process=n, worst=(), cpu_s=0.4 + n, length_s=2.0, event_loop="uvloop") for n in range(2)
    ]
    return collector.results(PLAN, Thresholds(), last, began_at="a", ended_at="b")


def test_seconds_are_added_up_over_the_processes() -> None:
    results = collected()
    first, other = results.seconds
    assert (first.held, first.started, first.own_cpu_share, first.server_cpu_share) == (4, 4, 0.5, 0.5)
    assert first.added_latency is not None
    assert (first.added_latency.count, first.added_latency.max_ms) == (3, 3.0)
    assert (other.held, other.failed, other.server_cpu_share) == (1, 1, None), (
        "of one process alone, which is late"
    )
    assert results.added_latency is not None
    assert (results.added_latency.count, results.added_latency.max_ms) == (4, 50.0)
    assert (results.measure, results.totals.frames_timed, results.totals.most_held) == ("echo", 4, 4)
    assert (results.own_cpu_share, results.server_rss_mib) == (0.7, 80.0)
    assert results.verdict.outcome == "not held"
    assert results.failures[0].reason == "the stream broke"


def test_the_document_is_read_as_it_was_written() -> None:
    results = collected()
    assert from_json(as_json(results)) == results
    assert as_json(results).count(b"\n") > 50, "for people too"


def test_another_document_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        from_json(b'{"options": {}}')


def test_a_process_says_what_it_has_measured_on_one_line() -> None:
    said = WorkerMessage(sample=sample(0, 3, 1.0, failed=1))
    line = write_message(said)
    assert b"\n" not in line
    assert read_message(line) == said


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux")
def test_a_server_and_its_children_are_watched_together() -> None:
    child = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(1, flush=True); input()"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        watch = ServerWatch(parent.pid, now=0.0)
        assert parent.stdout is not None
        assert parent.stdin is not None
        parent.stdout.readline()  # the child has used its time
        use = watch.look(now=1.0)
        assert use is not None
        assert 0.28 < use.cpu_share < 1.0
        assert use.rss_mib > 5
        parent.stdin.write("\n")
        parent.stdin.flush()
        parent.wait()
        assert watch.look(now=2.0) is None


def test_a_process_that_is_not_there_is_refused() -> None:
    gone = subprocess.run([sys.executable, "-c", ""], check=True)
    assert gone.returncode == 0
    with pytest.raises(ConfigurationError, match="--pid 4194305: there is no process of this number"):
        ServerWatch(4_194_305, now=0.0)
    assert os.getpid() != 4_194_305
