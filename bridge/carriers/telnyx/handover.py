"""Puts one call under Call Control through to a person, and takes it back: requests out, webhooks of the person's leg in.

The person's leg is a phone call of its own, whose client state names the call and our handle of the leg. The caller's
stream is ended before the two are bridged: whether it would go on is not documented. `park_after_unbridge` keeps the
caller when the person leaves. Source: Telnyx, "Dial", "Bridge calls", "Streaming stop", "Voice API webhooks".
Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bridge.carriers.shared.called_people import CalledPeople, Outcome, Release
from bridge.carriers.shared.document_words import Shown, shown_number
from bridge.carriers.shared.leg_control import LegControl
from bridge.carriers.shared.webhooks import CallHost, ExpectedCall
from bridge.carriers.telnyx.elsewhere import Owner, TelnyxElsewhere
from bridge.carriers.telnyx.events import DETECTION_ENDED, CallEvent
from bridge.carriers.telnyx.person_state import MACHINES, WHY, PersonState
from bridge.carriers.telnyx.phone_call import Step
from bridge.carriers.telnyx.rest import RULE, TelnyxApi
from bridge.carriers.telnyx.supervision import TelnyxSupervision
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    EnterQueue,
    JoinPerson,
    Nobody,
    PutThrough,
    ReferCaller,
    ReleasePerson,
    TakeBack,
)


class TelnyxHandover:
    """The handovers of one call, one after the other."""

    def __init__(self, host: CallHost, api: TelnyxApi, owner: Owner) -> None:
        self._host = host
        self._api = api
        self._owner = owner
        self._call_id, self._phone_call = owner.call_id, owner.phone_call
        self.elsewhere = TelnyxElsewhere(host, api, owner)
        self.supervision = TelnyxSupervision(host, api, owner, self._shown, self._talks_with)
        self._called: CalledPeople | None = None  # those who were called last
        self._by_handle: dict[str, CalledPeople] = {}
        self._joins_at_answer = self._listens = False
        self._joining = ""  # the leg that is about to be joined
        self._stopping: set[str] = set()  # whose streams are being stopped
        self._wants_back = False  # once they are
        self._briefed: set[str] = set()

    # What the core commands; each returns the steps of the caller's phone call

    def call_people(self, command: CallPeople | PutThrough, now: float) -> list[Step]:
        """Call the group. `PutThrough`: whoever answers is joined at once."""
        self._phone_call.hold()
        self._joins_at_answer = isinstance(command, PutThrough)
        self._listens = isinstance(command, PutThrough) and command.listens
        targets = {self._host.new_handle(): to for to in command.group}
        if self._called is not None:  # of two groups the one before is over
            self._deliver(self._called.release())
        called = self._called = CalledPeople(
            targets,
            command.request_id,
            awaits_verdict=self._joins_at_answer and self._api.detects_machines_of_people,
        )
        self._by_handle |= dict.fromkeys(targets, called)
        shown = self._shown(command.from_)
        for handle, to in targets.items():
            self._owner.registered(handle)
            request = self._api.call_person(
                to,
                shown.ours if shown.is_callers else shown.number,
                self._host.unique_id(),
                call_id=self._call_id,
                ring_s=command.ring_s,
                webhook_url=f"{self._host.public_url}/telnyx/leg/{handle}",
                client_state=PersonState(command.person, handle, self._call_id).encode(),
                shows_caller=shown.is_callers,
            )
            placed, not_placed = (
                partial(self._placed, called, handle),
                partial(self._not_placed, called, handle),
            )
            self._host.send(request, placed, not_placed)
        called.rings_for(command.ring_s, now)
        return []

    def brief(self, command: BriefPerson, _now: float) -> list[Step]:
        """Have Telnyx open a media stream of the person's leg."""
        leg, called = command.person_leg, self._called
        if called is None or called.person_leg != leg:
            return []
        self._briefed.add(leg)
        control = LegControl(partial(self._briefing_over, called, leg))
        expected = ExpectedCall(
            leg, opens_s=RULE.give_up_s, control=control, direction="outbound", briefs=self._call_id
        )
        request = self._api.start_streaming(leg, self._host.unique_id(), self._host.expect(expected))
        self._host.send(request, None, partial(self._not_done, called))
        return []

    def join(self, command: JoinPerson, now: float) -> list[Step]:
        """End both streams, then bridge the two."""
        if self._called is not None and self._called.person_leg == command.person_leg:
            self._listens = command.listens
            self._join(command.person_leg, now)
        return []

    def release(self, command: ReleasePerson, _now: float) -> list[Step]:
        """Hang up on this person; without a leg on all who were called."""
        if not command.person_leg:
            self.elsewhere.release()
        if (called := self._called) is not None:
            if command.person_leg in ("", called.person_leg):
                self._phone_call.parked()
            self._deliver(called.release(command.person_leg))
        return []

    def take_back(self, _command: TakeBack, _now: float) -> list[Step]:
        """Have Telnyx open the caller's stream again, unless it is open; after it was stopped."""
        if self._call_id in self._stopping:
            self._wants_back = True
            return []
        return self.elsewhere.take_back()

    def go_elsewhere(self, command: EnterQueue | ReferCaller, now: float) -> list[Step]:
        """Take the caller into a queue, or to another line."""
        if self._called is not None:
            self._deliver(self._called.release())
        return self.elsewhere.begin(command, now)

    def session_over(self) -> None:
        """The session of the call has ended: whoever was called is hung up on.

        But for two who talk with each other, and for a briefing, which hangs up at its own end.
        """
        called = self._called
        if called is not None and not called.is_joined:
            leg = called.person_leg
            self._deliver(called.release(but=leg if leg and self._host.is_under_way(leg) else ""))

    def _talks_with(self) -> str:
        """The leg of the person whom the caller talks with; empty if there is none."""
        return self._called.person_leg if self._called is not None and self._called.is_joined else ""

    def _shown(self, from_: str) -> Shown:
        """The number that a person is shown; Telnyx puts the caller's in place of ours."""
        theirs, ours = self._phone_call.from_, self._phone_call.to
        if self._phone_call.direction == "outbound":
            theirs, ours = ours, theirs
        return shown_number(from_, theirs, ours)

    # What the webhooks say

    def handle(self, handle: str, event: CallEvent, now: float) -> None:
        """The leg with this handle has come so far."""
        if self.supervision.handle(handle, event, now):
            return
        if (called := self._by_handle.get(handle)) is None:
            return
        leg = event.call_id
        match event.type:
            case "call.initiated":
                self._deliver(called.rings(handle, leg))
            case "call.answered":
                self._deliver(called.answered(handle, leg))
                if self._joins_at_answer and called is self._called and called.person_leg == leg:
                    self._join(leg, now)
            case "call.bridged":
                self.bridged(now)
            case "call.hangup":
                self._ended(called, handle, event, now)
            case "streaming.failed" if (
                leg == called.person_leg and not called.is_joined and not self._joining
            ):
                self._lost(called, now)
            case kind if kind in DETECTION_ENDED and event.result in MACHINES:
                if leg == called.person_leg:
                    self._joining = ""
                    self._phone_call.parked()
                self._deliver(called.machine(handle, leg, now))
            case kind if kind in DETECTION_ENDED:
                self._deliver(called.no_machine(handle, leg))

    def bridged(self, now: float) -> None:
        """Telnyx has joined the caller with a person: so it says of either leg."""
        called = self._called
        if called is not None and self._joining and called.person_leg == self._joining:
            self._joining = ""
            self._phone_call.bridged()
            self._deliver(called.joined(now))
            if self._listens:
                self._owner.send(self._phone_call.listen(), now)

    def caller_gone(self) -> None:
        """The caller has hung up: nobody who rings is left ringing, and whoever talked with them is hung up on."""
        self.session_over()
        self.supervision.supervisors.end_all()
        called = self._called
        if called is not None and called.is_joined:
            self._deliver(called.release())

    def server_closes(self) -> None:
        """Nobody is left ringing, or being briefed; two who talk go on talking."""
        if self._called is not None and not self._called.is_joined:
            self._deliver(self._called.release())

    @property
    def due_at(self) -> float | None:
        """When `due` wants to be called."""
        dues = (None if self._called is None else self._called.due_at, self.supervision.supervisors.due_at)
        return min((due for due in dues if due is not None), default=None)

    def due(self, now: float) -> None:
        """No verdict came in time on those who are called."""
        self.supervision.supervisors.due(now)
        if self._called is not None and self._called.due_at is not None and self._called.due_at <= now:
            self._deliver(self._called.due())

    def _ended(self, called: CalledPeople, handle: str, event: CallEvent, now: float) -> None:
        if called.person_leg == event.call_id:
            self._joining = ""
            self._phone_call.parked()
        self._deliver(called.ended(handle, event.call_id, WHY.get(event.hangup_cause, Nobody.FAILED), now))
        self._host.call_ended(event.call_id)
        if not self._host.is_under_way(
            self._call_id
        ):  # they went on talking, and nobody would speak to the caller now
            self._owner.send(self._phone_call.stream_over(), now)

    def _lost(self, called: CalledPeople, now: float) -> None:
        self._joining = ""
        self._phone_call.parked()
        self._deliver(called.lost(now))

    # Joining

    def _join(self, leg: str, now: float) -> None:
        if self._joining == leg:
            return
        self._joining, self._wants_back = leg, False
        self._phone_call.stops_stream()
        briefed = {leg} & self._briefed
        self._stopping = {self._call_id} | briefed
        for one in sorted(self._stopping):
            self._host.close_stream(one, "joined with each other")
            stopped = partial(self._stopped, one, leg)
            self._host.send(self._api.stop_streaming(one, self._host.unique_id()), stopped, stopped)

    def _stopped(self, one: str, leg: str, _answer: Mapping[str, Any] | CarrierRefused, now: float) -> None:
        """A stream is ended, or will not end: the bridge is tried all the same."""
        if one not in self._stopping:
            return
        self._stopping.remove(one)
        if self._wants_back and one == self._call_id:
            self._wants_back = False
            self._owner.send(self._phone_call.take_back(), now)
        called = self._called
        if not self._stopping and called is not None and called.person_leg == leg == self._joining:
            request = self._api.bridge(self._call_id, self._host.unique_id(), leg)
            self._host.send(request, None, partial(self._not_done, called))

    def _not_done(self, called: CalledPeople, _why: CarrierRefused, now: float) -> None:
        """The person can be neither briefed nor joined."""
        if called is self._called:
            self._lost(called, now)

    def _briefing_over(self, called: CalledPeople, leg: str) -> None:
        if leg != self._joining and not called.is_joined:
            self._deliver(called.release(leg))

    # What is told

    def _placed(self, called: CalledPeople, handle: str, data: Mapping[str, Any], _now: float) -> None:
        if leg := str(data.get("call_control_id") or ""):
            self._deliver(called.placed(handle, leg))

    def _not_placed(self, called: CalledPeople, handle: str, _why: CarrierRefused, _now: float) -> None:
        self._deliver(called.not_placed(handle))

    def _deliver(self, outcome: Outcome) -> None:
        for one in outcome:
            if isinstance(one, Release):
                self._host.send(self._api.hang_up(one.person_leg, self._host.unique_id()))
            else:
                self._host.tell(self._call_id, one)
