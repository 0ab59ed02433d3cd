"""A call that a supervisor joins by calling in, on a leg that we did not place.

An operator may have the call wait for one supervisor. One who is not waited for may come as well, and listens. Who may call
in, and which call they get, is decided before. No clock: `now` is seconds.
"""

from bridge.core.call_tables import ReadsByState
from bridge.core.joined_call import MIXES, STREAM_S, JoinedCall, joined_reads
from bridge.core.mixed_supervisor import MixedSupervisor
from bridge.core.states import State
from bridge.core.timers import Timer
from bridge.vocabulary.commands import Command
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.room import DismissMember
from bridge.vocabulary.supervision import (
    EndSupervision,
    SuperviseRequested,
    SupervisionRefused,
    SupervisorAnswered,
    SupervisorCalledIn,
    SupervisorEvent,
    SupervisorJoined,
    SupervisorRole,
)

ON_CARRIERS_SIDE = "the caller talks with a person on the carrier's side"


class CalledInCall(JoinedCall):
    """See `JoinedCall`."""

    @property
    def awaits(self) -> tuple[str, float] | None:
        """The supervisor whose call is waited for, and since when; None: nobody's is."""
        here = self._supervisor_here
        return (here.name, here.waits_since) if here is not None and here.waits else None

    def why_not_join(self, supervisor: str) -> str:
        """Why this supervisor, who calls in, cannot join the call now, in words; empty if they can."""
        here = self._supervisor_here
        if self.state is State.WITH_PERSON:
            return ON_CARRIERS_SIDE
        if self.state not in (*MIXES, State.HOLDING, State.IN_ROOM):
            return "the call has not begun, or is about to end"
        if supervisor not in self._people.supervisors:
            return "there is no supervisor of this name"
        if here is not None and here.name != supervisor:
            return f"{here.name} supervises the call; it can have one supervisor at a time"
        if here is not None and not here.waits:
            return "the supervisor is there, or is being called"
        return "the caller is on hold" if here is None and self.state is State.HOLDING else ""

    def _supervisor_called_in(self, event: SupervisorCalledIn, now: float) -> list[Command]:
        """The stream of the leg joins next."""
        name, leg = event.supervisor, event.supervisor_leg
        if why := self.why_not_join(name):
            return [SupervisionRefused(name, why), DismissMember(leg, why)]
        here = self._supervisor_here or MixedSupervisor(name, self._people.supervisors[name])
        self._supervisor_here = here
        here.calls_in, here.leg = True, leg
        self.timers.set(Timer.SUPERVISOR, now + STREAM_S)
        return []

    # What an operator asks

    def _why_not_supervise(self, event: SuperviseRequested) -> str:
        is_away = self.state is State.WITH_PERSON and event.calls_in
        is_leave = event.role is SupervisorRole.LEAVE
        return ON_CARRIERS_SIDE if is_away and not is_leave else super()._why_not_supervise(event)

    def _why_not_reached(self, event: SuperviseRequested) -> str:
        here = self._supervisor_here
        is_called = not event.calls_in and (here is None or not here.leg)
        return super()._why_not_reached(event) if is_called else ""

    def _supervise_requested(self, event: SuperviseRequested, now: float) -> list[Command]:
        here = self._supervisor_here
        is_new = here is None and event.calls_in
        is_to_be_called = here is not None and here.waits and not event.calls_in
        if event.role is SupervisorRole.LEAVE or not (is_new or is_to_be_called):
            return super()._supervise_requested(event, now)
        if why := self._why_not_supervise(event):
            return [SupervisionRefused(event.supervisor, why)]
        one = self._people.supervisors[event.supervisor]
        here = here or MixedSupervisor(event.supervisor, one)
        self._supervisor_here = here
        here.does(event, self._whispered_to(event))
        if is_to_be_called:
            here.calls_in = False
            return self._call_next(here, now)
        here.calls_in, here.waits_since = True, now
        self.timers.set(Timer.SUPERVISOR, now + one.waits_s)
        return []

    # What the carrier says

    def _supervisor(self, event: SupervisorEvent, now: float) -> list[Command]:
        """Of legs that were called for who now calls in, or has, only an answer means something: it comes too late."""
        here, name = self._supervisor_here, event.supervisor
        if here is None or here.name != name or not here.calls_in:
            return super()._supervisor(event, now)
        is_there = isinstance(event, SupervisorAnswered | SupervisorJoined)
        return [EndSupervision(name, "they call in")] if is_there else self._count("late_supervisor_events")


def called_in_reads(call: type[CalledInCall]) -> ReadsByState:
    """The table of this class of calls."""
    called_in = dict([on(SupervisorCalledIn, call._supervisor_called_in)])
    return {
        state: (read if state is State.ENDED else read | called_in, converse)
        for state, (read, converse) in joined_reads(call).items()
    }


CalledInCall.READS = called_in_reads(CalledInCall)
CalledInCall.FALLS_DUE = JoinedCall.FALLS_DUE
