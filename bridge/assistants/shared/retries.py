"""When a reply that the assistant's side refuses for a moment is asked for again: growing pauses within a bound.

The other side may say how long to wait; then that wait is the pause, if it is within the bound. The bound holds for
the time in which the caller waits: what was spent before the caller spoke again still counts, until a reply has come.
Chance shortens the pauses, so that calls that were refused in one moment do not come back in one moment; it depends on
the call's id alone. No clock: `now` is seconds.
"""

from zlib import crc32

FIRST_S = 0.5
"""The first pause. Each is twice the one before, and shortened by chance to between three quarters and all of it."""

LONGEST_S = 3.0
"""No pause of our own is longer."""

LEAST_S = 0.05
"""With less than this left the bound counts as used up."""

LATER = 0.1
"""Chance prolongs a wait that the other side names by up to this share."""


class Retries:
    """The retries of one session. `bound_s`: how long the caller may wait for a reply, from its first failure."""

    def __init__(self, bound_s: float) -> None:
        self.call_id = ""
        """Of the call; chance depends on it."""
        self._whole_s = bound_s
        self._bound_s = bound_s  # until a reply has come
        self._spent_s = 0.0  # in earlier turns of the caller's, since the last reply
        self._since: float | None = None  # the first failure in this turn
        self._until = 0.0  # the end of the last pause
        self._failures = 0  # since the last reply

    def shorten(self, bound_s: float) -> None:
        """The caller has waited before: until a reply has come, the bound is at most so long."""
        self._bound_s = min(self._whole_s, bound_s)

    def pause_s(self, now: float, told_s: float | None = None) -> float | None:
        """A reply failed. How long to pause before it is asked for again; None: no longer, the bound is used up.

        `told_s`: how long the other side says to wait.
        """
        if self._since is None:
            self._since = now
        left_s = self._bound_s - self._spent_s - (now - self._since)
        if left_s < LEAST_S or (told_s is not None and told_s > left_s):
            return None
        own_s: float = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures, 10))
        pause_s = own_s * (1 - self._chance() / 4)
        if told_s is not None:
            pause_s = max(pause_s, told_s * (1 + LATER * self._chance()))
        self._failures += 1
        pause_s = min(pause_s, left_s)
        self._until = now + pause_s
        return pause_s

    def interrupted(self) -> None:
        """The caller speaks, or something else is to be said: the time until then counts as spent."""
        if self._since is not None:
            self._spent_s += self._until - self._since
            self._since = None

    def succeeded(self) -> None:
        """A reply has come."""
        self._bound_s = self._whole_s
        self._spent_s, self._since, self._failures = 0.0, None, 0

    def _chance(self) -> float:
        """From 0 to 1, the same for the same failure of the same call."""
        return crc32(f"{self.call_id} {self._failures}".encode()) / 0xFFFF_FFFF
