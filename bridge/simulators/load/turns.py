"""Times the turns of one call: how long the caller waited for a reply, and how soon it was silent when interrupted.

A wait is from the end of the caller's speech to the first sound of a reply that begins after it. A reply that was being
played when the caller stopped speaking is not the answer. There is no clock here; times are seconds, durations ms.
"""

from dataclasses import dataclass, field

from bridge.simulators.load.playout import Playout

SILENT_WITHIN_S = 3.0
"""A reply that is played on for longer than this after an interruption was not interrupted."""

PLAYS_ON_S = 0.1
"""Speech that begins within so much of the end of a reply is not an interruption."""


@dataclass(slots=True)
class TurnTimer:
    """The turns of one call. `playout`: the buffer from which the caller hears."""

    playout: Playout
    unanswered: int = 0
    waits_ms: list[float] = field(default_factory=list)
    barge_ins_ms: list[float] = field(default_factory=list)
    ignored: int = 0
    awaits_since: float | None = None
    """When the caller stopped speaking and began to wait; None while nothing is waited for."""
    interrupted_at: float | None = None
    """When the caller began to speak over a reply that is still played."""

    def speech_began(self, at: float) -> None:
        """The caller's speech begins: a wait that goes on until now was in vain, unless a reply is being played."""
        if self.awaits_since is not None:
            self.unanswered += not self.playout.is_playing(at)
            self.awaits_since = None
        if self.playout.plays_until > at + PLAYS_ON_S and self.interrupted_at is None:
            self.interrupted_at = at

    def speech_ended(self, at: float) -> None:
        """The caller's speech has ended, and the wait begins."""
        self.awaits_since = at
        if not self.playout.is_playing(at):
            self.playout.reply_ended()

    def may_answer(self) -> bool:
        """Whether a sound that comes now would be the answer: it is waited for, and no older reply is still played."""
        return self.awaits_since is not None and self.playout.reply_began >= self.awaits_since

    def reply_heard(self, at: float) -> float:
        """The first sound of the answer is heard then. Returns the wait in ms."""
        assert self.awaits_since is not None, "a wait was going on"
        wait_ms = (at - self.awaits_since) * 1000
        self.awaits_since = None
        self.waits_ms.append(wait_ms)
        return wait_ms

    def silenced(self, now: float) -> float | None:
        """The buffer was emptied. Returns ms since the caller began to interrupt; None if nobody did."""
        if self.interrupted_at is None:
            return None
        ms = max((now - self.interrupted_at) * 1000, 0.0)
        self.interrupted_at = None
        self.barge_ins_ms.append(ms)
        return ms

    def look_again(self, now: float) -> None:
        """To be called about once a second: an interruption that nobody heeds is given up."""
        at = self.interrupted_at
        if at is None:
            return
        if self.playout.plays_until <= now:  # the reply ended by itself
            self.interrupted_at = None
        elif now - at > SILENT_WITHIN_S:
            self.ignored += 1
            self.interrupted_at = None

    def finish(self) -> None:
        """The call ends: a wait that goes on was in vain."""
        self.unanswered += self.awaits_since is not None
        self.awaits_since = None
