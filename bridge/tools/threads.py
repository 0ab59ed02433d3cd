"""Threads for functions that block, apart from the loop's own: a function that hangs starves neither it nor the end.

The standard executors wait for their threads when the process ends; one tool that never returns would keep the server
from stopping. These are daemons, one for each piece of work.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread


class Threads:
    """At most `most` threads. A function that hangs keeps its place; what finds none free waits for one."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def run(self, name: str, work: Callable[[], object]) -> object:
        """What `work` returns or raises. To be cancelled stops the waiting; the thread goes on."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[tuple[object, BaseException | None]] = loop.create_future()

        def settle(result: object, error: BaseException | None) -> None:
            self._free.release()
            if not outcome.done():
                outcome.set_result((result, error))

        def body() -> None:
            result, fault = None, None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001  # it is raised again where it is waited for
                fault = error
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(settle, result, fault)

        try:
            Thread(target=copy_context().run, args=(body,), name=name, daemon=True).start()
        except BaseException:  # the system has no thread left
            self._free.release()
            raise
        result, fault = await outcome
        if fault is not None:
            raise fault
        return result
