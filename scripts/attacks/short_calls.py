"""Carries thousands of short calls: do memory, tasks, threads, sockets and files stay where they were?

Memory is looked at every second; the slope is the least-squares line over all but the first calls, in which pools and
caches fill. What the caches of a server hold for some minutes, such as the names of calls that have ended, is a part of it.
"""

import asyncio
import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import linear_regression

from attacks.server import START_S, VOICEBRIDGE, RunningServer, ServerOptions, server
from attacks.target import Target
from attacks.wire import Refused

WARM_UP_CALLS = 2_000
"""Calls that the slope leaves out at the beginning; a third of a run that is shorter than 6 000."""

MOST_SLOPE = 1.0
"""MiB for 5 000 calls."""

SOUND = bytes((n * 37) % 100 + 5 for n in range(160))
FRAMES_PER_S = 10
"""Fewer than a telephone sends: the calls matter here, not their frames."""


PLAIN = "[limits]\nmax_lag_ms = 0\n"

RECORDED = """
[recording]
directory = "{folder}/recordings"
[assistants.realtime]
kind = "openai-realtime"
base_url = "{url}"
api_key = "any"
"""
"""The simulated OpenAI answers, and everything is written: journal and recording."""

SCRIPT = """
first_audio_s = 0.1
[[replies]]
seconds = 1.0
"""
"""What the simulated OpenAI says."""


class Callers:
    """So many at once, until all calls were made. `assistant`: who answers, by name."""

    def __init__(self, target: Target, calls: int, length_s: float, assistant: str) -> None:
        self._target, self._left, self._length_s = target, calls, length_s
        self._query = f"?assistant={assistant}"
        self.done = 0
        self.refused: Counter[str] = Counter()

    async def keep_calling(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        while self._left > 0:
            self._left -= 1
            try:
                await self._call()
            except Refused as refused:
                self.refused[str(refused)] += 1
                await asyncio.sleep(0.2)
            self.done += 1

    async def _call(self) -> None:
        peer, stream = await self._target.call(self._query, source="127.0.0.1")
        reading = asyncio.create_task(peer.drain_forever())
        for number in range(max(1, round(self._length_s * FRAMES_PER_S))):
            peer.send(stream.media("inbound", SOUND, number * 20))
            await asyncio.sleep(1 / FRAMES_PER_S)
        peer.send(stream.closing())
        await asyncio.wait([reading], timeout=5)
        reading.cancel()
        peer.close()


async def _carry(running: RunningServer, callers: Callers, at_once: int) -> list[tuple[int, float, float]]:
    """The calls that were made, and memory, resident and unshared, at each second."""
    looked = []
    calling = [asyncio.create_task(callers.keep_calling(n / at_once)) for n in range(at_once)]
    while not all(task.done() for task in calling):
        looked.append((callers.done, running.resident_mib(), running.unshared_mib()))
        await asyncio.sleep(1)
    await asyncio.gather(*calling)
    return looked


@contextmanager
def _fake_openai(folder: Path) -> Iterator[str]:
    """`voicebridge fake-openai`; its URL."""
    script, log = folder / "script.toml", folder / "openai.log"
    script.write_text(SCRIPT)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [VOICEBRIDGE, "fake-openai", "--script", str(script), "--port", "0"], stderr=file
        )
    try:
        give_up = time.monotonic() + START_S
        while not (lines := log.read_bytes().splitlines()) and time.monotonic() < give_up:
            time.sleep(0.05)
        yield f"{json.loads(lines[0])['url'].rpartition('/')[0]}/v1"  # the log shows no path
    finally:
        process.terminate()
        process.wait()


def short_calls(calls: int, at_once: int, length_s: float, *, recorded: bool = False) -> bool:
    """Run them and print what was found. Returns whether it held.

    `recorded`: the simulated OpenAI answers, and calls are recorded; else the echo answers.
    """
    assistant = "realtime" if recorded else "echo"
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        more = RECORDED.replace("{url}", stack.enter_context(_fake_openai(folder))) if recorded else ""
        options = ServerOptions(PLAIN + more, faults=("counts",))
        with server(folder, options, assistant_port=1, seconds=0, realtime=False) as running:
            asyncio.run(_carry(running, Callers(running.target, 20, 0.1, assistant), 5))
            time.sleep(2)
            before = _counts(running, folder)
            callers = Callers(running.target, calls, length_s, assistant)
            began = time.monotonic()
            looked = asyncio.run(_carry(running, callers, at_once))
            took_s = time.monotonic() - began
            time.sleep(3)
            after = _counts(running, folder)
            left = running.resident_mib(), running.unshared_mib()
            facts = running.log_facts()
    warm_up = min(WARM_UP_CALLS, calls // 3)
    kept = [(done, resident) for done, resident, _ in looked if done >= warm_up]
    slope = linear_regression([done / 5_000 for done, _ in kept], [mib for _, mib in kept]).slope
    print(f"{callers.done} calls, {at_once} at once, in {took_s:.0f} s: {dict(callers.refused)} refused")
    for done, resident, unshared in looked[:: max(1, len(looked) // 12)]:
        print(f"  after {done:>6} calls: {resident:6.1f} MiB resident, {unshared:6.1f} unshared")
    print(f"  3 s later:         {left[0]:6.1f} MiB resident, {left[1]:6.1f} unshared")
    print(f"memory: {slope:+.2f} MiB for 5 000 calls, after the first {warm_up}")
    for what in before:
        print(f"{what}: {before[what]} -> {after[what]}")
    print(f"tracebacks in the log: {facts['tracebacks']}")
    came_back = all(before[what] == after[what] for what in ("tasks", "sockets", "files"))
    return slope <= MOST_SLOPE and came_back and not facts["tracebacks"] and not callers.refused


def _counts(running: RunningServer, folder: Path) -> dict[str, int]:
    tasks, objects = running.tasks_and_objects(folder)
    files, sockets = running.descriptors()
    return {
        "tasks": tasks,
        "objects": objects,
        "threads": running.threads(),
        "sockets": sockets,
        "files": files,
    }
