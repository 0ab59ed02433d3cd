"""Limits on what one peer may send, and on how long it may leave unread what it was sent. No clock: `now` is seconds.

Source: Twilio and Telnyx send 50 messages of audio a second for each track, and at most two tracks; beside them come marks
and keys. After a stall of the network all that was sent meanwhile comes at once.
"""

from collections import deque

CARRIER_PER_S = 150.0
"""A stream of two tracks sends 100 messages a second; its marks and keys are fewer than the rest."""

CARRIER_AT_ONCE = 3_000
"""What two tracks send within 30 s, and one within 50 s: no stall that a call survives is longer."""


class MessageRate:
    """A token bucket: `per_s` messages, or requests, a second in the long run, and up to `at_once` after a time without any."""

    def __init__(self, per_s: float, at_once: int) -> None:
        self.at_once = at_once
        self._per_s = per_s
        self._left: float = at_once
        self._at = 0.0

    def take(self, messages: int, now: float) -> bool:
        """So many messages came since the last time. Returns False if that is too many; then they are not counted."""
        self._left = min(self.at_once, self._left + max(now - self._at, 0.0) * self._per_s)
        self._at = now
        if self._left < messages:
            return False
        self._left -= messages
        return True


def carrier_rate() -> MessageRate:
    """The limit for one media socket."""
    return MessageRate(CARRIER_PER_S, CARRIER_AT_ONCE)


class BadMessages:
    """Counts messages that are malformed or of an unknown kind: `most` within `within_s` are too many."""

    def __init__(self, most: int = 50, within_s: float = 10.0) -> None:
        self._within_s = within_s
        self._times: deque[float] = deque(maxlen=most)

    def __str__(self) -> str:
        return f"{self._times.maxlen} messages in {self._within_s:g} s were malformed or of an unknown kind"

    def add(self, now: float) -> bool:
        """One more came. Returns True if that is too many."""
        times = self._times
        times.append(now)
        return len(times) == times.maxlen and now - times[0] <= self._within_s


class Unread:
    """Tells how long a peer has read nothing of what waits for it."""

    def __init__(self) -> None:
        self._read = -1  # bytes
        self._since = 0.0

    def for_s(self, written: int, waiting: int, now: float) -> float:
        """Return for how many seconds the peer has read nothing; 0 if nothing waits.

        `written`: bytes of messages so far; their headers need not be counted. `waiting`: bytes of them in this process.
        """
        read = written - waiting
        if not waiting or read > self._read:
            self._read, self._since = read, now
        return now - self._since
