"""One-time tokens: a voice webhook mints one for the call that it expects, the call's media socket spends it.

No clock: `now` is passed in, in seconds.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

LIFE_S = 60.0

MOST = 10_000
"""Tokens kept at a time; webhooks are signed, so only a carrier gone mad reaches it, and then the oldest go."""


class Expected(NamedTuple):
    """A call that a webhook has announced."""

    call_id: str
    assistant: str = ""
    """Who answers, by name; the default if empty."""
    returns_s: float = 0.0
    """How long its stream, if it breaks, may take to come back."""
    over: Callable[[], None] = lambda: None
    """Called when its session has ended."""
    press: Callable[[str], None] | None = None
    """Has the carrier press keys in this call, beside its stream; None where they can only be tones in it."""


class Tokens:
    """The tokens that wait for their socket, oldest first."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, tuple[Expected, float]] = OrderedDict()

    def mint(self, expected: Expected, now: float) -> str:
        """A new token for this call, good for `LIFE_S`."""
        while self._waiting and (len(self._waiting) >= MOST or self._oldest_expiry() <= now):
            self._waiting.popitem(last=False)
        token = secrets.token_urlsafe(24)
        self._waiting[token] = (expected, now + LIFE_S)
        return token

    def spend(self, token: str, now: float) -> Expected | None:
        """The call that the token was minted for; None if it was never minted, is spent already, or too old."""
        expected, expiry = self._waiting.pop(token, (None, now))
        return expected if now < expiry else None

    def forget(self, call_id: str) -> None:
        """This call is over: nobody comes in for it any more."""
        for token in [token for token, (expected, _) in self._waiting.items() if expected.call_id == call_id]:
            del self._waiting[token]

    def _oldest_expiry(self) -> float:
        return next(iter(self._waiting.values()))[1]
