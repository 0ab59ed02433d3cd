"""Attacks by the machine itself: a slow disk, a log that nobody reads, a slow name server; and a stop with live calls."""

import asyncio
import os
import signal
from contextlib import suppress

from attacks.assistant import assistant
from attacks.row import Facts, Row, at_least, at_most
from attacks.server import ServerOptions
from attacks.target import STRANGER, Target
from attacks.wire import Peer, Refused, exchange, get

SLOW_NAMES = "".join(
    f'[assistants.slow-{number}]\nkind = "stream"\nurl = "ws://host-{number}.slow.test:9/"\n'
    for number in range(12)
)


async def recorded_calls(target: Target) -> Facts:
    """The good calls are recorded and journalled: nothing more is needed."""
    await asyncio.sleep(max(target.seconds, 8))
    return {}


async def unread_log(target: Target) -> Facts:
    """Requests with paths of 4 kB, 8 first and then as many as the log's pipe can never hold."""
    request = get("/" + "a" * 4000)
    statuses = [await exchange(target.port, request, source=STRANGER) for _ in range(8)]
    loop = asyncio.get_running_loop()
    ends = loop.time() + target.seconds
    failed = sum(status == 0 for status, _ in statuses)
    while loop.time() < ends:
        status, _ = await exchange(target.port, request, source=STRANGER, timeout_s=2)
        failed += status == 0
        with suppress(Refused):
            await Peer.connect(f"ws://127.0.0.1:{target.port}/twilio/media/{'a' * 2000}", source=STRANGER)
    status, _ = await exchange(target.port, get("/healthz"), timeout_s=2)
    return {"unanswered": failed, "health": status}


async def slow_names(target: Target) -> Facts:
    """12 calls whose assistants' names take 10 s, and meanwhile a call whose assistant has a name that is found."""
    loop = asyncio.get_running_loop()
    reached = loop.create_future()

    async def converse(peer: Peer) -> None:
        if not reached.done():
            reached.set_result(loop.time())
        await peer.reader.read(1)

    async with assistant(target.assistant_port, converse):
        slow = [await target.call(f"?assistant=slow-{number}") for number in range(12)]
        await asyncio.sleep(0.5)
        began = loop.time()
        peer, _ = await target.call("?assistant=named")
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reached), 12)
        took_ms = round(((reached.result() if reached.done() else loop.time()) - began) * 1000)
        peer.close()
    for one, _ in slow:
        one.close()
    return {"other_name_ms": took_ms}


async def stop(target: Target) -> Facts:
    """SIGTERM while the good calls go on; new calls are refused, in words."""
    os.kill(target.pid, signal.SIGTERM)
    await asyncio.sleep(0.2)
    ready, _ = await exchange(target.port, get("/readyz"), timeout_s=2)
    try:
        await target.call()
        new_call = 200
    except Refused as refused:
        new_call = refused.status
    await asyncio.sleep(max(target.seconds, 8))
    return {"readyz": ready, "new_call": new_call}


ROWS = (
    Row(
        "slow-disk",
        "recordings and journals on a disk that takes 50 ms a write",
        recorded_calls,
        options=ServerOptions('[recording]\ndirectory = "{folder}/recordings"\n', faults=("slow-disk",)),
    ),
    Row(
        "unread-log",
        "a log that nobody reads, and requests with paths of 4 kB",
        unread_log,
        checks=(at_most("unanswered", 0), at_most("health", 200), at_least("health", 200)),
        shown=("unanswered", "health"),
        options=ServerOptions(stuck_log=True),
    ),
    Row(
        "slow-names",
        "12 assistants whose names take 10 s to find, and one whose name is found",
        slow_names,
        checks=(at_most("other_name_ms", 1000),),
        shown=("other_name_ms",),
        options=ServerOptions(
            SLOW_NAMES + '[assistants.named]\nkind = "stream"\nurl = "ws://localhost:{port}/"\n',
            faults=("slow-names",),
        ),
    ),
    Row(
        "stop",
        "SIGTERM with 20 live calls; they hang up 8 s later",
        stop,
        calls=20,
        memory_mib=None,
        checks=(at_least("readyz", 503), at_least("new_call", 400), at_most("exit", 0), at_most("exit_s", 5)),
        shown=("readyz", "new_call", "exit", "exit_s"),
    ),
)
