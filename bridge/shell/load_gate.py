"""Decides whether a new call is taken, by the load: calls, calls a second, the event loop's lag, file descriptors.

A call that was announced has a place until its socket comes, it ends, or its token expires. Sans-I/O: times are passed
in, in seconds of one clock.
"""

import heapq
from collections import deque
from typing import NamedTuple

CALL_DESCRIPTORS = 8
"""What one call may open: two sockets, an assistant on standby, a tool, a request to the carrier, three files."""

SPARE_DESCRIPTORS = 32
"""Kept free for webhooks, health checks and what the calls under way open."""

WINDOW_S = 1.0

Key = tuple[str, str]
"""A carrier and its name for a call."""


class LoadLimits(NamedTuple):
    """None, or for the lag 0: no limit."""

    calls: int | None = None
    calls_per_s: int | None = None
    lag_ms: float = 20.0


class LoadGate:
    """The places of one server, and the calls that it took in the last second. `limits` may be changed."""

    def __init__(self, limits: LoadLimits) -> None:
        self.limits = limits
        self._places: dict[Key, float] = {}
        """The calls that were announced, and until when each may come."""
        self._expiries: list[
            tuple[float, Key]
        ] = []  # a heap; entries of places that have changed are skipped
        self._taken: deque[float] = deque()
        """When a call was taken, in the last second."""

    def why_refused(self, now: float, calls: int, lag_s: float, free_descriptors: float) -> str:
        """Why no new call is taken; empty where one is. `calls`: those under way. `lag_s`: p99 of the loop's lag."""
        announced = self.places(now)
        self._forget_taken(now)
        limits = self.limits
        if limits.calls is not None and calls + announced >= limits.calls:
            return f"there are {calls + announced} calls, and limits.max_calls is {limits.calls}"
        if limits.calls_per_s is not None and len(self._taken) >= limits.calls_per_s:
            return (
                f"{len(self._taken)} calls came within a second, the most that limits.max_calls_per_s allows"
            )
        if free_descriptors < SPARE_DESCRIPTORS + CALL_DESCRIPTORS * (announced + 1):
            return f"{max(0, round(free_descriptors))} file descriptors are left; raise the limit (ulimit -n)"
        if limits.lag_ms and lag_s * 1000 > limits.lag_ms:
            return (
                f"the event loop is {round(lag_s * 1000)} ms late, and limits.max_lag_ms is {limits.lag_ms:g}"
            )
        return ""

    def has_place(self, key: Key, now: float) -> bool:
        """Whether this call was announced and may still come."""
        return self._places.get(key, now) > now

    def places(self, now: float) -> int:
        """Calls that were announced and may still come."""
        while self._expiries and self._expiries[0][0] <= now:
            expired, key = heapq.heappop(self._expiries)
            if self._places.get(key) == expired:
                del self._places[key]
        return len(self._places)

    def take(self, now: float) -> None:
        """A new call was taken."""
        self._forget_taken(now)
        self._taken.append(now)

    def keep_place(self, key: Key, until: float) -> None:
        """Count this call as one that will come, until then."""
        if self._places.get(key, 0.0) < until:
            self._places[key] = until
            heapq.heappush(self._expiries, (until, key))

    def free_place(self, key: Key) -> None:
        """The call came, or has ended."""
        self._places.pop(key, None)

    def _forget_taken(self, now: float) -> None:
        while self._taken and self._taken[0] <= now - WINDOW_S:
            self._taken.popleft()
