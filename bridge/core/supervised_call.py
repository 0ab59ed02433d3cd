"""A call whose talk with a person a supervisor may join by the carrier, because no stream of ours is left in it.

`supervision` has who is called, and in which role; here is when: while the caller is with a person. No clock.
"""

from typing import Any, get_args

from bridge.core.call_tables import Reads, ReadsByState
from bridge.core.handover import Handover
from bridge.core.handover_phase import Phase
from bridge.core.operated_room import OperatedRoomCall, operated_room_falls_due
from bridge.core.room_call import room_reads
from bridge.core.states import State
from bridge.core.supervision import Supervision
from bridge.vocabulary.commands import Command
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.operator import OperatorEvent
from bridge.vocabulary.people import CloseStream
from bridge.vocabulary.supervision import (
    SuperviseRequested,
    SupervisionRefused,
    SupervisorEvent,
    SupervisorRole,
)

NO_CONFERENCE = (
    "the carrier joined the caller and the person without a conference, which a supervisor could join"
)
ELSEWHERE = "the carrier has the caller in its queue or at another line, where no supervisor can join"
INSTEAD = (
    'for calls that are to be supervised, use a person of your own with how = "warm", or with stays = "mixes"'
)


class SupervisedCall(OperatedRoomCall):
    """See `OperatedRoomCall`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._supervision = Supervision(self._people.supervisors, self._rules.can)

    def why_not(self, event: OperatorEvent) -> str:
        """Why this cannot be done now, in words for an operator; empty if it can."""
        if isinstance(event, SuperviseRequested):
            return self._why_not_supervise(event)
        return super().why_not(event)

    def _why_not_supervise(self, event: SuperviseRequested) -> str:
        if event.role is not SupervisorRole.LEAVE and (why := self._why_nobody_can_join()):
            return why
        return self._supervision.why_not(event, self._talks_with)

    def _why_nobody_can_join(self) -> str:
        """Why the carrier can have no supervisor where the caller is, and what to do; empty if it can, or there is no talk.

        A carrier whose stream is closed for a handover obeys documents: it joins whoever is not briefed by `<Dial>`.
        """
        handover = self._handover
        if handover is None or not handover.is_away or handover.person.mixes:
            return ""
        if handover.is_elsewhere:
            return f"{ELSEWHERE}: {INSTEAD}"
        is_dialled = not handover.person.is_warm and CloseStream in self._rules.can
        return f"{NO_CONFERENCE}: {INSTEAD}" if is_dialled else ""

    @property
    def _talks_with(self) -> str:
        """The leg of the person whom the caller talks with on the carrier's side; empty if there is none."""
        handover = self._handover
        is_talk = handover is not None and handover.phase is Phase.WITH_PERSON and not handover.person.mixes
        return handover.person_leg if handover is not None and is_talk else ""

    def _supervise_requested(self, event: SuperviseRequested, _now: float) -> list[Command]:
        if why := self._why_not_supervise(event):
            return [SupervisionRefused(event.supervisor, why)]
        return self._supervision.request(event, self._talks_with)

    def _supervisor(self, event: SupervisorEvent, _now: float) -> list[Command]:
        """The carrier says what became of a supervisor."""
        return self._supervision.handle(event)

    def _note_end(self, handover: Handover, now: float) -> list[Command]:
        return self._supervision.end("the talk is over") + super()._note_end(handover, now)

    def _leave_people(self, event: Any, now: float) -> list[Command]:
        """The server stops: the two go on talking, and supervisors stay with them."""
        self._supervision = Supervision({}, ())
        return super()._leave_people(event, now)


def supervised_reads(call: type[SupervisedCall]) -> ReadsByState:
    """The table of this class of calls."""
    rows: Reads = {
        **dict([on(SuperviseRequested, call._supervise_requested)]),
        **dict.fromkeys(get_args(SupervisorEvent), call._supervisor),
    }
    ended = (State.ENDED,)
    tables = room_reads(call)
    return {
        state: (read if state in ended else read | rows, converse)
        for state, (read, converse) in tables.items()
    }


SupervisedCall.READS = supervised_reads(SupervisedCall)
SupervisedCall.FALLS_DUE = operated_room_falls_due(SupervisedCall)
