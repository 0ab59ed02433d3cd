"""scripts/measure: what it starts, what it makes of a load test's results, and that docs/numbers.md has its figures."""

import subprocess
import sys
from pathlib import Path

import pytest
from measured.figures import Capacity, Cost, Memory, Numbers, Percentiles, Storm, Tool, as_json, from_json
from measured.loads import run, server_ms, steady
from measured.page import BEGIN, END, markdown, put_into
from measured.rows import CAPACITY_ROWS
from measured.servers import Setup, echo_relay, settings_of
from msgspec.structs import replace

from bridge.config.settings import load
from bridge.simulators.load.results import RunResults, Second

ROOT = Path(__file__).parents[1]
LINUX = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="Linux")

LATENCY = Percentiles(
    name="added latency of a frame", calls=80, count=9000, p50_ms=0.61, p99_ms=2.84, max_ms=9.1
)
NUMBERS = Numbers(
    command="scripts/measure --json numbers.json",
    began_at="2026-11-30T13:00:00+00:00",
    machine="Linux x86_64, 2 cores",
    busy="load before the run 0.1",
    versions="voicebridge 1, Python 3",
    costs=(Cost(kind="echo", calls=160, relay_ms=(2.0, 2.5, 1.0), server_ms=(3.0, 5.0, 1.4)),),
    capacities=(
        Capacity(row="echo", what="echo, mu-law", kind="echo", calls=160, is_exact=True, ended_by="late", server_ms=5.25),
        Capacity(row="tls", what="echo, TLS", kind="echo", calls=90, is_exact=False, ended_by="tool", server_ms=6.0),
        Capacity(row="opus", what="OPUS", kind="turns", calls=0, is_exact=False, ended_by="tool", server_ms=0.0),
    ),
    half_load=LATENCY,
    barge_ins=(replace(LATENCY, name="barge-in to clear"),),
    memory=Memory(idle_mib=77.7, call_kib=39.6),
    storm=Storm(calls_per_second=50, set_up=replace(LATENCY, name="set-up of a call"), failed=2),
    tool=Tool(calls=300, call_ms=1.5, core_share=0.45, lag_p99_ms=0.8, echo=LATENCY),
)  # fmt: skip


def test_the_figures_are_the_same_after_they_were_written() -> None:
    assert from_json(as_json(NUMBERS)) == NUMBERS


def test_the_ratio_is_that_within_a_round_and_not_of_the_medians() -> None:
    assert "| echo | 160 | 2.00 | 3.00 | 1.50 (1.40 to 2.00) |" in markdown(NUMBERS)


def test_where_the_tool_ended_the_search_the_capacity_is_at_least_so_much() -> None:
    page = markdown(NUMBERS)
    assert "| echo, mu-law | 160 | 5.25 | late |" in page
    assert "| echo, TLS | at least 90 | 6.00 | tool |" in page
    assert "| OPUS | not known | | tool |" in page


def test_what_was_not_measured_has_no_table() -> None:
    page = markdown(
        replace(NUMBERS, costs=(), capacities=(), half_load=None, barge_ins=(), storm=None, tool=None)
    )
    assert "|" not in page
    assert "An idle server holds 78 MiB; a call adds 40 KiB." in page


def test_the_tables_come_between_the_two_comments_and_nothing_else_changes() -> None:
    page = put_into(f"before\n{BEGIN}\nold\n{END}\nafter\n", NUMBERS)
    assert page == f"before\n{BEGIN}\n{markdown(NUMBERS)}{END}\nafter\n"
    with pytest.raises(ValueError, match="expected one line"):
        put_into("before\n", NUMBERS)


def test_the_figures_of_the_page_are_those_of_its_file() -> None:
    """Nothing in it was copied by hand: scripts/measure --from docs/numbers.json --document docs/numbers.md."""
    page = (ROOT / "docs/numbers.md").read_text(encoding="utf-8")
    assert put_into(page, from_json((ROOT / "docs/numbers.json").read_bytes())) == page


@pytest.mark.parametrize("row", CAPACITY_ROWS)
def test_the_server_of_each_row_starts_with_settings_that_load(row: str, tmp_path: Path) -> None:
    setup, file = CAPACITY_ROWS[row].setup, tmp_path / "voicebridge.toml"
    file.write_text(settings_of(setup, "http://127.0.0.1:9/v1", tmp_path))
    settings = load(file=file, environment={})
    assert settings.limits.max_lag_ms == 0
    assert (settings.recording.directory is not None, settings.ssl_certfile is not None) == (
        setup.is_recorded,
        setup.has_tls,
    )


def second(at_s: int, held: int, share: float) -> Second:
    return Second(
        at_s=at_s, held=held, started=0, ended=0, failed=0, frames_sent=0, frames_back=0, frames_lost=0, underruns=0,
        added_latency=None, turn_wait=None, barge_in=None, own_lag=None, own_cpu_share=0.1, server_cpu_share=share,
    )  # fmt: skip


@LINUX
def test_a_load_test_of_the_least_echo_is_measured(tmp_path: Path) -> None:
    with echo_relay() as server:
        results = run(server, Setup("echo"), tmp_path, "--calls", "2", "--ramp", "0.1", "--duration", "2")
    assert (results.totals.started, results.totals.failed) == (2, 0)
    assert results.totals.frames_timed > 50
    assert 0 < server_ms(results) < 200
    ramp = [
        second(0, 10, 9.0),
        second(1, 40, 8.0),
        second(2, 40, 0.2),
        second(3, 40, 0.3),
        second(4, 40, 7.0),
    ]
    steadied: RunResults = replace(results, seconds=tuple(ramp), totals=replace(results.totals, most_held=40))
    assert [one.at_s for one in steady(steadied)] == [2, 3]
    assert server_ms(steadied) == pytest.approx(0.25 * 1000 / 40)


def test_the_command_says_what_can_be_chosen() -> None:
    command = [sys.executable, str(ROOT / "scripts/measure"), "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(row in said for row in CAPACITY_ROWS)
