"""Daemon threads for functions that block, one for each piece of work.

They are not the event loop's own executor: a function that hangs would take its threads away from others. The standard
executors also wait for their threads when the process ends, so a function that never returns would keep the server alive.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread


class Threads:
    """At most `most` threads at a time. A function that hangs keeps its thread; work that finds none free waits for one."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def run(self, name: str, work: Callable[[], object]) -> object:
        """Returns or raises what `work` does. Cancelling stops the waiting; the thread goes on."""
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
            except BaseException as error:  # noqa: BLE001  # raised again in the task that waits
                fault = error
            with suppress(RuntimeError):  # the loop is closed; no task waits
                loop.call_soon_threadsafe(settle, result, fault)

        try:
            Thread(target=copy_context().run, args=(body,), name=name, daemon=True).start()
        except BaseException:  # the system cannot start another thread
            self._free.release()
            raise
        result, fault = await outcome
        if fault is not None:
            raise fault
        return result
