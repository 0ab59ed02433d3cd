"""Whether the carrier is still there: heard from, silent for too long, or away and expected back.

No clock: `now` is seconds; what falls due is in the call's `timers`.
"""

from bridge.core.timers import Limits, Timer, Timers
from bridge.vocabulary.events import CallStarted


class StreamLiveness:
    """One call's carrier. `expected`: the call that the stream's token was made for; any other is turned away."""

    def __init__(self, limits: Limits, expected: str | None, timers: Timers, now: float) -> None:
        self.heard_at = now
        """When it last sent anything; set by who hears it."""
        self.away = False
        """Its stream broke, and it may come back."""
        self._limits = limits
        self._expected = expected
        self._timers = timers
        self._stream: CallStarted | None = None
        timers.set(Timer.START, now + limits.start_s)

    def came(self, event: CallStarted, now: float) -> str:
        """It said start. Returns why it is to be turned away; empty where it is welcome."""
        if self._stream is not None:
            if event.call_id != self._stream.call_id:
                return "another call came back"
            if (event.line, event.plays) != (self._stream.line, self._stream.plays):
                return "the call came back in another format"
        elif self._expected is not None and event.call_id != self._expected:
            return "the token was made for another call"
        self._stream = event
        self.away = False
        self._timers.stop(Timer.START, Timer.AWAY)
        self._timers.set(Timer.SILENT, now + self._limits.silent_s)
        self.heard_at = now
        return ""

    def left(self, now: float) -> bool:
        """Its stream broke. Returns whether it is expected back."""
        if not self._limits.return_s or self._stream is None or self._stream.one_way:
            return False
        self.away = True
        self._timers.stop(Timer.SILENT)
        self._timers.set(Timer.AWAY, now + self._limits.return_s)
        return True

    def is_silent(self, now: float) -> bool:
        """Whether it has been silent for too long; if not, it is looked at again in time."""
        due = self.heard_at + self._limits.silent_s
        if now < due:
            self._timers.set(Timer.SILENT, due)
        return now >= due
