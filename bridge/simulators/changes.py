"""Lets tests and simulators wait until something has happened in a simulator, without polling."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

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
