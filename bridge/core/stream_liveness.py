"""Whether the carrier's stream is there: started, dropped, resumed, or silent for too long.

No clock: `now` is seconds; what falls due is in the call's `timers`.
"""

from bridge.core.timers import Limits, Timer, Timers
from bridge.vocabulary.events import CallStarted


class StreamLiveness:
    """The liveness of one call's stream.

    `expected`: the `call_id` that the stream's token was made for, any other call is refused; None: any call will do.
    """

    def __init__(self, limits: Limits, expected: str | None, timers: Timers, now: float) -> None:
        timers.heard_at = now
        self.is_dropped = False
        """The stream broke, and may be resumed."""
        self._limits = limits
        self._expected = expected
        self._timers = timers
        self._stream: CallStarted | None = None
        timers.set(Timer.START, now + limits.start_s)

    def started(self, event: CallStarted, now: float) -> str:
        """The carrier said start, for the first time or again on another stream. Returns as `refusal` does."""
        if not (why := self.refusal(event)):
            self._receive(event, now)
        return why

    def refusal(self, event: CallStarted) -> str:
        """Why a stream that starts so is refused, in words for the carrier; empty if it is accepted."""
        if self._stream is None:
            other = self._expected is not None and event.call_id != self._expected
            return "the token was made for another call" if other else ""
        if event.call_id != self._stream.call_id:
            return "another call came back"
        if (event.line, event.plays) != (self._stream.line, self._stream.plays):
            return "the call came back in another format"
        return ""

    def _receive(self, event: CallStarted, now: float) -> None:
        self._stream = event
        self.is_dropped = False
        self._timers.stop(Timer.START, Timer.RESUME)
        self._timers.set(Timer.SILENT, now + self._limits.silent_s)
        self._timers.heard_at = now

    def dropped(self, now: float) -> bool:
        """The stream broke, which may be before it said start. Returns whether it may be resumed."""
        if not self._limits.resume_s or (self._stream is not None and self._stream.one_way):
            return False
        self.is_dropped = True
        self._timers.stop(Timer.START, Timer.SILENT)
        self._timers.set(Timer.RESUME, now + self._limits.resume_s)
        return True

    def is_silent(self, now: float) -> bool:
        """Whether the carrier has been silent for too long; if not, the timer is set to when it would be."""
        due = self._timers.heard_at + self._limits.silent_s
        if now < due:
            self._timers.set(Timer.SILENT, due)
        return now >= due
