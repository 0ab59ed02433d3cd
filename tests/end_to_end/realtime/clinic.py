"""Tools of the calls in this folder, as a user would write them."""

import asyncio
from collections import Counter

from bridge.tools import CallFacts

BOOKED: Counter[str] = Counter()
"""How often each call has booked."""


async def book(day: str) -> str:
    """Book an appointment."""
    return f"booked on {day}"


async def look(seconds: float = 0.4) -> str:
    """Look something up."""
    await asyncio.sleep(seconds)
    return "found"


async def book_once(day: str, call: CallFacts, seconds: float = 0.0) -> str:
    """Book an appointment, which may take a while."""
    BOOKED[call.call_id] += 1
    await asyncio.sleep(seconds)
    return f"booked on {day}"


async def fail() -> None:
    """Does not work."""
    raise RuntimeError


async def pay(card: str) -> dict[str, object]:
    """Charge a card."""
    return {"card": card, "digits": len(card), "sum": sum(map(int, card))}
