"""The state machine of a call that follows documents, TwiML or TeXML, and goes to a person and back.

The call asks `next` when its stream has ended, and `back` when its `<Dial>` has: what was commanded by then is what it
is answered. A stream of ours and a `<Dial>` exclude each other:

stream ──we close it──▶ between ──next: Dial──▶ dial ──back──▶ between ──Stream──▶ stream

Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from bridge.carriers.shared.called_people import CalledPeople, Outcome, Release
from bridge.carriers.shared.dial_documents import Target, hang_up_document, redirect_document
from bridge.carriers.shared.dial_verdict import MACHINES, WHY, Dial
from bridge.carriers.shared.document_words import Caller, DocumentApi, DocumentWords
from bridge.carriers.shared.leg_control import LegControl
from bridge.carriers.shared.listening import Listening
from bridge.carriers.shared.silent_call import ASKS_S, BACK_S, SilentCall
from bridge.carriers.shared.webhooks import ENDED_STATUSES, CallHost, ExpectedCall
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    CloseStream,
    JoinPerson,
    Nobody,
    PersonAnswered,
    PersonCommand,
    PersonRings,
    PutThrough,
    ReleasePerson,
    TakeBack,
)

if TYPE_CHECKING:
    from bridge.carriers.shared.document_calls import DocumentCalls

WITH_REQUESTS: frozenset[type[PersonCommand]] = frozenset({CallPeople, BriefPerson, JoinPerson})
"""The commands that need the REST API."""


class Place(StrEnum):
    """Where the call is."""

    STREAM = "stream"
    BETWEEN = "between"
    """It asks us how it goes on, or is about to."""
    DIAL = "dial"


class DocumentCall:
    """One call. `then`: where it goes on after its end, if not nowhere.

    `may_return`: whether a stream that broke may come back at any time; in a handover it always may. `api`: None:
    there is no account for requests.
    """

    def __init__(
        self,
        host: CallHost,
        words: DocumentWords,
        api: DocumentApi | None,
        caller: Caller,
        calls: "DocumentCalls",
        *,
        then: str | None = None,
        may_return: bool = False,
    ) -> None:
        self.call_id = caller.call_id
        self.place = Place.STREAM
        self.can: frozenset[type[PersonCommand]] = frozenset(_PERFORM) | {CloseStream}
        if api is None:
            self.can -= WITH_REQUESTS
        self._expected = ExpectedCall(caller.call_id)
        self._host = host
        self._words = words
        self._api = api
        self._caller = caller
        self._calls = calls
        self._then = then
        self._may_return = may_return
        self._pending: Callable[[], str] | None = None  # what it is answered when it asks
        self._dial: Dial | None = None  # while it is in one, or about to be
        self._called: CalledPeople | None = None  # those who were called last
        self._by_handle: dict[str, CalledPeople] = {}
        self._leg_documents: dict[str, str] = {}  # what the leg of a person is answered
        self._listening = Listening(host, words, caller.call_id)
        self._answered_back = ("", "")  # the handle of the last `back`, and its document
        self._silent = SilentCall(host, api, self.call_id, self._stuck, lambda: calls.watch(self))
        self.handle = self._new_handle()
        """What its `next` has."""

    def perform(self, command: PersonCommand, now: float) -> None:
        """Do what the core commands."""
        _PERFORM[type(command)](self, command, now)

    def begin(self, expected: ExpectedCall) -> str:
        """The document that connects a call, announced so, to its media socket."""
        self._expected = expected
        return self._stream()

    def _stream(self, *, continues: bool = False) -> str:
        """The call's stream, after which it asks `next`."""
        self.place = Place.STREAM
        url = self._host.expect(self._expected._replace(continues=continues))
        return self._words.stream(url, self._address("next", self.handle))

    def _back_to_stream(self) -> str:
        return self._listening.end(self._stream(continues=True))

    def session_over(self) -> None:
        """The session has ended: whoever was called is hung up on.

        But for two who talk with each other, and for a briefing, which hangs up at its own end.
        """
        self._silent.asks()
        called = self._called
        if called is not None and not called.is_joined:
            leg = called.person_leg
            self._deliver(called.release(but=leg if leg and self._host.is_under_way(leg) else ""))

    # What the core commands

    def _call_people(self, command: CallPeople, now: float) -> None:
        assert self._api is not None, "without it the command is not among those that it can"
        self._may_return = True
        targets = {self._new_handle(): to for to in command.group}
        called, shown = self._begin(targets, command.request_id), self._caller.shown(command.from_)
        token = self._caller.call_token if shown.is_callers else ""
        for handle, to in targets.items():
            request = self._api.call_person(
                to,
                shown.number if token or not shown.is_callers else shown.ours,
                address=self._address("person", handle),
                ring_s=command.ring_s,
                call_token=token or None,
            )
            placed = partial(self._placed, called, handle)
            self._host.send(request, placed, partial(self._not_placed, called, handle))
        called.rings_for(command.ring_s, now)
        self._calls.watch(self)

    def _put_through(self, command: PutThrough, now: float) -> None:
        self._may_return = True
        targets = {self._new_handle(): to for to in command.group}
        called = self._begin(targets, command.request_id, awaits_verdict=self._words.detects_machines)
        dial = Dial(self._new_handle(), called, is_room=False)
        told = [Target(to, self._address("person", handle)) for handle, to in targets.items()]
        action, shown = self._address("back", dial.handle), self._caller.shown(command.from_).number
        document = partial(self._words.dial, told, action, command.ring_s, shown)
        self._go_on(dial, document, now, listens=command.listens)

    def _brief(self, command: BriefPerson, _now: float) -> None:
        leg, called = command.person_leg, self._called
        if called is not None and called.person_leg == leg:
            control = LegControl(partial(self._briefing_over, called, leg))
            url = self._host.expect(
                ExpectedCall(leg, control=control, direction="outbound", briefs=self.call_id)
            )
            self._leg_documents[leg] = self._words.stream(
                url, self._address("next", called.handle) + "?leg=person"
            )

    def _join(self, command: JoinPerson, now: float) -> None:
        leg, called = command.person_leg, self._called
        if called is None or called.person_leg != leg:
            return
        dial, room = Dial(self._new_handle(), called, is_room=True), self._host.new_handle()
        dial.room = room
        callback, action = self._address("room", dial.handle), self._address("back", dial.handle)
        self._leg_documents[leg] = self._words.room(room, "person", callback, None)
        document = partial(self._words.room, room, "caller", callback, action)
        self._go_on(dial, document, now, listens=command.listens)
        self._host.close_stream(leg, "joined with the caller")

    def _briefing_over(self, called: CalledPeople, leg: str) -> None:
        is_joining = self._dial is not None and self._dial.is_room and self._dial.called is called
        if not is_joining:
            self._deliver(called.release(leg))

    def _release(self, command: ReleasePerson, _now: float) -> None:
        if self._called is not None:
            self._deliver(self._called.release(command.person_leg))

    def _take_back(self, _command: TakeBack, now: float) -> None:
        if self.place is Place.STREAM:
            return
        if self._dial is not None:
            self._dial.called.close()
        self._dial, self._pending = None, self._back_to_stream
        if self.place is Place.DIAL:
            self._redirect(now)

    def _begin(
        self, targets: Mapping[str, str], request_id: str, *, awaits_verdict: bool = False
    ) -> CalledPeople:
        if self._called is not None:  # of two groups the one before is over
            self._deliver(self._called.release())
        self._called = CalledPeople(targets, request_id, awaits_verdict=awaits_verdict)
        self._by_handle |= dict.fromkeys(targets, self._called)
        return self._called

    def _go_on(self, dial: Dial, document: Callable[[], str], now: float, *, listens: bool) -> None:
        """Have the call go on with this `<Dial>`. `listens`: and have a stream listen beside it."""

        def answer() -> str:
            self.place = Place.DIAL
            return self._listening.begin(document()) if listens else document()

        self._dial, self._pending = dial, answer
        if self.place is Place.STREAM:
            self.place = Place.BETWEEN
            self._silent.look_in(ASKS_S, now)
        elif self.place is Place.DIAL:
            self._redirect(now)

    def _redirect(self, now: float) -> None:
        """Have a call that does not ask by itself ask `next`."""
        self.place = Place.BETWEEN
        if self._api is not None:
            self._host.send(self._api.redirect(self.call_id, self._address("next", self.handle)))
        self._silent.is_made_to_ask(now)

    # What the caller's call asks

    def next(self) -> str:
        """Its stream has ended: how does it go on?"""
        self._asks()
        return self._answer()

    def back(self, handle: str, form: Mapping[str, str], now: float) -> str:
        """Its `<Dial>` has ended: how does it go on?"""
        if self._silent.is_redirected and (self._dial is None or self._dial.handle != handle):
            return redirect_document(
                self._address("next", self.handle), after_s=1
            )  # the redirect is on its way
        if handle != self._answered_back[0]:  # else it asks a second time
            self._asks()
            dial = self._dial
            if dial is not None and dial.handle == handle:
                self._dial = None
                verdict = dial.verdict(form, now)
                if dial.is_room:  # the caller may have left it alone
                    self._deliver(dial.called.release())
                dial.called.close()
                self._host.tell(self.call_id, verdict)
            self._answered_back = handle, self._answer()
        return self._answered_back[1]

    def _asks(self) -> None:
        self.place = Place.BETWEEN
        self._silent.asks()

    def _answer(self) -> str:
        pending, self._pending = self._pending, None
        if self._host.is_under_way(self.call_id) and (pending or self._may_return):
            return (pending or self._back_to_stream)()
        if self._then is not None:
            return redirect_document(self._then)
        self._host.call_ended(self.call_id)
        return hang_up_document()

    # What the leg of a person tells and asks

    def leg_next(self, handle: str) -> str:
        """The stream of the leg has ended: how does it go on?"""
        called, dial = self._by_handle[handle], self._dial
        is_joined = dial is not None and dial.is_room and dial.called is called and called.handle == handle
        return self._leg_documents[called.person_leg] if is_joined else hang_up_document()

    def person(self, handle: str, form: Mapping[str, str], now: float) -> str:
        """The leg has come so far, or asks for its document; empty where it does not."""
        called, leg, status = self._by_handle[handle], form.get("CallSid", ""), form.get("CallStatus", "")
        dial = self._dial if self._dial is not None and self._dial.called is called else None
        tell = self._deliver if dial is None or dial.is_room else partial(self._tell_of_dial, dial)
        if status in ENDED_STATUSES:
            self._leg_ended(dial, called, handle, form, now)
        elif (answered_by := form.get("AnsweredBy", "")).startswith(MACHINES):
            if dial is not None:
                dial.is_machine = True
            tell(called.machine(handle, leg, now))
        elif answered_by and status != "in-progress":
            self._deliver(called.no_machine(handle, leg))
        elif status == "ringing":
            tell(called.rings(handle, leg))
        elif status == "in-progress":
            tell(called.answered(handle, leg))
            if dial is None or dial.is_room:
                return self._document_of(called, handle, leg)
            self._deliver(called.joined(now))
            self._deliver(called.no_machine(handle, leg) if answered_by else [])
            self._calls.watch(self)
        else:
            tell(called.placed(handle, leg))
        return ""

    def _document_of(self, called: CalledPeople, handle: str, leg: str) -> str:
        if leg != called.person_leg:
            return hang_up_document()
        asks_again = redirect_document(self._address("person", handle), after_s=1)
        return self._leg_documents.get(leg) or asks_again

    def _leg_ended(
        self, dial: Dial | None, called: CalledPeople, handle: str, form: Mapping[str, str], now: float
    ) -> None:
        leg = form.get("CallSid", "")
        if dial is not None and (not dial.is_room or called.is_joined):
            called.hung_up(handle)
            if leg == called.person_leg:  # `back` says what it means, if the caller is still there
                self._silent.look_in(BACK_S, now)
            return
        why = WHY.get(form["CallStatus"], Nobody.NO_ANSWER)
        self._deliver(called.ended(handle, leg, why, now))
        self._host.call_ended(leg)

    def room(self, handle: str, form: Mapping[str, str], now: float) -> None:
        """The conference of the caller and the person has come so far."""
        dial = self._dial
        if dial is None or dial.handle != handle:
            return
        event, who = form.get("StatusCallbackEvent", ""), form.get("CallSid", "")
        if event == "participant-join":
            dial.in_room |= {who}
        if event == "conference-start" or len(dial.in_room) > 1:
            self._deliver(dial.called.joined(now))
        if event in ("participant-leave", "conference-end"):
            self._silent.look_in(BACK_S, now)

    # A call that does not ask

    @property
    def look_at(self) -> float | None:
        """When `look` wants to be called."""
        dues = (self._silent.at, None if self._called is None else self._called.due_at)
        return min((due for due in dues if due is not None), default=None)

    def look(self, now: float) -> None:
        """Find out why the call does not ask how it goes on; no verdict comes on those who are called."""
        called = self._called
        if called is not None and called.due_at is not None and called.due_at <= now:
            self._deliver(called.due())
        if self._silent.at is not None and self._silent.at <= now:
            self._silent.look(now)
        if self.look_at is not None:
            self._calls.watch(self)

    def _stuck(self, now: float) -> None:
        """The call is there, and does not ask: its person is gone, or it has to be made to ask."""
        if self._dial is not None and self.place is Place.DIAL:
            self._deliver(self._dial.called.lost(now))
        else:
            self._redirect(now)

    # What is told

    def _placed(self, called: CalledPeople, handle: str, data: Mapping[str, Any], _now: float) -> None:
        assert self._api is not None, "it took the request"
        if leg := self._api.leg_in(data):
            self._deliver(called.placed(handle, leg))

    def _not_placed(self, called: CalledPeople, handle: str, _why: CarrierRefused, _now: float) -> None:
        self._deliver(called.not_placed(handle))

    def _tell_of_dial(self, dial: Dial, outcome: Outcome) -> None:
        """Of those whom a `<Dial>` calls: the carrier hangs up on all but one, and `back` says what became of them."""
        told = (PersonRings, PersonAnswered, Release) if dial.is_machine else (PersonRings, PersonAnswered)
        self._deliver([one for one in outcome if isinstance(one, told)])

    def _deliver(self, outcome: Outcome) -> None:
        for one in outcome:
            if isinstance(one, Release):
                if self._api is not None:
                    self._host.send(self._api.hang_up(one.person_leg))
            else:
                self._host.tell(self.call_id, one)

    def _new_handle(self) -> str:
        handle = self._host.new_handle()
        self._calls.register(handle, self)
        return handle

    def _address(self, kind: str, handle: str) -> str:
        return f"{self._host.public_url}/{self._words.carrier}/{kind}/{handle}"


_PERFORM: dict[type[PersonCommand], Callable[[DocumentCall, Any, float], None]] = dict(
    [
        on(CallPeople, DocumentCall._call_people),
        on(PutThrough, DocumentCall._put_through),
        on(BriefPerson, DocumentCall._brief),
        on(JoinPerson, DocumentCall._join),
        on(ReleasePerson, DocumentCall._release),
        on(TakeBack, DocumentCall._take_back),
    ]
)
