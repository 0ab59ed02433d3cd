"""One process of a load test: `python -m bridge.simulators.load.worker`.

Standard input has its task as one line of JSON, so that no secret is among its arguments, then the time at which it begins;
the end of standard input ends the run. Standard output has a line of JSON when it is ready, then one for each second, and
one at the end. Ctrl-C is left to the process that started it.
"""

import asyncio
import gc
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from bridge.simulators.carriers.registry import carrier_simulator
from bridge.simulators.load.drive import Driver
from bridge.simulators.load.measures import LastWords, WorkerMessage, write_message
from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.recordings import longest_call_s, read_recording
from bridge.vocabulary.errors import BridgeError

COLLECT_AFTER = 100_000
"""Objects after which garbage is collected: a collection of the usual kind would hold the frames up for milliseconds."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does. `process`: from 0. `plan`: its own part of the run."""

    plan: LoadPlan
    process: int
    shift_s: float


_output = sys.stdout.fileno()


def _say(message: WorkerMessage) -> None:
    os.write(_output, write_message(message) + b"\n")


def _keep_output_clean() -> None:
    """Whatever else is printed, such as a log, goes to standard error."""
    global _output  # noqa: PLW0603  # this process does one thing
    _output = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


async def _run(task: Task) -> LastWords:
    plan = task.plan
    line = carrier_simulator(plan.carrier).exchange(plan.call_options).line
    talks = tuple(read_recording(file, line, longest_call_s(plan)) for file in plan.audio)
    driver = Driver(
        plan,
        talks,
        lambda sample: _say(WorkerMessage(sample=sample)),
        process=task.process,
        shift_s=task.shift_s,
    )
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 100)
    _say(WorkerMessage())
    if not (begins_at := await reader.readline()):
        raise SystemExit(0)  # the run was given up before it began

    async def watch() -> None:
        await reader.read()
        driver.stop()

    watching = asyncio.create_task(watch())
    try:
        return await driver.run(float(begins_at))
    finally:
        watching.cancel()


def main() -> None:
    """The process. A fault that can be told is told on standard output; exit code 1."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_output_clean()
    task = msgspec.json.decode(_first_line(), type=Task)
    run = asyncio.run
    with suppress(ImportError):
        from uvloop import run
    try:
        _say(WorkerMessage(last=run(_run(task))))
    except BridgeError as error:
        _say(WorkerMessage(error=str(error)))
        raise SystemExit(1) from None


def _first_line() -> bytes:
    """The first line of standard input, and nothing that follows it: that is read by the event loop."""
    line = bytearray()
    while not line.endswith(b"\n"):
        if not (byte := os.read(sys.stdin.fileno(), 1)):
            raise SystemExit(1)
        line += byte
    return bytes(line)


if __name__ == "__main__":
    main()
