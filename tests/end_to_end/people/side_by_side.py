"""Calls with people, carried side by side and in real time before the first test of a module looks at one.

How a call is carried is a function of the module: it opens the call's servers, carries the call on a `Line`, and then reads
what became of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import uvloop

Call = TypeVar("Call")

AT_ONCE = (16, 8, 8)
"""Calls at once in each round."""

APART_S = 0.1
"""From one call's beginning to the next."""

TIMEOUT_S = 60.0
"""For one call, before it counts as hanging."""

LOOK_AGAIN_S = 0.02
LAG_S = 0.25
"""A call in which the whole process stood still for longer measures the machine: it is carried again."""


class LagWatch:
    """When this process stood still, and for how long: everybody's frames and answers are late by that."""

    def __init__(self) -> None:
        self._stood: list[tuple[float, float]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watch())
        yield
        watching.cancel()
        await asyncio.wait([watching])

    def lag_s(self, from_s: float, until_s: float) -> float:
        """The longest time between, in seconds of the monotonic clock."""
        return max((lag for at, lag in self._stood if from_s <= at <= until_s), default=0.0)

    async def _watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(LOOK_AGAIN_S)
            self._stood.append((time.monotonic(), time.monotonic() - before - LOOK_AGAIN_S))


class Countdown:
    """Waits until all of them have been here. Whoever has failed on the way has been here, too."""

    def __init__(self, calls: int) -> None:
        self._missing = set(range(calls))
        self._all = asyncio.Event()

    def here(self, number: int) -> None:
        self._missing.discard(number)
        if not self._missing:
            self._all.set()

    async def wait(self, number: int) -> None:
        self.here(number)
        await self._all.wait()


@dataclass(frozen=True)
class Round:
    """Calls that are carried side by side. All servers are opened before the first call, and files read after the last one:
    what keeps this process busy keeps the other calls from their frames.
    """

    lines: asyncio.Semaphore
    opened: Countdown
    over: Countdown
    watch: LagWatch
    late: set[int]
    """The calls in which this process stood still."""


class Line:
    """That of one call."""

    def __init__(self, number: int, this: Round) -> None:
        self._number = number
        self._round = this

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """The call is on. Raises TimeoutError where it takes longer than `TIMEOUT_S`."""
        await self._round.opened.wait(self._number)
        async with self._round.lines, asyncio.timeout(TIMEOUT_S):
            await asyncio.sleep(self._number % AT_ONCE[0] * APART_S)
            began = time.monotonic()
            try:
                yield
            finally:
                if self._round.watch.lag_s(began, time.monotonic()) > LAG_S:
                    self._round.late.add(self._number)
        await self._round.over.wait(self._number)

    def left(self) -> None:
        """No other call waits for this one any more."""
        self._round.opened.here(self._number)
        self._round.over.here(self._number)


Carry = Callable[[str, Path, Line], Awaitable[Call]]
"""Opens the servers of the call of this name, carries the call on this line, and tells what became of it.

The folder is the call's own, and empty.
"""


def side_by_side(
    carry: Carry[Call], names: Iterable[str], folder: Path, at_once: Sequence[int] = AT_ONCE
) -> dict[str, Call | BaseException]:
    """The calls of these names. An exception is kept in the place of the call that it belongs to.

    A call in which this process stood still is carried again, whether it failed or not; after the last round it counts
    as it is. `at_once`: calls at once in each round.
    """
    became: dict[str, Call | BaseException] = {}
    due = list(names)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for nth, lines in enumerate(at_once, 1):
            here = folder / f"round-{nth}"
            outcomes, late = runner.run(_carry_round(carry, due, here, lines))
            became |= zip(due, outcomes, strict=True)
            due = [due[number] for number in sorted(late)]
            if not due:
                break
    return became


async def _carry_round(
    carry: Carry[Call], names: list[str], folder: Path, lines: int
) -> tuple[list[Call | BaseException], set[int]]:
    calls, watch = len(names), LagWatch()
    this = Round(asyncio.Semaphore(lines), Countdown(calls), Countdown(calls), watch, set())

    async def one(number: int, name: str) -> Call:
        line, own = Line(number, this), folder / str(number)
        own.mkdir(parents=True)
        try:
            return await carry(name, own, line)
        finally:
            line.left()

    async with watch.running():
        placing = (one(number, name) for number, name in enumerate(names))
        return await asyncio.gather(*placing, return_exceptions=True), this.late


def one_of(calls: dict[str, Call | BaseException], name: str) -> Call:
    """The call of this name. Raises what it has raised."""
    call = calls[name]
    if isinstance(call, BaseException):
        raise call
    return call
