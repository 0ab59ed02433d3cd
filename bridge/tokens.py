"""One-time tokens: a voice webhook mints one for its call, the media socket of that call spends it.

No clock: `now` is passed in, in seconds.
"""

import secrets
from collections import OrderedDict

LIFE_S = 60.0

MOST = 10_000
"""Tokens kept at a time; webhooks are signed, so only a carrier gone mad reaches it, and then the oldest go."""


class Tokens:
    """The tokens that wait for their socket, oldest first."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def mint(self, call: str, now: float) -> str:
        """A new token for this call, good for `LIFE_S`."""
        while self._waiting and (len(self._waiting) >= MOST or self._oldest_expiry() <= now):
            self._waiting.popitem(last=False)
        token = secrets.token_urlsafe(24)
        self._waiting[token] = (call, now + LIFE_S)
        return token

    def spend(self, token: str, now: float) -> str | None:
        """The call that the token was minted for; None if it was never minted, is spent already, or too old."""
        call, expiry = self._waiting.pop(token, ("", now))
        return call if now < expiry else None

    def _oldest_expiry(self) -> float:
        return next(iter(self._waiting.values()))[1]
