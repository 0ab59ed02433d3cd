"""Everything in a call that can fall due, by name, in one place. No clock: times are seconds, passed in."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call waits, in seconds."""

    start_s: float = 10.0
    open_s: float = 5.0
    silent_s: float = 60.0
    longest_s: float = 4 * 3600.0
    return_s: float = 0.0
    """For a carrier whose stream broke; 0: it does not come back."""


class Timer(StrEnum):
    """What can fall due, and what it means when it does."""

    START = "the carrier never said start"
    AWAY = "the carrier's stream broke and did not come back"
    OPEN = "it was not ready in time"
    RENEW = "the assistant expires soon"
    KEYPAD = "the caller has typed all of the entry"
    ROOM = "the carrier has room for more of a reply"
    HOLE = "a missing frame will not come any more"
    PAUSE = "the carrier may be pausing"
    SILENT = "the carrier sends nothing any more"
    CLOSE = "the last mark did not come back"
    LONGEST = "the call reached its longest duration"


class Timers:
    """The timers that run."""

    def __init__(self) -> None:
        self.next_due: float | None = None
        """When the first of them falls due; None when none runs."""
        self._due: dict[Timer, float] = {}

    def set(self, timer: Timer, due: float) -> None:
        """Start it, or move it."""
        self._due[timer] = due
        self.next_due = min(self._due.values())

    def stop(self, *timers: Timer) -> None:
        """Those that do not run stay as they are."""
        for timer in timers:
            self._due.pop(timer, None)
        self.next_due = min(self._due.values(), default=None)

    def fallen_due(self, now: float) -> Timer | None:
        """The first that is due by `now`, which stops it; None when no more is."""
        if self.next_due is None or now < self.next_due:
            return None
        timer = min(self._due, key=self._due.__getitem__)
        self.stop(timer)
        return timer
