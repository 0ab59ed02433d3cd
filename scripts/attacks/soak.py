"""Carries calls with random faults for a long time: do memory, tasks, sockets and files come back to where they were?

Faults, by a seeded generator: the caller hangs up with and without `stop`, interrupts with a loud sentence, stalls for
seconds; the assistant closes, breaks off, or is silent. Memory is looked at every second; the slope is that of what is kept,
see `kept_slope`, over all but the first part.
"""

import asyncio
import json
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from statistics import linear_regression, median

from attacks.assistant import assistant
from attacks.server import RunningServer, ServerOptions, server
from attacks.target import Target
from attacks.wire import BINARY, CLOSE, Peer, Refused

WARM_UP_S = 300.0
"""What the slope leaves out at the beginning; a quarter of a run that is shorter than 20 minutes."""

MOST_SLOPE = 1.0
"""MiB an hour."""

SETTINGS = """
[assistants.faulty]
kind = "stream"
url = "ws://127.0.0.1:{port}/"
fallback = "echo"
[limits]
retry_s = 1
max_lag_ms = 0
"""

Looked = list[tuple[float, float]]
"""When memory was looked at, in seconds since the beginning, and MiB."""

SOUND = bytes((n * 37) % 100 + 5 for n in range(160))
SILENCE = b"\xff" * 160


class Caller:
    """One caller after the other, as long as the run goes on."""

    def __init__(self, target: Target, chance: random.Random, ends: float) -> None:
        self._target, self._chance, self._ends = target, chance, ends
        self.calls = self.faults = 0
        self.refused: Counter[str] = Counter()

    async def keep_calling(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, 10))
        while time.monotonic() < self._ends:
            try:
                await self._call()
                self.calls += 1
            except Refused as refused:
                self.refused[str(refused)] += 1
                await asyncio.sleep(1)
            except OSError:
                self.faults += 1

    async def _call(self) -> None:
        chance = self._chance
        query = chance.choice(("", "?assistant=faulty", "?assistant=faulty", "?assistant=parrot"))
        peer, stream = await self._target.call(query, source="127.0.0.1")
        reading = asyncio.create_task(_read(peer, stream.mark))
        began, frames = time.monotonic(), 0
        length = round(chance.uniform(1, 25) * 50)
        loud_from, stall_at = chance.randrange(length), chance.randrange(3 * length)
        while frames < length and not reading.done() and time.monotonic() < self._ends:
            audio = SOUND if frames % 300 < 75 or 0 <= frames - loud_from < 50 else SILENCE
            peer.send(stream.media("inbound", audio, frames * 20))
            if frames == stall_at:
                await asyncio.sleep(chance.uniform(0.5, 3))
            frames += 1
            await asyncio.sleep(max(0, began + frames * 0.02 - time.monotonic()))
        if chance.random() < 0.7:
            peer.send(stream.closing())
            await asyncio.sleep(0.05)
        reading.cancel()
        peer.close()


async def _read(peer: Peer, mark: Callable[[str], str]) -> None:
    """Marks come back at once."""
    with suppress(asyncio.IncompleteReadError, OSError):
        while True:
            opcode, payload = await peer.receive()
            if opcode == CLOSE:
                return
            if b'"mark"' in payload:
                peer.send(mark(json.loads(payload)["mark"]["name"]))


async def _faulty(peer: Peer, chance: random.Random) -> None:
    """An assistant that speaks now and then, until its fault."""
    ends = time.monotonic() + chance.uniform(0.5, 20)
    number = 0
    while time.monotonic() < ends and not peer.writer.is_closing():
        peer.send(json.dumps({"type": "reply", "item": f"i{number}"}))
        for _ in range(chance.randrange(10, 100)):
            peer.send(SOUND, BINARY)
        peer.send(json.dumps({"type": "reply_end"}))
        number += 1
        await asyncio.sleep(chance.uniform(0.2, 3))
    match chance.randrange(3):
        case 0:
            peer.send(b"\x03\xe8", CLOSE)
        case 1:
            peer.close()
        case _:
            await asyncio.sleep(chance.uniform(1, 8))
            peer.close()


async def _carry(running: RunningServer, minutes: float, calls: int) -> tuple[Looked, dict[str, object]]:
    chance = random.Random(1)
    ends = time.monotonic() + minutes * 60
    callers = [Caller(running.target, random.Random(chance.random()), ends) for _ in range(calls)]
    looked: Looked = []
    async with assistant(running.target.assistant_port, lambda peer: _faulty(peer, chance)):
        tasks = [asyncio.create_task(caller.keep_calling()) for caller in callers]
        began = time.monotonic()
        while time.monotonic() < ends:
            looked.append((time.monotonic() - began, running.resident_mib()))
            await asyncio.sleep(1)
        await asyncio.gather(*tasks)
    return looked, {
        "calls": sum(one.calls for one in callers),
        "refused": dict(sum((one.refused for one in callers), Counter[str]())),
        "broken": sum(one.faults for one in callers),
    }


def soak(minutes: float, calls: int, *, realtime: bool) -> bool:
    """Run it and print what was found. Returns whether it held."""
    from attacks.table import free_port

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # connections break here on purpose
    options = ServerOptions(SETTINGS)
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        with server(Path(name), options, assistant_port=port, seconds=0, realtime=realtime) as running:
            time.sleep(2)
            files, sockets, threads = _counts(running)
            looked, counted = asyncio.run(_carry(running, minutes, calls))
            time.sleep(15)
            at_end = _counts(running)
            facts = running.log_facts()
    warm_up = min(WARM_UP_S, minutes * 60 / 4)
    kept = [(at, mib) for at, mib in looked if at >= warm_up]
    slope = kept_slope(kept)
    of_all = linear_regression([at / 3600 for at, _ in kept], [mib for _, mib in kept]).slope
    came_back = at_end[:2] == (files, sockets)
    print(
        f"{minutes:g} minutes, {calls} calls at once: {counted['calls']} calls, {counted['refused']} refused"
    )
    print(
        f"memory: {kept[0][1]:.1f} MiB after {warm_up:.0f} s, {kept[-1][1]:.1f} at the end: what is kept grows by "
        f"{slope:+.2f} MiB/h (least-squares line over all: {of_all:+.2f})"
    )
    print(f"lowest of each minute: {' '.join(f'{mib:.1f}' for _, mib in lowest(looked))} MiB")
    print(f"files {files} -> {at_end[0]}, sockets {sockets} -> {at_end[1]}, threads {threads} -> {at_end[2]}")
    print(f"tracebacks in the log: {facts['tracebacks']}")
    return slope <= MOST_SLOPE and came_back and not facts["tracebacks"]


def lowest(looked: Looked) -> Looked:
    """The lowest memory of each minute, and the middle of that minute."""
    minutes: dict[int, float] = {}
    for at, mib in looked:
        minute = int(at // 60)
        minutes[minute] = min(mib, minutes.get(minute, mib))
    return [(minute * 60 + 30, mib) for minute, mib in minutes.items()]


def kept_slope(looked: Looked) -> float:
    """How what is kept grows, in MiB an hour: the median of the slopes between each two minutes' lowest (Theil-Sen).

    Memory of calls under way comes and goes, so the lowest of a minute counts. Python takes memory from the system by the
    MiB: a least-squares line over a quarter of an hour shows one such step as 4 to 6 MiB an hour, where nothing
    else grows. Growth that goes on moves most minutes, and so the median; one step does so only in the middle third.
    """
    minutes = lowest(looked)
    slopes = [(later - earlier) / (to - at) for (at, earlier), (to, later) in combinations(minutes, 2)]
    return median(slopes) * 3600 if slopes else 0.0


def _counts(running: RunningServer) -> tuple[int, int, int]:
    """Open files, sockets of them, threads."""
    return (*running.descriptors(), running.threads())
