"""Threads for what blocks: a number of them, none of which the process waits for."""

import asyncio
import subprocess
import sys
import threading

import pytest

from bridge.tools.threads import Threads

GIVE_UP_S = 5.0


async def test_returns_and_raises_what_the_work_does() -> None:
    threads = Threads(1)
    assert await threads.run("sum", lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        await threads.run("quotient", lambda: 1 / 0)


async def test_no_more_at_a_time_than_agreed() -> None:
    threads = Threads(2)
    begun, let_go = threading.Semaphore(0), threading.Event()

    def work() -> None:
        begun.release()
        let_go.wait()

    running = [asyncio.create_task(threads.run("work", work)) for _ in range(3)]
    await asyncio.to_thread(lambda: [begun.acquire() for _ in range(2)])
    assert not begun.acquire(blocking=False)
    let_go.set()
    async with asyncio.timeout(GIVE_UP_S):
        await asyncio.gather(*running)
    assert begun.acquire(blocking=False)


async def test_what_hangs_keeps_its_place_until_it_returns() -> None:
    threads = Threads(1)
    begun, let_go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        let_go.wait()

    hanging = asyncio.create_task(threads.run("hang", work))
    await asyncio.to_thread(begun.wait)
    hanging.cancel()
    await asyncio.wait([hanging])
    assert hanging.cancelled()
    ran = threading.Event()
    waiting = asyncio.create_task(threads.run("next", ran.set))
    await asyncio.sleep(0)
    assert "next" not in {thread.name for thread in threading.enumerate()}
    assert not ran.is_set()
    let_go.set()
    async with asyncio.timeout(GIVE_UP_S):
        await waiting
    assert ran.is_set()


HANGS = """
import asyncio, threading
from bridge.tools.threads import Threads

async def main():
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    def hang():
        loop.call_soon_threadsafe(begun.set)
        threading.Event().wait()
    task = asyncio.create_task(Threads(1).run("hang", hang))
    await begun.wait()
    task.cancel()

asyncio.run(main())
print("the end")
"""


def test_the_process_ends_though_a_thread_does_not() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "the end\n"
    assert done.stderr == ""
