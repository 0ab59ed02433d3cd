"""Connects the call of a caller with the legs of those who are in a room with them: what one says, the others are given.

The room itself is a part of the caller's call. Each other member's leg has a media socket and a session of its own.
"""

from collections.abc import Callable, Mapping

from bridge.core.engine import Perform
from bridge.shell.call_ins import CallIns
from bridge.shell.session import Session
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.events import Event, Word
from bridge.vocabulary.people import CallerLeft
from bridge.vocabulary.room import (
    DismissMember,
    JoinRoom,
    Member,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    PlayToMember,
    RoomAudio,
    SpeakToRoom,
)
from bridge.vocabulary.supervision import CheckPin, SupervisorCalledIn

FindCaller = Callable[[str, str], Session | None]
"""The session of a caller, by carrier and call; None where it is over."""


class Rooms:
    """The members' legs on one server. `find_caller`: finds the call that has the room. `call_ins`: is told of PINs."""

    def __init__(self, find_caller: FindCaller, call_ins: CallIns) -> None:
        self._find_caller = find_caller
        self._call_ins = call_ins
        self._legs: dict[tuple[str, str], Session] = {}  # by carrier and leg
        self._joined: set[tuple[str, str]] = set()

    def of_caller(self, carrier: str) -> Mapping[type[Word], Perform]:
        """Performs what the call of a caller gives to the members of its room."""

        def play(command: PlayToMember, _now: float) -> None:
            session = self._legs.get((carrier, command.member_leg))
            if session is not None:
                session.handle_frame(RoomAudio(command.audio))

        def dismiss(command: DismissMember, _now: float) -> None:
            self._dismiss(carrier, command.member_leg, command.why)

        return dict([on_bound(PlayToMember, play), on_bound(DismissMember, dismiss)])

    def of_member(
        self, carrier: str, call_id: str, member: Member, leg: str, calls_in: str = ""
    ) -> Mapping[type[Word], Perform]:
        """Performs what the call of a member's leg gives to the room of the call `call_id`.

        `calls_in`: the supervisor who has called in on this leg, by name; empty where we have called.
        """

        caller: Session | None = None

        def join(command: JoinRoom, _now: float) -> None:
            nonlocal caller
            caller = self._find_caller(carrier, call_id)
            if calls_in and caller is None:
                self._dismiss(carrier, leg, "the call is over")
                return
            self._joined.add((carrier, leg))
            if calls_in:
                self._tell(carrier, call_id, SupervisorCalledIn(calls_in, leg))
            self._tell(carrier, call_id, MemberJoined(member, leg, command.line))

        def speak(command: SpeakToRoom, _now: float) -> None:
            if caller is not None:  # one whose call is over takes nothing
                caller.handle_frame(MemberAudio(member, leg, command.audio, command.at_ms))

        def check(command: CheckPin, now: float) -> None:
            self._call_ins.pin_checked(calls_in, now, is_right=command.is_right)

        return dict([on_bound(JoinRoom, join), on_bound(SpeakToRoom, speak), on_bound(CheckPin, check)])

    def begins(self, carrier: str, leg: str, session: Session) -> None:
        """The media socket of a member was let in."""
        self._legs[carrier, leg] = session

    def is_over(self, carrier: str, call_id: str, member: Member, leg: str, session: Session) -> None:
        """The session of a member's leg is over."""
        if self._legs.get((carrier, leg)) is not session:
            return
        del self._legs[carrier, leg]
        if (carrier, leg) in self._joined:
            self._joined.remove((carrier, leg))
            self._tell(carrier, call_id, MemberLeft(member, leg))

    def _dismiss(self, carrier: str, leg: str, why: str) -> None:
        if (session := self._legs.get((carrier, leg))) is not None:
            session.handle(CallerLeft(why))

    def _tell(self, carrier: str, call_id: str, event: Event) -> None:
        caller = self._find_caller(carrier, call_id)
        if caller is not None:
            caller.handle(event)
