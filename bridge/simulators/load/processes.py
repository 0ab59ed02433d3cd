"""Runs a load test in processes of its own, one or more, and adds up what they say.

The calls are never in the process that talks to the terminal: drawing would hold their frames up.
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from bridge.simulators.interruption import Interruption
from bridge.simulators.load.collect import Collector
from bridge.simulators.load.measures import LastWords, WorkerMessage, read_message
from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.results import RunResults, Second
from bridge.simulators.load.server_watch import ServerWatch
from bridge.simulators.load.verdict import Thresholds
from bridge.simulators.load.worker import Task
from bridge.vocabulary.errors import BridgeError

BEGINS_AFTER_S = 0.1
LINE_BYTES = 16_777_216
ENDS_WITHIN_S = 15.0
"""How long after the end of the run a process may take to say its last words."""

OnSecond = Callable[[Second], None]


class ProcessFailed(BridgeError):
    """A process of the tool has failed: there are no results."""


class LoadRun:
    """One run. `on_second`: called with each second that is complete."""

    def __init__(self, plan: LoadPlan, thresholds: Thresholds, on_second: OnSecond) -> None:
        self._plan = plan
        self._thresholds = thresholds
        self._on_second = on_second
        self._collector = Collector(plan.processes)
        self._processes: list[Process] = []
        self._last: list[LastWords] = []
        self._lost: list[str] = []
        self._watch = ServerWatch(plan.pid, time.monotonic()) if plan.pid else None
        self._interrupted = False

    async def run(self, interruption: Interruption | None = None) -> RunResults:
        """Carry it out. Ctrl-C ends it early, with the results until then. Raises `ProcessFailed`."""
        with (interruption or Interruption()).ends_with(self._interrupt):
            try:
                return await self._run()
            finally:
                for process in self._processes:
                    if process.returncode is None:
                        process.kill()
                    await process.wait()

    def _interrupt(self) -> None:
        self._interrupted = True
        for process in self._processes:
            _close(process)

    async def _run(self) -> RunResults:
        for number in range(self._plan.processes):
            self._processes.append(await self._start(number))
        for process in self._processes:
            ready = await self._read(process)
            if ready.error:
                raise ProcessFailed(ready.error)
        began = time.monotonic() + BEGINS_AFTER_S
        began_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        for process in self._processes:
            if process.stdin is not None and not self._interrupted:
                process.stdin.write(f"{began}\n".encode())
        watching = asyncio.create_task(self._watch_server(began))
        try:
            async with asyncio.timeout(self._plan.duration_s + ENDS_WITHIN_S):
                await asyncio.gather(*(self._follow(process) for process in self._processes))
        except TimeoutError:
            self._lost.append("a process of the tool did not end in time: its last figures are missing")
        finally:
            watching.cancel()
        return self._collector.results(
            self._plan,
            self._thresholds,
            self._last,
            began_at=began_at,
            ended_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            interrupted=self._interrupted,
            notes=tuple(self._lost),
        )

    async def _start(self, number: int) -> Process:
        plan = self._plan
        rate = plan.calls_per_second or plan.calls / max(plan.ramp_s, 1e-3)
        task = Task(plan.part(number), number, number / max(rate, 1e-3) if plan.processes > 1 else 0.0)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge.simulators.load.worker"),
            stdin=PIPE,
            stdout=PIPE,
            limit=LINE_BYTES,
            start_new_session=True,  # ctrl-C is for this process alone
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        return process

    async def _read(self, process: Process) -> WorkerMessage:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise ProcessFailed(
                f"a process of the tool ended without a word (exit code {await process.wait()})"
            )
        return read_message(line)

    async def _follow(self, process: Process) -> None:
        """Read what one process says until its end."""
        while True:
            try:
                message = await self._read(process)
            except ProcessFailed as failed:
                if not self._interrupted or self._collector.seconds:
                    self._lost.append(str(failed))
                return
            if message.error:
                raise ProcessFailed(message.error)
            if message.sample is not None and (second := self._collector.add(message.sample)) is not None:
                self._on_second(second)
            if message.last is not None:
                self._last.append(message.last)
                return

    async def _watch_server(self, began: float) -> None:
        """Look at the server at the end of each second."""
        if self._watch is None:
            return
        for at_s in range(int(self._plan.duration_s)):
            await asyncio.sleep(max(began + at_s + 0.99 - time.monotonic(), 0))
            use = self._watch.look(time.monotonic())
            if use is None:
                return
            self._collector.server(at_s, use)


def _close(process: Process) -> None:
    """Have a process end its run."""
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
