"""How often an assistant may have something done: so often in a second, and so often at once. No clock: `now` is seconds."""

from typing import NamedTuple


class Allowance(NamedTuple):
    """It grows by `per_s` in a second, up to `burst`."""

    per_s: float
    burst: float


class Bucket:
    """What is left of one allowance."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._left = allowance.burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Use it once; False if nothing is left."""
        allowance = self._allowance
        passed_s = 0.0 if self._at is None else now - self._at
        self._at = now
        self._left = min(allowance.burst, self._left + passed_s * allowance.per_s)
        if self._left < 1:
            return False
        self._left -= 1
        return True
