"""What an operator does to a server with calls on the line: signals, too few files, a worker that is killed. Linux."""

import asyncio
import os
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attacks.row import Facts, Row, at_least, at_most
from attacks.server import ServerOptions
from attacks.target import STRANGER, Target
from attacks.wire import Peer, Refused, exchange, get
from bridge.shell.tokens import owner_of
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream, new_sid

SHORT_CALLS = 400
WORKERS = 4


async def reload(target: Target) -> Facts:
    """SIGHUP, again and again, and a new call after each."""
    return await _signalled(target, signal.SIGHUP)


async def log_rotation(target: Target) -> Facts:
    """SIGUSR1, as a tool that rotates logs sends it."""
    return await _signalled(target, signal.SIGUSR1)


async def _signalled(target: Target, number: signal.Signals) -> Facts:
    failed = 0
    for _ in range(max(1, round(target.seconds))):
        os.kill(target.pid, number)
        await asyncio.sleep(1)
        failed += not await _is_served(target)
    return {"new_calls_failed": failed}


async def _is_served(target: Target) -> bool:
    """Whether a new call is taken."""
    try:
        peer, _ = await asyncio.wait_for(target.call(source="127.0.0.1"), 5)
    except (Refused, TimeoutError):
        return False
    peer.close()
    return True


async def no_descriptors(target: Target) -> Facts:
    """The server may open no more files than it has open; connections come, 50 a second. Then it may again."""
    hard = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{target.pid}/fd")), hard))
    loop = asyncio.get_running_loop()
    ends = loop.time() + target.seconds
    asking = set[asyncio.Task[tuple[int, bytes]]]()
    while loop.time() < ends:
        asking.add(asyncio.create_task(exchange(target.port, get("/healthz"), source=STRANGER, timeout_s=1)))
        await asyncio.sleep(0.02)
    answers = Counter(status for status, _ in await asyncio.gather(*asking))
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (hard, hard))
    await asyncio.sleep(1)
    health, _ = await exchange(target.port, get("/healthz"), timeout_s=2)
    failed = not await _is_served(target)
    return {"unanswered": answers[0], "health": health, "new_calls_failed": int(failed)}


async def workers(target: Target) -> Facts:
    """400 calls; then the worker that has none of the good calls is killed. Whose calls end, and is there another worker?"""
    before = {pid: _sockets(pid) for pid in _workers(target.pid)}
    idle = min(before, key=lambda pid: before[pid])
    calls: list[tuple[str, Peer, asyncio.Task[str]]] = []
    for _ in range(SHORT_CALLS // 10):
        calls += await asyncio.gather(*(_call(target) for _ in range(10)))
    had = Counter(owner for owner, _, _ in calls)
    os.kill(idle, signal.SIGKILL)
    await asyncio.sleep(1)
    ended = Counter(owner for owner, _, reading in calls if reading.done())
    killed = max(ended, key=lambda owner: ended[owner], default="")
    await asyncio.sleep(2)
    replaced = len(_workers(target.pid))
    failed = not await _is_served(target)
    for _, peer, reading in calls:
        reading.cancel()
        peer.close()
    return {
        "spread": max(had.values()) - min(had.values()) if len(had) == WORKERS else SHORT_CALLS,
        "ended_calls": ended[killed],
        "of_its": had[killed],
        "ended_of_others": ended.total() - ended[killed],
        "workers_again": replaced,
        "new_calls_failed": int(failed),
    }


async def _call(target: Target) -> tuple[str, Peer, "asyncio.Task[str]"]:
    """The worker that has the call, its socket, and what reads it until it is closed."""
    stream = SimulatedTwilioStream(call_sid=new_sid("CA"), account_sid="AC" + "0" * 32)
    url = await target.ask(stream.call_sid, source="127.0.0.1")
    peer = await Peer.connect(url)
    for message in stream.opening():
        peer.send(message)
    return owner_of(url.rpartition("/")[2]), peer, asyncio.create_task(peer.drain_forever())


def _workers(supervisor: int) -> list[int]:
    """The children of the process that starts workers, which is the supervisor's child."""
    return [worker for starter in _children(supervisor) for worker in _children(starter)]


def _children(pid: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(path.parent.name)


def _sockets(pid: int) -> int:
    found = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found += os.readlink(path).startswith("socket:")
    return found


LIVES = (at_most("new_calls_failed", 0),)

ROWS = (
    Row("reload", "SIGHUP once a second", reload, checks=LIVES, shown=("new_calls_failed",)),
    Row("log-rotation", "SIGUSR1 once a second", log_rotation, checks=LIVES, shown=("new_calls_failed",)),
    Row(
        "no-descriptors",
        "50 connections a second while no file can be opened",
        no_descriptors,
        checks=(*LIVES, at_least("health", 200), at_most("health", 200), at_most("log_lines_per_s", 3)),
        shown=("unanswered", "health", "new_calls_failed", "log_lines_per_s"),
        options=ServerOptions("[limits]\nmax_lag_ms = 0\n"),
    ),
    Row(
        "workers",
        f"{SHORT_CALLS} calls on {WORKERS} workers, of which one is killed",
        workers,
        p99_ms=100,  # four workers, the supervisor and the fork server share one core here
        calls=WORKERS - 1,
        memory_mib=None,
        checks=(
            *LIVES,
            at_most("spread", 1),
            at_most("ended_of_others", 0),
            at_least("ended_calls", SHORT_CALLS // WORKERS - 1),
            at_least("workers_again", WORKERS),
        ),
        shown=("spread", "ended_calls", "of_its", "ended_of_others", "workers_again", "new_calls_failed"),
        options=ServerOptions("[limits]\nmax_lag_ms = 0\n", arguments=("--workers", str(WORKERS))),
    ),
)
