"""Connects the call of a caller with the calls of people who are briefed about it: what one says, the other is told.

A person's leg has a media socket and a session of its own. It is announced as an `ExpectedCall` whose `briefs` is the
call of the caller; the carrier's own word for the leg is its `call_id`.
"""

from collections.abc import Mapping
from functools import partial

import structlog

from bridge.core.engine import Perform
from bridge.core.people import BriefingNotes
from bridge.shell.call_ins import CallIns
from bridge.shell.rooms import FindCaller, Rooms
from bridge.shell.session import Session
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.events import Word
from bridge.vocabulary.people import (
    BriefingStarted,
    CallerLeft,
    EndBriefing,
    PersonAccepted,
    PersonDeclined,
    PersonEvent,
    ReportBriefing,
)
from bridge.vocabulary.room import Member

log = structlog.get_logger()


class Handovers:
    """The briefings under way on one server. `find_caller`: finds the other end of each. `call_ins`: see `Rooms`."""

    def __init__(self, find_caller: FindCaller, call_ins: CallIns) -> None:
        self._find_caller = find_caller
        self._briefings: dict[tuple[str, str], Session] = {}  # by carrier and leg of the person
        self._rooms = Rooms(find_caller, call_ins)

    def notes(self, carrier: str, call_id: str, person_leg: str) -> BriefingNotes | None:
        """What this person is to be told; None where nobody waits for them any more."""
        caller = self._find_caller(carrier, call_id)
        return None if caller is None else caller.briefing(person_leg)

    def of_caller(self, carrier: str) -> Mapping[type[Word], Perform]:
        """Performs what the call of a caller asks of a briefing."""
        return {
            **dict([on_bound(EndBriefing, partial(self._end, carrier))]),
            **self._rooms.of_caller(carrier),
        }

    def of_person(self, carrier: str, call_id: str, person_leg: str) -> Mapping[type[Word], Perform]:
        """Performs what the call of a briefing tells the call `call_id` of the caller."""

        def report(command: ReportBriefing, _now: float) -> None:
            self._briefings.pop((carrier, person_leg), None)
            accepted, declined = PersonAccepted(person_leg), PersonDeclined(person_leg, command.why)
            self._tell(carrier, call_id, accepted if command.is_accepted else declined)

        in_room = self._rooms.of_member(carrier, call_id, Member.PERSON, person_leg)
        return {**dict([on_bound(ReportBriefing, report)]), **in_room}

    def of_supervisor(
        self, carrier: str, call_id: str, leg: str, calls_in: str
    ) -> Mapping[type[Word], Perform]:
        """Performs what the leg of a supervisor gives to the room of the call `call_id`. `calls_in`: see `Rooms`."""
        return self._rooms.of_member(carrier, call_id, Member.SUPERVISOR, leg, calls_in)

    def supervisor_begins(self, carrier: str, leg: str, session: Session) -> None:
        """The media socket of a supervisor was let in."""
        self._rooms.begins(carrier, leg, session)

    def supervisor_is_over(self, carrier: str, call_id: str, leg: str, session: Session) -> None:
        """The session of a supervisor's leg is over."""
        self._rooms.is_over(carrier, call_id, Member.SUPERVISOR, leg, session)

    def begins(self, carrier: str, person_leg: str, session: Session) -> None:
        """The media socket of a person was let in."""
        self._briefings[carrier, person_leg] = session
        self._rooms.begins(carrier, person_leg, session)

    def started(self, carrier: str, call_id: str, person_leg: str) -> None:
        """The stream of a person has started."""
        self._tell(carrier, call_id, BriefingStarted(person_leg))

    def is_over(self, carrier: str, call_id: str, person_leg: str, session: Session) -> None:
        """The session of a briefing is over; that it reported nothing is a no."""
        if self._briefings.get((carrier, person_leg)) is session:
            del self._briefings[carrier, person_leg]
            self._tell(carrier, call_id, PersonDeclined(person_leg, "the briefing ended"))
        self._rooms.is_over(carrier, call_id, Member.PERSON, person_leg, session)

    def _tell(self, carrier: str, call_id: str, event: PersonEvent) -> None:
        caller = self._find_caller(carrier, call_id)
        if caller is not None:
            caller.handle(event)

    def _end(self, carrier: str, command: EndBriefing, _now: float) -> None:
        briefing = self._briefings.get((carrier, command.person_leg))
        if briefing is None:
            log.info(
                "= a person was not told that the caller is gone: there is no briefing", reason=command.why
            )
        else:
            briefing.handle(CallerLeft(command.why))
