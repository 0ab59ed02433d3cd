"""Lets tests and simulators wait until something has happened in a simulator, without polling."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Changes:
    """Wakes all who wait each time `notify` is called."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Say that something has happened."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until `happened()` is true; it is asked now, and after each `notify`."""
        while not happened():
            await self._changed.wait()

    async def nth(self, times: int, seen: Sequence[T], wanted: Callable[[T], bool]) -> T:
        """Wait for the item number `times` (from 1) of the growing list `seen` that is `wanted`, and return it."""
        while len(found := [one for one in seen if wanted(one)]) < times:
            await self._changed.wait()
        return found[times - 1]


async def first_of(*waits: Coroutine[Any, Any, object], within_s: float | None = None) -> None:
    """Wait until one of them is done, but no longer than `within_s`."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
