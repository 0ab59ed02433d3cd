"""The watch of the event loop: what blocks it is named while it blocks, and its lag is a figure."""

import asyncio
import linecache
import threading
from typing import Any

from structlog.dev import ConsoleRenderer
from structlog.testing import capture_logs

from bridge.shell.loop_watch import WINDOW_PROBES, LoopWatch


def block_until_logged(logs: list[Any]) -> None:
    """Keep the loop until the watch's thread has said so."""
    while not logs:
        threading.Event().wait(0.005)


async def test_what_blocks_the_loop_is_logged_while_it_does() -> None:
    watch = LoopWatch(blocked_s=0.05)
    with capture_logs() as logs:
        watch.start()
        block_until_logged(logs)
        async with asyncio.timeout(10.0):
            while len(logs) < 2:  # noqa: ASYNC110  # the other thread has no event to wait for
                await asyncio.sleep(0.01)
        watch.stop()
    blocked, again = logs
    assert blocked["event"] == "= the event loop is blocked"
    assert any(line.endswith("in block_until_logged") for line in blocked["frames"])
    assert blocked["late_ms"] >= 50
    assert again["event"] == "= the event loop runs again"
    assert again["late_ms"] >= blocked["late_ms"]
    assert "block_until_logged" in str(ConsoleRenderer()(None, "warning", dict(blocked))), (
        "a terminal shows it"
    )


async def test_a_report_keeps_no_source_file_in_memory() -> None:
    linecache.clearcache()
    watch = LoopWatch(blocked_s=0.05)
    with capture_logs() as logs:
        watch.start()
        block_until_logged(logs)
        watch.stop()
    assert logs[0]["frames"]
    assert not [name for name, entry in linecache.cache.items() if len(entry) > 1]


async def test_probes_measure_how_late_they_are() -> None:
    watch = LoopWatch()
    watch.start()
    async with asyncio.timeout(10.0):
        while len(watch.lags) < 3:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
    watch.stop()
    assert all(0 <= lag < 1 for lag in watch.lags)


def test_the_lag_is_the_99th_percentile_of_two_seconds() -> None:
    watch = LoopWatch()
    watch.lags.extend([0.5] * (WINDOW_PROBES - 1))
    assert watch.lag_s == 0.0, "too few probes to say"
    watch.lags.extend([0.001] * (WINDOW_PROBES - 1) + [0.3])
    assert watch.lag_s == 0.001, "one late probe is no lag"
    watch.lags.extend([0.03, 0.04])
    assert watch.lag_s == 0.04
