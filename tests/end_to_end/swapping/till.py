"""The user's own module, with the tool that gets the entries; sensitive ones come nowhere else."""

from bridge.tools import CallFacts

RECEIVED: dict[str, list[str]] = {}
"""The digits received, by call."""


def typed(digits: str, call: CallFacts) -> None:
    """Take what the caller typed."""
    RECEIVED.setdefault(call.call_id, []).append(digits)


def pay(card: str, call: CallFacts) -> str:
    """Charge a card."""
    RECEIVED.setdefault(call.call_id, []).append(card)
    return f"{card} was charged"
