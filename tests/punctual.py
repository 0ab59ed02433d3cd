"""Whole calls in real time, on a machine that other programs may keep busy."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

Call = TypeVar("Call")

LATE_MS = 60.0
"""The simulated phone was this late with a frame at most. From 200 ms on the bridge rightly takes it for a stall of the
carrier's network, and puts silence in what the caller said."""


class Round(NamedTuple):
    """Calls side by side: each takes one of `lines`, after `all_are_ready` if it has something to make ready."""

    number: int
    lines: asyncio.Semaphore
    all_are_ready: asyncio.Barrier


async def carried_in_time(
    calls: int,
    carry: Callable[[int, Round], Awaitable[Call]],
    late_ms: Callable[[Call], float],
    lines: Sequence[int],
) -> list[Call | BaseException]:
    """All calls, as many at once as the first round has `lines`.

    Calls in which the phone was late prove nothing, and are carried again, in rounds with fewer lines. How late it was
    in the last one is no matter; nor is a call carried again that has failed. `carry` gets the number of the call.
    """
    outcomes: dict[int, Call | BaseException] = {}
    for number, at_once in enumerate(lines):
        due = [
            call
            for call in range(calls)
            if call not in outcomes
            or not (isinstance(was := outcomes[call], BaseException) or late_ms(was) <= LATE_MS)
        ]
        if due:
            this = Round(number, asyncio.Semaphore(at_once), asyncio.Barrier(len(due)))
            became = await asyncio.gather(*(carry(call, this) for call in due), return_exceptions=True)
            outcomes.update(zip(due, became, strict=True))
    return [outcomes[call] for call in range(calls)]
