"""What can fall due in a call, and after how long. No clock: times are seconds, passed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call waits, in seconds."""

    start_s: float = 10.0
    """For the carrier's start, from the socket on."""
    open_s: float = 5.0
    """For an assistant to be ready, from when it is opened."""
    silent_s: float = 10.0
    """For a carrier that sends nothing at all."""
    longest_s: float = 4 * 3600.0
    """For the end of the call."""
    resume_s: float = 0.0
    """For a stream that was dropped to be resumed; 0: the carrier never does that."""
    retry_s: float = 15.0
    """For an assistant to be ready again after a loss or a refusal, before the next in line has the call; 0: no further try."""
    waiting_after_s: float = 2.0
    """For the caller to hear nothing of that, or of a reply that failed; then the waiting signal is played. 0: it is never played."""


class Timer(StrEnum):
    """What can fall due."""

    START = "start"
    """The carrier should have said start."""
    RESUME = "resume"
    """The stream should have been resumed."""
    OPEN = "open"
    """The assistant, or its standby, should have been ready."""
    RETRY = "retry"
    """A lost assistant should be opened again."""
    WAITING = "waiting"
    """The caller has waited so long for an assistant, or a reply, that the waiting signal is played."""
    RENEW = "renew"
    """The assistant expires soon."""
    KEYPAD = "keypad"
    """An entry may be complete."""
    TOP_UP = "top up"
    """The carrier has room for more of a reply."""
    MISSING_FRAME = "missing frame"
    """A missing frame is no longer waited for."""
    PAUSE = "pause"
    """The carrier may be pausing."""
    SILENT = "silent"
    """The carrier may have been silent for too long."""
    GOODBYE = "goodbye"
    """It may be a good moment to say goodbye."""
    PARTING = "parting"
    """The assistant's last words before a handover may have been heard."""
    HANDOVER = "handover"
    """The next step of a handover should have come."""
    LISTENING = "listening"
    """The stream that listens to the caller and a person should have started."""
    SUPERVISOR = "supervisor"
    """A supervisor who was called should have answered, or their stream have started."""
    ROOM = "room"
    """More of what the assistant says into a room may be due, though nobody's frames come."""
    HOLD = "hold"
    """The carrier has room for more of the hold music."""
    CLOSE = "close"
    """The last mark should have come back."""
    LONGEST = "longest"
    """The call has lasted as long as a call may."""


REASONS: Mapping[Timer, str] = {
    Timer.START: "the carrier never said start",
    Timer.RESUME: "the carrier's stream broke and did not come back",
    Timer.OPEN: "it was not ready in time",
    Timer.SILENT: "the carrier sends nothing any more",
    Timer.LONGEST: "the call reached its longest duration",
}
"""Why a leg is closed when a timer falls due: the text goes to the peer with the close, and into the journal."""


class Timers:
    """The timers of one call."""

    def __init__(self) -> None:
        self.next_due: float | None = None
        """When the first of them falls due; None when none runs."""
        self.heard_at = 0.0
        """When the carrier last sent anything, for `Timer.SILENT`; set by whoever receives it."""
        self._due: dict[Timer, float] = {}

    def set(self, timer: Timer, due: float) -> None:
        """Start a timer, or move it."""
        self._due[timer] = due
        self.next_due = min(self._due.values())

    def stop(self, *timers: Timer) -> None:
        """Stop these timers, whether they run or not."""
        for timer in timers:
            self._due.pop(timer, None)
        self.next_due = min(self._due.values(), default=None)

    def fallen_due(self, now: float) -> Timer | None:
        """Stop the first timer that is due by `now`, and return it; None when there is no more."""
        if self.next_due is None or now < self.next_due:
            return None
        timer = min(self._due, key=self._due.__getitem__)
        self.stop(timer)
        return timer
