"""Supervisors of one call under Call Control: where it is bridged with a person, each is a call that supervises the person's
leg; where the bridge mixes, each is a call with a media stream of ours.

Source: Telnyx, "Dial", `supervise_call_control_id`, `supervisor_role`; "Switch supervisor role". Whoever whispers is heard by
the supervised leg alone, so that leg is the person's. Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bridge.carriers.shared.document_words import Shown
from bridge.carriers.shared.leg_control import LegControl
from bridge.carriers.shared.supervisors import SupervisorLegs, Supervisors
from bridge.carriers.shared.webhooks import CallHost, ExpectedCall
from bridge.carriers.telnyx.elsewhere import Owner
from bridge.carriers.telnyx.events import DETECTION_ENDED, CallEvent
from bridge.carriers.telnyx.person_state import MACHINES, WHY, PersonState
from bridge.carriers.telnyx.phone_call import Step
from bridge.carriers.telnyx.rest import RULE, TelnyxApi
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import Nobody
from bridge.vocabulary.supervision import (
    CallSupervisor,
    ChangeSupervisor,
    EndSupervision,
    Supervise,
    SupervisorEvent,
    SupervisorNotReached,
    SupervisorRole,
)

ROLES: dict[SupervisorRole, str] = {
    SupervisorRole.LISTEN: "monitor",
    SupervisorRole.WHISPER: "whisper",
    SupervisorRole.BARGE: "barge",
}
"""In Telnyx's words."""


class TelnyxSupervision:
    """Those of one call. `shown`: the number that a supervisor is shown. `talks_with`: the leg that the caller talks with."""

    def __init__(
        self,
        host: CallHost,
        api: TelnyxApi,
        owner: Owner,
        shown: Callable[[str], Shown],
        talks_with: Callable[[], str],
    ) -> None:
        self._host = host
        self._api = api
        self._owner = owner
        self._shown = shown
        self._talks_with = talks_with
        self.supervisors = Supervisors(self._hang_up, self._tell, self._change)

    def supervise(self, command: Supervise, now: float) -> list[Step]:
        """Call the group; whoever answers first is in the talk."""
        if self._talks_with() != command.person_leg:
            self._tell(SupervisorNotReached(command.supervisor, Nobody.FAILED))
            return []
        handles = [self._host.new_handle() for _ in command.group]
        legs = self.supervisors.begin(command, handles, now)
        shown = self._shown(command.from_)
        for handle, to in zip(handles, command.group, strict=True):
            self._owner.registered(handle)
            request = self._api.call_supervisor(
                to,
                shown.ours if shown.is_callers else shown.number,
                self._host.unique_id(),
                person_leg=command.person_leg,
                role=ROLES[command.role],
                ring_s=command.ring_s,
                webhook_url=f"{self._host.public_url}/telnyx/leg/{handle}",
                client_state=PersonState(command.supervisor, handle, self._owner.call_id).encode(),
            )
            placed = partial(self._placed, legs, handle)
            self._host.send(request, placed, partial(self._not_placed, legs, handle))
        return []

    def call(self, command: CallSupervisor, now: float) -> list[Step]:
        """Call the group; whoever answers first is given a media stream."""
        handles = [self._host.new_handle() for _ in command.group]
        legs = self.supervisors.begin(command, handles, now)
        shown = self._shown(command.from_)
        for handle, to in zip(handles, command.group, strict=True):
            self._owner.registered(handle)
            request = self._api.call_person(
                to,
                shown.ours if shown.is_callers else shown.number,
                self._host.unique_id(),
                call_id=self._owner.call_id,
                ring_s=command.ring_s,
                webhook_url=f"{self._host.public_url}/telnyx/leg/{handle}",
                client_state=PersonState(command.supervisor, handle, self._owner.call_id).encode(),
            )
            placed = partial(self._placed, legs, handle)
            self._host.send(request, placed, partial(self._not_placed, legs, handle))
        return []

    def _answered(self, legs: SupervisorLegs, handle: str, leg: str, now: float) -> None:
        """Have Telnyx open a media stream of the leg, where it is the one that counts."""
        had = legs.called.person_leg
        self.supervisors.deliver(legs, legs.called.answered(handle, leg))
        if had or leg != legs.called.person_leg:
            return
        control = LegControl(partial(self.supervisors.stream_over, legs))
        expected = ExpectedCall(
            leg,
            opens_s=RULE.give_up_s,
            control=control,
            direction="outbound",
            briefs=self._owner.call_id,
            supervises=True,
        )
        request = self._api.start_streaming(leg, self._host.unique_id(), self._host.expect(expected))
        self._host.send(request, None, lambda _why, at: self.supervisors.lost(legs, at))

    def change(self, command: ChangeSupervisor, _now: float) -> list[Step]:
        """Give a supervisor another role."""
        self.supervisors.change(command.supervisor, command.role)
        return []

    def end(self, command: EndSupervision, _now: float) -> list[Step]:
        """Hang up on a supervisor."""
        self.supervisors.end(command.supervisor)
        return []

    def handle(self, handle: str, event: CallEvent, now: float) -> bool:
        """The leg with this handle has come so far. Returns whether it is a supervisor's."""
        if (legs := self.supervisors.find(handle)) is None:
            return False
        match event.type:
            case "call.initiated":
                self.supervisors.deliver(legs, legs.called.placed(handle, event.call_id))
            case "call.answered" if legs.streams:
                self._answered(legs, handle, event.call_id, now)
            case "streaming.failed" if legs.streams and event.call_id == legs.called.person_leg:
                self.supervisors.lost(legs, now)
            case kind if kind in DETECTION_ENDED and legs.streams and event.result in MACHINES:
                self.supervisors.deliver(legs, legs.called.machine(handle, event.call_id, now))
            case "call.answered":
                self.supervisors.joined(handle, event.call_id, now)
            case "call.hangup":
                why = WHY.get(event.hangup_cause, Nobody.FAILED)
                self.supervisors.ended(handle, event.call_id, why, now)
                self._host.call_ended(event.call_id)
        return True

    def _change(self, legs: SupervisorLegs, leg: str) -> None:
        self._host.send(self._api.switch_supervisor_role(leg, ROLES[legs.role]))

    def _hang_up(self, leg: str) -> None:
        self._host.send(self._api.hang_up(leg, self._host.unique_id()))

    def _tell(self, event: SupervisorEvent) -> None:
        self._host.tell(self._owner.call_id, event)

    def _placed(self, legs: SupervisorLegs, handle: str, data: Mapping[str, Any], _now: float) -> None:
        if leg := str(data.get("call_control_id") or ""):
            self.supervisors.deliver(legs, legs.called.placed(handle, leg))

    def _not_placed(self, legs: SupervisorLegs, handle: str, _why: CarrierRefused, _now: float) -> None:
        self.supervisors.deliver(legs, legs.called.not_placed(handle))
