"""A call that follows documents, and whose talk with a person supervisors may join: as participants of the conference.

Only a person who was briefed is in a conference with the caller; whom a `<Dial>` has joined nobody can join. A leg of a
supervisor follows no document: the carrier puts it into the conference. Source: Twilio, "Conference Participant resource".
Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bridge.carriers.shared.dial_documents import hang_up_document
from bridge.carriers.shared.dial_verdict import MACHINES, WHY
from bridge.carriers.shared.document_words import SupervisionApi
from bridge.carriers.shared.elsewhere_call import ElsewhereCall
from bridge.carriers.shared.leg_control import LegControl
from bridge.carriers.shared.supervisors import SupervisorLegs, Supervisors
from bridge.carriers.shared.webhooks import ENDED_STATUSES, ExpectedCall
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import Nobody
from bridge.vocabulary.supervision import (
    CallSupervisor,
    ChangeSupervisor,
    EndSupervision,
    Supervise,
    SupervisorEvent,
    SupervisorNotReached,
)


class SupervisedDocumentCall(ElsewhereCall):
    """See `DocumentCall`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.controls: frozenset[type[ControlCommand]] = frozenset(self.can)
        """All that it performs."""
        self._supervisors = Supervisors(self._hang_up_on, self._tell_of_supervisor, self._change_role)
        self._conference = ""  # its SID, once it is known
        if self._api is not None:
            self.controls |= {Supervise, CallSupervisor, ChangeSupervisor, EndSupervision}

    def control(self, command: ControlCommand, now: float) -> None:
        """Do what the core commands."""
        match command:
            case Supervise():
                self._supervise(command, now)
            case CallSupervisor():
                self._call_supervisor(command, now)
            case ChangeSupervisor(supervisor, role):
                self._supervisors.change(supervisor, role)
            case EndSupervision(supervisor):
                self._supervisors.end(supervisor)
            case _:
                self.perform(command, now)  # type: ignore[arg-type]  # of the rest it can do nothing else

    @property
    def _with_requests(self) -> SupervisionApi:
        assert self._api is not None, "without it the command is not among those that it can"
        return self._api  # type: ignore[return-value]  # each carrier's has both

    def _supervise(self, command: Supervise, now: float) -> None:
        dial = self._dial
        if dial is None or not dial.is_room or dial.called.person_leg != command.person_leg:
            self._host.log("info", "= two who talk by <Dial> are in no conference", call_id=self.call_id)
            self._tell_of_supervisor(SupervisorNotReached(command.supervisor, Nobody.FAILED))
            return
        handles = [self._new_handle() for _ in command.group]
        legs = self._supervisors.begin(command, handles, now)
        shown = self._caller.shown(command.from_)
        for handle, to in zip(handles, command.group, strict=True):
            request = self._with_requests.add_supervisor(
                self._conference or dial.room,
                to,
                shown.ours if shown.is_callers else shown.number,
                role=command.role,
                person_leg=command.person_leg,
                address=self._address("person", handle),
                ring_s=command.ring_s,
            )
            placed = partial(self._supervisor_placed, legs, handle)
            self._host.send(request, placed, partial(self._supervisor_not_placed, legs, handle))
        self._calls.watch(self)

    def _call_supervisor(self, command: CallSupervisor, now: float) -> None:
        """Call a group as people are; whoever answers is given a stream, and is joined with nobody by the carrier."""
        handles = [self._new_handle() for _ in command.group]
        legs = self._supervisors.begin(command, handles, now)
        shown = self._caller.shown(command.from_)
        for handle, to in zip(handles, command.group, strict=True):
            request = self._with_requests.call_person(
                to,
                shown.ours if shown.is_callers else shown.number,
                address=self._address("person", handle),
                ring_s=command.ring_s,
                call_token=None,
            )
            placed = partial(self._supervisor_placed, legs, handle)
            self._host.send(request, placed, partial(self._supervisor_not_placed, legs, handle))
        self._calls.watch(self)

    def _stream_of_supervisor(self, legs: SupervisorLegs, handle: str, leg: str) -> str:
        """What the leg of a supervisor is answered: its stream, where it is the one that counts."""
        if leg != legs.called.person_leg:
            return hang_up_document()
        if leg not in self._leg_documents:
            control = LegControl(partial(self._supervisors.stream_over, legs))
            expected = ExpectedCall(
                leg, control=control, direction="outbound", briefs=self.call_id, supervises=True
            )
            goes_on = self._address("next", handle) + "?leg=person"
            self._leg_documents[leg] = self._words.stream(self._host.expect(expected), goes_on)
        return self._leg_documents[leg]

    def leg_next(self, handle: str) -> str:
        """The stream of a leg has ended: how does it go on? That of a supervisor does not."""
        return super().leg_next(handle) if handle in self._by_handle else hang_up_document()

    def _change_role(self, legs: SupervisorLegs, leg: str) -> None:
        conference = self._conference or ("" if self._dial is None else self._dial.room)
        request = self._with_requests.change_supervisor(
            conference, leg, role=legs.role, person_leg=legs.person_leg
        )
        self._host.send(request)

    def _hang_up_on(self, leg: str) -> None:
        self._host.send(self._with_requests.hang_up(leg))

    def _tell_of_supervisor(self, event: SupervisorEvent) -> None:
        self._host.tell(self.call_id, event)

    def _supervisor_placed(
        self, legs: SupervisorLegs, handle: str, data: Mapping[str, Any], _now: float
    ) -> None:
        self._conference = self._conference or str(data.get("conference_sid") or "")
        if leg := str(data.get("call_sid") or "") or self._with_requests.leg_in(data):
            self._supervisors.deliver(legs, legs.called.placed(handle, leg))

    def _supervisor_not_placed(
        self, legs: SupervisorLegs, handle: str, _why: CarrierRefused, _now: float
    ) -> None:
        self._supervisors.deliver(legs, legs.called.not_placed(handle))

    # What the carrier tells

    def person(self, handle: str, form: Mapping[str, str], now: float) -> str:
        """The leg of a person, or of a supervisor, has come so far."""
        if (legs := self._supervisors.find(handle)) is None:
            return super().person(handle, form, now) if handle in self._by_handle else ""
        leg, status = form.get("CallSid", ""), form.get("CallStatus", "")
        if status in ENDED_STATUSES:
            self._supervisors.ended(handle, leg, WHY.get(status, Nobody.NO_ANSWER), now)
            if legs.streams:
                self._host.call_ended(leg)
        elif legs.streams and form.get("AnsweredBy", "").startswith(MACHINES):
            self._supervisors.deliver(legs, legs.called.machine(handle, leg, now))
        elif status == "in-progress":
            self._supervisors.deliver(legs, legs.called.answered(handle, leg))
            return self._stream_of_supervisor(legs, handle, leg) if legs.streams else ""
        else:
            self._supervisors.deliver(legs, legs.called.placed(handle, leg))
        return ""

    def room(self, handle: str, form: Mapping[str, str], now: float) -> None:
        """The conference has come so far. Whoever supervises is none of the two."""
        dial, who = self._dial, form.get("CallSid", "")
        if dial is not None and dial.handle == handle:
            self._conference = form.get("ConferenceSid", "") or self._conference
            if supervisor := self._supervisors.handle_of(who) if who else "":
                if form.get("StatusCallbackEvent") == "participant-join":
                    self._supervisors.joined(supervisor, who, now)
                return
        super().room(handle, form, now)

    def back(self, handle: str, form: Mapping[str, str], now: float) -> str:
        """The talk is over, or has not come about: how does it go on?"""
        if self._dial is not None and self._dial.handle == handle:
            self._supervisors.end_all()
            self._conference = ""
        return super().back(handle, form, now)

    @property
    def look_at(self) -> float | None:
        """When `look` wants to be called."""
        dues = (super().look_at, self._supervisors.due_at)
        return min((due for due in dues if due is not None), default=None)

    def look(self, now: float) -> None:
        """See `DocumentCall`; and no verdict comes on supervisors who are called."""
        self._supervisors.due(now)
        super().look(now)
