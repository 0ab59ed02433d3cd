"""Runs rows one after the other, each with a new server, and says of each whether it held."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from in_venv import PYTHON, ROOT

from attacks import assistant, carrier, machine, operations, operator, stranger
from attacks.row import Row
from attacks.server import DidNotStart, RunningServer, cores, server

GROUPS = {
    "stranger": stranger.ROWS,
    "carrier": carrier.ROWS,
    "assistant": assistant.ROWS,
    "machine": machine.ROWS,
    "operations": operations.ROWS,
    "operator": operator.ROWS,
}
ROWS = {row.name: row for rows in GROUPS.values() for row in rows}

BEFORE_S, AFTER_S = 3.0, 3.0
"""How long the good calls are watched before the attack, and how long memory may take to be given back."""

ATTACK_S = 60.0
"""How long an attack may take: one that cannot end has found something, or the machine is too busy."""

QUIET_OWN_MS = 5.0
"""If the measuring process itself was later than this (p99), the machine was too busy for the figure to be believed."""


@dataclass
class Outcome:
    """What one row found. `faults`: the bars that were not held."""

    row: Row
    facts: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return not self.faults

    def figures(self) -> str:
        """What was measured, in words."""
        facts = self.facts
        if "p99" not in facts:
            return "nothing"
        found = f"p99 {facts['p99']:.0f} ms (before {facts['p99_before']:.0f}, max {facts['max']:.0f})"
        found += f", memory +{facts['grown_mib']:.0f} MiB, kept {facts['kept_mib']:.0f}"
        found += "".join(f", {name} {facts.get(name)}" for name in self.row.shown)
        return found + (" [the machine was busy]" if facts["own_p99"] > QUIET_OWN_MS else "")

    def line(self) -> str:
        """One line of the table."""
        verdict = "held" if self.held else f"FELL SHORT: {'; '.join(self.faults)}"
        return f"{self.row.name:<20}{self.row.what}: {self.figures()}: {verdict}"

    def markdown(self) -> str:
        """One line of the table in docs/reliability.md."""
        verdict = "held" if self.held else f"**fell short**: {'; '.join(self.faults)}"
        cells = (f"`{self.row.name}`", self.row.what, bars(self.row), self.figures(), verdict)
        return "| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |"

    def to_dict(self) -> Mapping[str, Any]:
        """For `--json`."""
        return {
            "row": self.row.name,
            "what": self.row.what,
            "bars": bars(self.row),
            "facts": self.facts,
            "held": self.held,
            "faults": self.faults,
        }


def bars(row: Row) -> str:
    """What must hold, in words."""
    found = [
        f"p99 ≤ {row.p99_ms:g} ms"
        if row.more_ms is None
        else f"p99 at most {row.more_ms:g} ms more than before"
    ]
    if row.memory_mib is not None:
        found.append(f"memory ≤ {row.memory_mib:g} MiB")
    found += [f"{check.fact} {check.bar}" for check in row.checks]
    return ", ".join(["no good call lost", *found])


class NoGoodCalls(Exception):
    """The good calls could not be carried; the text says why."""


class GoodCalls:
    """The process of the good calls, by its standard input and output."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def answer(self, command: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a command and read its answer; without one only read."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if command is not None:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise NoGoodCalls("the process of the good calls ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _beside(realtime: bool, *, first: bool) -> list[str]:
    """How the other processes share their core: the measuring one comes before the attackers."""
    pinned = ["taskset", "-c", str(cores()[-1])]
    if first and realtime:
        return [*pinned, "chrt", "--rr", "10"]
    if realtime:
        return [*pinned, "chrt", "--rr", "1"]
    return pinned if first else [*pinned, "nice", "-n", "19"]


@contextmanager
def good_calls(running: RunningServer, count: int, *, realtime: bool) -> Iterator[GoodCalls]:
    """So many good calls are under way inside."""
    process = subprocess.Popen(
        [
            *_beside(realtime, first=True),
            str(PYTHON),
            "-m",
            "attacks.good_calls",
            running.target.to_json(),
            str(count),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
    )
    try:
        calls = GoodCalls(process)
        if "refused" in (begun := calls.answer()):
            raise NoGoodCalls(f"a good call was refused before the attack: {begun['refused']}")
        yield calls
    finally:
        process.terminate()
        process.wait()


class MemoryWatch:
    """Looks at the server's memory ten times a second, in a thread."""

    def __init__(self, running: RunningServer) -> None:
        self._running = running
        self.before = self.most = running.resident_mib()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            self.most = max(self.most, self._running.resident_mib())

    def end(self) -> dict[str, float]:
        """How far it grew, and how much of that is left."""
        self._ended.set()
        self._thread.join()
        kept = self._running.resident_mib() - self.before
        return {"grown_mib": round(self.most - self.before, 1), "kept_mib": round(max(kept, 0.0), 1)}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def run(row: Row, *, seconds: float, calls: int, realtime: bool) -> Outcome:
    """One row: a new server, the good calls, the attack, and what it did."""
    outcome = Outcome(row)
    with tempfile.TemporaryDirectory() as name:
        try:
            _run_in(Path(name), row, outcome, row.calls or calls, seconds=seconds, realtime=realtime)
        except DidNotStart as error:
            outcome.faults.append(f"the server did not start: {error}")
        except NoGoodCalls as error:
            outcome.faults.append(str(error))
    return outcome


def _run_in(folder: Path, row: Row, outcome: Outcome, count: int, *, seconds: float, realtime: bool) -> None:
    with (
        server(
            folder, row.options, assistant_port=free_port(), seconds=seconds, realtime=realtime
        ) as running,
        good_calls(running, count, realtime=realtime) as good,
    ):
        _attack(row, running, good, outcome, realtime=realtime)
        if row.name == "stop":
            good.answer({"end": True})
            outcome.facts |= _exit(running)
    _judge(outcome, count)


def _attack(row: Row, running: RunningServer, good: GoodCalls, outcome: Outcome, *, realtime: bool) -> None:
    time.sleep(BEFORE_S)
    watch = MemoryWatch(running)
    log_before = running.log_facts()
    began = time.monotonic()
    command = [
        str(PYTHON),
        str(ROOT / "scripts/attack"),
        "--role",
        row.name,
        "--target",
        running.target.to_json(),
    ]
    command = [*_beside(realtime, first=False), *command]
    try:
        attack = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ATTACK_S)
    except subprocess.TimeoutExpired:
        outcome.faults.append(f"the attack did not end within {ATTACK_S:g} s")
    else:
        if attack.returncode:
            outcome.faults.append(f"the attack failed: {attack.stderr.strip().splitlines()[-1:]}")
        else:
            outcome.facts |= json.loads(attack.stdout)
    ended = time.monotonic()
    time.sleep(AFTER_S)
    outcome.facts |= watch.end()
    log_after = running.log_facts()
    outcome.facts |= {name: log_after[name] - log_before[name] for name in log_after}
    outcome.facts["log_lines_per_s"] = round(outcome.facts["log_lines"] / (ended - began), 1)
    outcome.facts["p99_before"] = good.answer({"window": [began - BEFORE_S + 0.5, began]})["p99"]
    outcome.facts |= good.answer({"window": [began, ended]})


def _exit(running: RunningServer) -> dict[str, Any]:
    """Once the calls have hung up: how the server ends."""
    began = time.monotonic()
    try:
        code = running.process.wait(10)
    except subprocess.TimeoutExpired:
        code = -1
    return {"exit": abs(code), "exit_s": round(time.monotonic() - began, 1)}


def _judge(outcome: Outcome, count: int) -> None:
    row, facts = outcome.row, outcome.facts
    faults = outcome.faults
    if facts["calls"] < count:
        faults.append(f"{count - facts['calls']} of {count} good calls ended ({'; '.join(facts['ended'])})")
    if facts["lost"]:
        faults.append(f"{facts['lost']} of {facts['frames']} frames never came back")
    most = row.p99_ms if row.more_ms is None else facts["p99_before"] + row.more_ms
    if facts["p99"] > most:
        faults.append(f"p99 {facts['p99']:g} ms: expected at most {most:g}")
    if row.memory_mib is not None:
        for name in ("grown_mib", "kept_mib"):
            if facts[name] > row.memory_mib:
                faults.append(f"{name} {facts[name]:g}: expected at most {row.memory_mib:g}")
    faults += [fault for check in row.checks if (fault := check.fault(facts))]


def with_calls(row: Row, calls: int | None) -> Row:
    """The row with another number of good calls."""
    return row if calls is None else replace(row, calls=calls)
