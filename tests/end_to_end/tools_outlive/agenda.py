"""The user's own module, with a tool that takes a while."""

import asyncio
from collections import Counter

from bridge.tools import CallFacts

BOOKED: Counter[str] = Counter()
"""How often each call has booked."""
STOPPED: set[str] = set()
"""The calls in which the tool was stopped."""


async def book(day: str, call: CallFacts) -> str:
    """Book an appointment."""
    return await _book(day, call, 0.6)


async def book_long(day: str, call: CallFacts) -> str:
    """Book an appointment, which takes longer than the call."""
    return await _book(day, call, 9.0)


async def _book(day: str, call: CallFacts, seconds: float) -> str:
    BOOKED[call.call_id] += 1
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        STOPPED.add(call.call_id)
        raise
    return f"booked on {day}"
