"""The user's own module: what is typed comes here, and nowhere else where it is sensitive."""

from bridge.tools import CallFacts

RECEIVED: dict[str, list[str]] = {}
"""Digits by call."""


def typed(digits: str, call: CallFacts) -> None:
    """Take what the caller typed."""
    RECEIVED.setdefault(call.call_id, []).append(digits)


def pay(card: str, call: CallFacts) -> str:
    """Charge a card."""
    RECEIVED.setdefault(call.call_id, []).append(card)
    return f"{card} was charged"
