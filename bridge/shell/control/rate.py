"""How often somebody may ask: a bucket of tokens for each name, of which a bounded number is remembered. No clock."""

from collections import OrderedDict

MOST_NAMES = 10_000


class Rate:
    """At most `per_s` in a second on average, and `burst` at once, for each name."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str, now: float) -> float:
        """Take one; 0 if there was one, else how long it takes until there is one. `now`: seconds."""
        left, since = self._left.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_s)
        wait_s = 0.0 if left >= 1 else (1 - left) / self._per_s
        self._left[name] = (left if wait_s else left - 1, now)
        if len(self._left) > MOST_NAMES:
            self._left.popitem(last=False)
        return wait_s
