"""Tools of the calls in this folder, as a user would write them."""

import asyncio


async def book(day: str) -> str:
    """Book an appointment."""
    return f"booked on {day}"


async def look(seconds: float = 0.4) -> str:
    """Look something up."""
    await asyncio.sleep(seconds)
    return "found"


async def fail() -> None:
    """Does not work."""
    raise RuntimeError


async def pay(card: str) -> dict[str, object]:
    """Charge a card."""
    return {"card": card, "digits": len(card), "sum": sum(map(int, card))}
