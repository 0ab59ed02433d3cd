"""`/metrics` of a server with worker processes: one answer for all, in which nothing that was counted is lost."""

import os
import signal
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed

from tests.cli.test_signals import ECHO, LONG_ENOUGH_S, Process, serving
from tests.cli.test_workers import QUIET, WORKERS, announced

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/smaps_rollup"), reason="worker processes need Linux"
)

ENDED = "calls_total twilio unknown echo caller_or_carrier"


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        " ".join([one.name.removeprefix("voicebridge_"), *one.labels.values()]): one.value
        for family in families
        for one in family.samples
    }


def until(port: int, name: str, value: float) -> dict[str, float]:
    """Scrape until a figure has this value."""
    give_up = time.monotonic() + LONG_ENOUGH_S
    while (found := scraped(port)).get(name) != value:
        assert time.monotonic() < give_up, found
    return found


def own_port(server: Process) -> int:
    (line,) = (event for event in server.events if event["event"] == "= metrics have a port of their own")
    port: Any = line["port"]
    return int(port)


def test_figures_of_workers_are_one_answer_and_survive_them(tmp_path: Path) -> None:
    settings = WORKERS + ECHO + QUIET + "[metrics]\nport = 0\n"
    with serving(tmp_path, settings) as server, ExitStack() as ending:
        port = own_port(server)
        pids = {event["worker"]: event["pid"] for event in server.events if "pid" in event}
        calls = [ending.enter_context(announced(server, f"CA{number}")) for number in range(4)]
        assert all(call.echoes() for call in calls)
        assert len({call.owner for call in calls}) == 2
        for which in (port, server.port):
            found = scraped(which)
            assert found["calls_active twilio"] == 4
            assert (found["workers ready"], found["workers configured"]) == (2, 2)
            assert found["assistant_connections_total echo first"] == 4
        both_cpu_s = found["process_cpu_seconds_total"]

        calls[0].hang_up()
        calls[1].hang_up()
        until(port, ENDED, 2)
        os.kill(pids[1], signal.SIGKILL)
        server.until("= a worker has died")
        after = until(port, "calls_active twilio", 1)
        assert (after[ENDED], after["worker_deaths_total"]) == (2, 1)
        assert after["assistant_connections_total echo first"] == 4
        assert after["process_cpu_seconds_total"] > both_cpu_s / 2
        server.until("= a worker is ready")

        server.signal(signal.SIGTERM)
        draining = until(port, "draining", 1)
        assert draining["calls_active twilio"] == 1
        for call in calls[2:]:
            with suppress(ConnectionClosed):  # the one that was lost
                call.hang_up()
        assert server.ended() == 0
