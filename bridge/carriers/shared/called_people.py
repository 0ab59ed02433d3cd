"""The people whom a carrier calls for one request: the first who answers counts, and no leg is left behind.

A leg is known by its handle, a word of ours that its webhooks carry; the carrier's id of it, `person_leg`, is learnt from
the answer to the request or from the first webhook, whichever comes first. Webhooks come late, twice and in any order:
what a leg has been told of cannot be untold. No clock: `now` is seconds, passed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bridge.vocabulary.people import (
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonAnswered,
    PersonEvent,
    PersonLeft,
    PersonRings,
)


class Release(NamedTuple):
    """Hang up on this leg."""

    person_leg: str


Outcome = list[PersonEvent | Release]
"""What is to be done and told, in this order."""


class LegStage(StrEnum):
    """How far the leg of one address has come."""

    CALLED = "called"
    ANSWERED = "answered"
    RELEASED = "released"
    """It is no longer wanted; it is hung up as soon as its id is known."""
    ENDED = "ended"


FIRST_OF = (Nobody.BUSY, Nobody.MACHINE, Nobody.REFUSED, Nobody.NO_ANSWER, Nobody.FAILED)
"""Of several reasons the first of these is told: a person who is busy is there, a number that fails says nothing."""


@dataclass(slots=True)
class _Leg:
    handle: str
    to: str
    person_leg: str = ""
    stage: LegStage = LegStage.CALLED
    rings: bool = False
    is_hung_up: bool = False
    why: Nobody | None = None
    """Why it came to nothing."""


VERDICT_S = 6.0
"""How long it may take to know that whoever was joined at once is no machine; until then it is not told."""

LATE_S = 10.0
"""How much longer than they ring the verdict on all of them may take."""


class CalledPeople:
    """Those whom one request calls: `targets` has the address of each handle.

    `awaits_verdict`: whoever answers is joined at once, and the carrier finds out beside whether it is a machine.
    """

    def __init__(
        self, targets: Mapping[str, str], request_id: str = "", *, awaits_verdict: bool = False
    ) -> None:
        self.request_id = request_id
        self.due_at: float | None = None
        """When `due` wants to be called."""
        self._awaits_verdict = awaits_verdict
        self.is_joining_told = False
        """Whether the core knows that the two are joined."""
        self._legs = {handle: _Leg(handle, to) for handle, to in targets.items()}
        self._winner: _Leg | None = None
        self._is_over = False  # nothing more is told
        self._joined_at: float | None = None

    @property
    def person_leg(self) -> str:
        """The leg of whoever answered first, as long as it is wanted; else empty."""
        winner = self._winner
        return winner.person_leg if winner is not None and winner.stage is LegStage.ANSWERED else ""

    @property
    def answered_leg(self) -> str:
        """The same, wanted or not."""
        return "" if self._winner is None else self._winner.person_leg

    @property
    def is_joined(self) -> bool:
        """Whether the caller and this person hear each other."""
        return self._joined_at is not None and bool(self.person_leg)

    def rings_for(self, ring_s: float, now: float) -> None:
        """The carrier has been asked to let it ring for so long."""
        self.due_at = now + ring_s + LATE_S

    @property
    def handle(self) -> str:
        """The handle of whoever answered first; empty if nobody has."""
        return "" if self._winner is None else self._winner.handle

    @property
    def handles(self) -> tuple[str, ...]:
        """Those of all legs."""
        return tuple(self._legs)

    def leg_of(self, handle: str) -> str:
        """The carrier's id of this leg; empty as long as it is not known."""
        return self._legs[handle].person_leg

    def joined_s(self, now: float) -> float:
        """For how long the two have been joined; 0 if they are not."""
        return 0.0 if self._joined_at is None else now - self._joined_at

    def placed(self, handle: str, person_leg: str) -> Outcome:
        """The carrier has taken the request, and calls the leg so."""
        return self._known(self._legs[handle], person_leg)

    def not_placed(self, handle: str) -> Outcome:
        """The carrier refused the request, or did not answer it. If the leg is there all the same, it is hung up later."""
        leg = self._legs[handle]
        if leg.person_leg:  # its webhooks prove that it was placed
            return []
        return self._came_to_nothing(leg, Nobody.FAILED, LegStage.RELEASED)

    def rings(self, handle: str, person_leg: str) -> Outcome:
        """Its telephone rings."""
        leg = self._legs[handle]
        outcome = self._known(leg, person_leg)
        if leg.stage is not LegStage.CALLED or leg.rings:
            return outcome
        leg.rings = True
        return [*outcome, PersonRings(person_leg)]

    def answered(self, handle: str, person_leg: str) -> Outcome:
        """Somebody answered. The first one counts; the others are released."""
        leg = self._legs[handle]
        outcome = self._known(leg, person_leg)
        if leg.stage is not LegStage.CALLED:
            return outcome
        if self._winner is not None:
            return [*outcome, *self._release(leg)]
        leg.stage, self._winner, self.due_at = LegStage.ANSWERED, leg, None
        for other in self._legs.values():
            outcome += self._release(other) if other is not leg else []
        return [*outcome, PersonAnswered(person_leg, leg.to)]

    def machine(self, handle: str, person_leg: str, now: float) -> Outcome:
        """The carrier found that a machine answered. After it was told that the two are joined, the person has left."""
        leg = self._legs[handle]
        outcome = self._known(leg, person_leg)
        if leg.stage not in (LegStage.CALLED, LegStage.ANSWERED):
            return outcome
        if leg is self._winner and self.is_joining_told:
            return [*outcome, *self._release(leg), self._left(leg.person_leg, now)]
        return [*outcome, *self._came_to_nothing(leg, Nobody.MACHINE, LegStage.RELEASED)]

    def joined(self, now: float) -> Outcome:
        """The carrier has joined the caller with whoever answered."""
        if not self.person_leg or self._joined_at is not None:
            return []
        self._joined_at = now
        if self._awaits_verdict:
            self.due_at = now + VERDICT_S
            return []
        return self._tell_joining()

    def no_machine(self, handle: str, person_leg: str) -> Outcome:
        """The carrier found that no machine answered, or cannot tell."""
        leg = self._legs[handle]
        outcome = self._known(leg, person_leg)
        if self._winner is None or leg is self._winner:
            self._awaits_verdict = False
        return [*outcome, *self._tell_joining()]

    def _tell_joining(self) -> Outcome:
        if self.is_joining_told or not self.is_joined or self._awaits_verdict:
            return []
        self.is_joining_told, self.due_at = True, None
        return [PeopleJoined(self.person_leg)]

    def lost(self, now: float) -> Outcome:
        """What was asked for whoever answered cannot be done: they are released."""
        if not (person_leg := self.person_leg):
            return []
        assert self._winner is not None
        return [*self._release(self._winner), self._left(person_leg, now)]

    def ended(self, handle: str, person_leg: str, why: Nobody, now: float) -> Outcome:
        """Its leg has ended. `why`: in case that it was not answered."""
        leg = self._legs[handle]
        leg.person_leg = leg.person_leg or person_leg
        before, leg.is_hung_up = leg.stage, True
        leg.stage = LegStage.ENDED
        if before is LegStage.CALLED:
            return self._came_to_nothing(leg, why, LegStage.ENDED)
        if before is LegStage.ANSWERED and leg is self._winner:
            return [self._left(leg.person_leg, now)]
        return []

    def due(self) -> Outcome:
        """No verdict came in time on those who were called, or on whoever answered."""
        self.due_at = None
        if self._winner is not None:
            self._awaits_verdict = False
            return self._tell_joining()
        return [] if self._is_over else [*self.release(), NobodyReached(Nobody.NO_ANSWER, self.request_id)]

    def hung_up(self, handle: str) -> None:
        """Its leg has ended, and somebody else tells what that means: there is nobody to hang up on."""
        self._legs[handle].is_hung_up = True

    def close(self) -> None:
        """All that concerns them was told: what comes now is late."""
        self._is_over, self.due_at = True, None
        for leg in self._legs.values():
            leg.stage, leg.is_hung_up = LegStage.ENDED, True

    def release(self, person_leg: str = "", *, but: str = "") -> Outcome:
        """Hang up on this leg; without a leg on all of them, and tell nothing more. `but`: on all but this leg."""
        outcome: Outcome = []
        for leg in self._legs.values():
            if leg.person_leg == person_leg if person_leg else not but or leg.person_leg != but:
                outcome += self._release(leg)
        if not person_leg or (self._winner is not None and self._winner.person_leg == person_leg):
            self._is_over, self.due_at = True, None
        return outcome

    def _known(self, leg: _Leg, person_leg: str) -> Outcome:
        """Its id is known now: if it was released before, it is hung up."""
        leg.person_leg = leg.person_leg or person_leg
        return self._hang_up(leg) if leg.stage is LegStage.RELEASED else []

    def _release(self, leg: _Leg) -> Outcome:
        if leg.stage is LegStage.ENDED:
            return []
        leg.stage = LegStage.RELEASED
        return self._hang_up(leg)

    def _hang_up(self, leg: _Leg) -> Outcome:
        if leg.is_hung_up or not leg.person_leg:
            return []
        leg.is_hung_up = True
        return [Release(leg.person_leg)]

    def _came_to_nothing(self, leg: _Leg, why: Nobody, stage: LegStage) -> Outcome:
        leg.why, leg.stage = why, stage
        outcome = self._hang_up(leg)
        if self._is_over or any(one.stage in _MAY_STILL for one in self._legs.values()):
            return outcome
        self._is_over, self.due_at = True, None
        reasons = {one.why for one in self._legs.values()}
        told = why if leg is self._winner else next(reason for reason in FIRST_OF if reason in reasons)
        return [*outcome, NobodyReached(told, self.request_id)]

    def _left(self, person_leg: str, now: float) -> PersonLeft:
        self._is_over, self.due_at = True, None
        return PersonLeft(person_leg, self.joined_s(now))


_MAY_STILL = (LegStage.CALLED, LegStage.ANSWERED)
