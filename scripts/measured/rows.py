"""Takes the figures, one group after the other. Server and relay have one core, callers and simulated model another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from bridge.simulators.load.results import Capacity as SearchResult
from bridge.simulators.load.results import Distribution, RunResults
from measured.barge_in import barge_ins
from measured.figures import Capacity, Cost, Memory, Percentiles, Storm, Tool
from measured.loads import load, run, server_ms, steady, tool_ms
from measured.servers import Server, Setup, bridge, echo_relay, model, relay

FEW, MANY = 40, 160
"""Calls at which the processor time is compared."""

TOOL_CALLS = 300
STORM_PER_S = 50
SET_UP_CALL_S = 2.0

WAIT_MS = 60.0
"""By how much the wait for a reply may be longer (p99) than it is with few calls (median): three frames."""

FEW_TURNS = 10
"""Calls with which the usual wait is found out."""


@dataclass(frozen=True, slots=True)
class CapacityRow:
    """`first`: the calls that the search begins with."""

    what: str
    setup: Setup
    first: int


CAPACITY_ROWS = {
    "echo": CapacityRow("each frame comes back, mu-law", Setup("echo"), 120),
    "turns": CapacityRow("a reply of 2 s every 4 s, mu-law", Setup("turns"), 120),
    "resampled": CapacityRow("the same, 8 kHz and 24 kHz", Setup("turns", model_format="audio/pcm"), 60),
    "recorded": CapacityRow("echo, recorded, with a journal", Setup("echo", is_recorded=True), 80),
    "tls": CapacityRow("echo, TLS to the carrier", Setup("echo", has_tls=True), 80),
    "l16": CapacityRow("turns, Telnyx, L16 at 16 kHz", Setup("turns", "L16"), 60),
    "g722": CapacityRow("turns, Telnyx, G722", Setup("turns", "G722"), 40),
    "opus": CapacityRow("turns, Telnyx, OPUS", Setup("turns", "OPUS"), 20),
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long things are measured. `most_calls`: at which a search for the capacity ends."""

    seconds: float
    rounds: int
    few: int = FEW
    many: int = MANY
    most_calls: int = 640
    tool_calls: int = TOOL_CALLS


@contextmanager
def served(folder: Path, setup: Setup) -> Iterator[Server]:
    """`voicebridge serve`, with its model."""
    with model(folder, setup) as url, bridge(folder, url, setup) as server:
        yield server


def costs(kind: str, effort: Effort, folder: Path, say: Callable[[str], None]) -> tuple[list[Cost], Memory]:
    """The processor time of relay and server with few and with many calls, by rounds; and the server's memory."""
    setup = Setup("echo" if kind == "echo" else "turns")
    found: dict[int, tuple[list[float], list[float]]] = {n: ([], []) for n in (effort.few, effort.many)}
    memories = []
    for turn in range(effort.rounds):
        with model(folder, setup) as url:
            with relay(url) as server:
                for calls, (barest, _) in found.items():
                    barest.append(server_ms(load(server, setup, folder, calls, effort.seconds)))
            with bridge(folder, url, setup) as server:
                idle_mib = _resident_mib(server.pid)
                runs = {calls: load(server, setup, folder, calls, effort.seconds) for calls in found}
        for calls, results in runs.items():
            found[calls][1].append(server_ms(results))
            barest_ms, our_ms = found[calls][0][-1], found[calls][1][-1]
            say(
                f"{kind}, {calls} calls, round {turn + 1}: relay {barest_ms:.2f}, voicebridge {our_ms:.2f} ms a "
                f"call-second: {our_ms / barest_ms:.2f} times; {_quality(results)}"
            )
        memories.append((idle_mib, _call_kib(runs[effort.few], runs[effort.many])))
    memory = Memory(
        idle_mib=round(mean(idle for idle, _ in memories), 1),
        call_kib=round(mean(kib for _, kib in memories), 1),
    )
    return [
        Cost(kind=setup.kind, calls=calls, relay_ms=_rounded(barest), server_ms=_rounded(ours))
        for calls, (barest, ours) in found.items()
    ], memory


def _rounded(values: list[float]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values)


def _quality(results: RunResults) -> str:
    """What the callers noticed, so that a cost is not that of a server which drops them."""
    latency = results.added_latency or results.turn_wait
    p99 = f"p99 {latency.p99_ms:.1f} ms" if latency else "nothing came back"
    why = f" ({results.failures[0].reason})" if results.failures else ""
    return f"{p99}, {results.totals.failed} failed{why}, {results.totals.underruns} underruns"


def _call_kib(few: RunResults, many: RunResults) -> float:
    more = max(many.totals.most_held - few.totals.most_held, 1)
    return max((_steady_mib(many) - _steady_mib(few)) * 1024 / more, 0.0)


def _steady_mib(results: RunResults) -> float:
    return mean(second.server_rss_mib or 0.0 for second in steady(results))


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))


def capacity(name: str, effort: Effort, folder: Path, say: Callable[[str], None]) -> Capacity:
    """The most calls of a row. An echo has 20 ms for 99 % of the frames; turns have a longer wait of `WAIT_MS`."""
    row = CAPACITY_ROWS[name]
    with served(folder, row.setup) as server:
        options = ["--max-underruns", "1%"]
        if row.setup.kind == "turns":
            usual = load(server, row.setup, folder, FEW_TURNS, max(effort.seconds, 6.0)).turn_wait
            options += ["--max-p99-ms", str(round((usual.p50_ms if usual else 0.0) + WAIT_MS))]
        results = run(
            server, row.setup, folder, *options, "--find-capacity", "--calls", str(min(row.first, effort.most_calls)),
            "--max-calls", str(effort.most_calls), "--duration", str(effort.seconds),
        )  # fmt: skip
    found = results.capacity
    assert found is not None
    say(f"{name}: {found.sentence}")
    return Capacity(
        row=name,
        what=row.what,
        kind=row.setup.kind,
        calls=found.most_calls,
        is_exact=found.is_exact,
        ended_by=_ended_by(found),
        server_ms=round(server_ms(results), 3) if found.most_calls else 0.0,
    )


def _ended_by(found: SearchResult) -> str:
    if found.is_exact:
        return found.broke_first
    return "the most that was tried" if found.steps[-1].outcome == "held" else found.sentence


def half_load(calls: int, effort: Effort, folder: Path, say: Callable[[str], None]) -> Percentiles | None:
    """The added latency of an echo with so many calls."""
    setup = Setup("echo")
    with served(folder, setup) as server:
        results = load(server, setup, folder, calls, max(effort.seconds, 4.0))
    say(f"half load, {calls} calls: {_quality(results)}")
    return _percentiles("added latency of a frame", calls, results.added_latency)


def _percentiles(name: str, calls: int, found: Distribution | None) -> Percentiles | None:
    if found is None:
        return None
    return Percentiles(
        name=name,
        calls=calls,
        count=found.count,
        p50_ms=found.p50_ms,
        p99_ms=found.p99_ms,
        max_ms=found.max_ms,
    )


def interruptions(
    calls: int, effort: Effort, folder: Path, say: Callable[[str], None]
) -> tuple[Percentiles, ...]:
    """From `speech_started` to `clear`, also while another call gets a megabyte at once."""
    found = barge_ins(calls, effort.seconds, folder)
    for one in found:
        say(f"{one.name}, {one.calls} calls: p50 {one.p50_ms:.2f}, p99 {one.p99_ms:.2f} ms ({one.count})")
    return found


def storm(effort: Effort, folder: Path, say: Callable[[str], None]) -> Storm | None:
    """50 calls a second, each by webhook and 2 s long."""
    setup = Setup("echo")
    with served(folder, setup) as server:
        results = run(
            server, setup, folder, "--calls-per-second", str(STORM_PER_S), "--call-seconds", str(SET_UP_CALL_S),
            "--duration", str(max(effort.seconds, 4.0)), url=server.webhook,
        )  # fmt: skip
    set_up = _percentiles("set-up of a call", results.totals.most_held, results.set_up)
    say(f"{STORM_PER_S} set-ups a second: p99 {set_up.p99_ms if set_up else 0:.1f} ms; {_quality(results)}")
    if set_up is None:
        return None
    return Storm(calls_per_second=STORM_PER_S, set_up=set_up, failed=results.totals.failed)


def tool(effort: Effort, folder: Path, say: Callable[[str], None]) -> Tool | None:
    """The load test against the least that can be an echo."""
    setup, calls = Setup("echo"), effort.tool_calls
    with echo_relay() as server:
        results = load(server, setup, folder, calls, effort.seconds)
    share = mean(second.own_cpu_share for second in steady(results))
    lag = results.own_lag.p99_ms if results.own_lag else 0.0
    say(
        f"the tool, {calls} calls: {tool_ms(results):.2f} ms a call-second, {share:.0%} of a core; {_quality(results)}"
    )
    echo = _percentiles("echo through the least that can be one", calls, results.added_latency)
    if echo is None:
        return None
    return Tool(
        calls=calls,
        call_ms=round(tool_ms(results), 3),
        core_share=round(share, 3),
        lag_p99_ms=lag,
        echo=echo,
    )
