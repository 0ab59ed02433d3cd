"""Who is in the room of a call, and who supervises its talk on the carrier's side: from the words that tell of it."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from bridge.core.room import Part
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.people import EndHandover
from bridge.vocabulary.room import LeaveRoom, Member, SetRole
from bridge.vocabulary.supervision import (
    ChangeSupervisor,
    EndSupervision,
    SupervisorJoined,
    SupervisorLeft,
    SupervisorNotReached,
    SupervisorRole,
)
from bridge.vocabulary.word import Word


class LiveParties:
    """Those of one call."""

    sees: ClassVar[frozenset[type[Word]]]

    def __init__(self) -> None:
        self.room: dict[Member, Part] = {}
        """What each member of the room does; the last one's room, where there is none."""
        self.supervisors: dict[str, SupervisorRole] = {}
        """Those whom the carrier has in the talk."""

    def saw(self, word: Word, now: float) -> None:
        """Take note of a word."""
        _SEEN[type(word)](self, word, now)

    def _place(self, word: SetRole, _now: float) -> None:
        self.room[word.member] = Part(word.role, word.to)

    def _leave(self, word: LeaveRoom, _now: float) -> None:
        self.room.pop(word.member, None)

    def _end(self, _word: EndHandover, _now: float) -> None:
        """The person is not with the caller any more."""
        self.supervisors.clear()
        self.room.pop(Member.PERSON, None)
        if Member.SUPERVISOR not in self.room:
            self.room.clear()

    def _supervise(self, word: SupervisorJoined, _now: float) -> None:
        self.supervisors[word.supervisor] = word.role

    def _change(self, word: ChangeSupervisor, _now: float) -> None:
        if word.supervisor in self.supervisors:
            self.supervisors[word.supervisor] = word.role

    def _supervisor_left(
        self, word: SupervisorLeft | SupervisorNotReached | EndSupervision, _now: float
    ) -> None:
        self.supervisors.pop(word.supervisor, None)


_SEEN: Mapping[type[Word], Callable[[LiveParties, Any, float], None]] = dict(
    [
        on(SetRole, LiveParties._place),
        on(LeaveRoom, LiveParties._leave),
        on(EndHandover, LiveParties._end),
        on(SupervisorJoined, LiveParties._supervise),
        on(ChangeSupervisor, LiveParties._change),
        on(SupervisorLeft, LiveParties._supervisor_left),
        on(SupervisorNotReached, LiveParties._supervisor_left),
        on(EndSupervision, LiveParties._supervisor_left),
    ]
)

LiveParties.sees = frozenset(_SEEN)
