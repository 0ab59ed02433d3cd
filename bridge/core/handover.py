"""One handover, from the request to the person's end: whom to call, whom to brief, whom to release.

parting ──▶ ringing ──answered, warm──▶ briefing ──accepted──▶ joining ──joined──▶ with person ──▶ over
               │  └──answered, cold───────────────────────────────┘
               └──nobody: the next group, or over          caller gone while briefing: leaving ──▶ over

It knows the people's legs, and neither the caller's stream nor the assistant: `PeopleCall` follows `phase` and `outcome`.
Events may come late, twice, or not at all: each phase that waits for the carrier has a bound. No clock: `now` is seconds.
"""

from collections.abc import Callable
from typing import Any

from bridge.core.elsewhere import Elsewhere
from bridge.core.handover_phase import Phase
from bridge.core.people import Person
from bridge.core.released import Released
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import Command
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.people import (
    BriefingStarted,
    BriefPerson,
    CallPeople,
    EndBriefing,
    JoinPerson,
    NobodyReached,
    Outcome,
    PeopleJoined,
    PersonAccepted,
    PersonAnswered,
    PersonDeclined,
    PersonEvent,
    PersonLeft,
    PersonRings,
    PutThrough,
    ReleasePerson,
    TransferRequested,
)
from bridge.vocabulary.word import Word

ANSWER_S = 10.0
"""So much longer than `ring_s` the carrier may take to say what became of a group."""

BRIEFING_STREAM_S = 10.0
"""For the stream of a person who has answered to start."""

BRIEFING_S = 120.0
"""The longest briefing."""

BRIEFING_SLACK_S = 5.0
"""So much longer the call of the briefing may take to say that it is over."""

JOIN_S = 10.0
"""For the carrier to join two people."""

LEAVING_S = 10.0
"""For the person to be told that the caller has hung up."""


class Handover:
    """One handover. `number`: of the handovers of this call, from 1. `released`: the legs that the call has released."""

    def __init__(
        self,
        request: TransferRequested,
        person: Person,
        number: int,
        released: Released,
        timers: Timers,
        now: float,
    ) -> None:
        self.request = request
        self.person = person
        self.phase = Phase.PARTING
        self.outcome: Outcome | None = None
        """What became of it; None until it is over."""
        self.why = ""
        """The same in the words of whoever said so; may be empty."""
        self.person_leg = ""
        """The leg of who answered first."""
        self.talked_s = 0.0
        self._number = number
        self._released = released
        self._timers = timers
        self._asked_at = now
        self._waited_s: float | None = None
        self._joined_at: float | None = None
        self._group = -1
        self._ringing: dict[str, None] = {}

    @property
    def name(self) -> str:
        """The name of the person."""
        return self.request.person

    @property
    def takes_stream(self) -> bool:
        """Whether the carrier may end the caller's stream in this phase, because it joins the caller with somebody."""
        if self.person.mixes:
            return False
        is_put_through = self.phase is Phase.RINGING and not self.person.is_warm
        return is_put_through or self.phase in (Phase.JOINING, Phase.ELSEWHERE, Phase.WITH_PERSON)

    @property
    def is_away(self) -> bool:
        """Whether the caller is with a person, or elsewhere: no assistant is needed."""
        return self.phase in (Phase.ELSEWHERE, Phase.WITH_PERSON)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the caller is where nobody has a leg that we know."""
        return self.is_away and isinstance(self.person.groups[self._group], Elsewhere)

    def waited_s(self, now: float) -> float:
        """How long the caller waited until they were joined, or until the handover was over."""
        return round((now - self._asked_at) if self._waited_s is None else self._waited_s, 3)

    def handle(self, event: PersonEvent, now: float) -> list[Command]:
        """The carrier, or a briefing, says something of a person."""
        return _READS[type(event)](self, event, now)

    # Whom to call

    def begin(self, now: float) -> list[Command]:
        """The caller has heard the last words: call the first group."""
        return self._call_next(Outcome.FAILED, now)

    def _call_next(self, outcome: Outcome, now: float) -> list[Command]:
        """Call the next group; where there is none, the handover is over with `outcome`."""
        self._group += 1
        self._ringing.clear()
        self.person_leg = ""
        person = self.person
        if self._group >= len(person.groups):
            return self._end(outcome, "", now)
        group = person.groups[self._group]
        if isinstance(group, Elsewhere):
            self._wait(Phase.ELSEWHERE, group.until(now))
            return [group.command(self.name, self._request_id)]
        self._wait(Phase.RINGING, now + person.ring_s + ANSWER_S)
        fields = (self.name, group, person.from_, person.ring_s, self._request_id)
        return [CallPeople(*fields) if self._has_stream else PutThrough(*fields, person.listens)]

    @property
    def _has_stream(self) -> bool:
        """Whether this person's leg has a media stream of ours: to be briefed, or mixed."""
        return self.person.is_warm or self.person.mixes

    @property
    def _request_id(self) -> str:
        return f"{self._number}.{self._group + 1}"

    def _wait(self, phase: Phase, until: float | None) -> None:
        self.phase = phase
        if until is None:
            self._timers.stop(Timer.HANDOVER)
        else:
            self._timers.set(Timer.HANDOVER, until)

    def _end(self, outcome: Outcome, why: str, now: float) -> list[Command]:
        if self._waited_s is None:
            self._waited_s = now - self._asked_at
        self._timers.stop(Timer.HANDOVER)
        self.phase, self.outcome, self.why = Phase.OVER, outcome, why
        return []

    # What the carrier says

    def _rings(self, event: PersonRings, _now: float) -> list[Command]:
        """One address rings; too late, it is released."""
        if self.phase is Phase.RINGING:
            self._ringing[event.person_leg] = None
            return []
        is_known = event.person_leg == self.person_leg
        why = "somebody else was reached"
        return [] if is_known else self._released.release(event.person_leg, why)

    def _answered(self, event: PersonAnswered, now: float) -> list[Command]:
        """Somebody answered: the first one counts."""
        leg = event.person_leg
        if leg == self.person_leg:
            return []
        if self.phase is not Phase.RINGING or leg in self._released:
            return self._released.release(leg, "somebody else was reached", has_answered=True)
        self.person_leg = leg
        self._ringing.pop(leg, None)
        commands = self._release_ringing("somebody else answered")
        if not self._has_stream:
            self._wait(Phase.JOINING, now + JOIN_S)
            return commands
        self._wait(Phase.BRIEFING, now + BRIEFING_STREAM_S)
        return [*commands, BriefPerson(leg)]

    def _release_person(self, why: str) -> list[Command]:
        leg = self.person_leg
        return self._released.release(leg, why, has_answered=True) if leg else []

    def _release_ringing(self, why: str) -> list[Command]:
        ringing, self._ringing = self._ringing, {}
        return [command for leg in ringing for command in self._released.release(leg, why)]

    def _nobody(self, event: NobodyReached, now: float) -> list[Command]:
        """Nobody of the group is there: call the next one."""
        if event.request_id not in ("", self._request_id):
            return []
        # a machine that answered for them, found out late
        if self.phase is Phase.WITH_PERSON and self.person.mixes:
            return self._release_person("nobody was reached") + self._end(Outcome(event.why), "", now)
        if self.phase not in (Phase.RINGING, Phase.ELSEWHERE, Phase.BRIEFING, Phase.JOINING):
            return []
        return self._give_up_group(Outcome(event.why), "nobody was reached", now)

    def _give_up_group(self, outcome: Outcome, why: str, now: float) -> list[Command]:
        return self._release_person(why) + self._call_next(outcome, now)

    def _joined(self, event: PeopleJoined, now: float) -> list[Command]:
        """The two hear each other."""
        leg = event.person_leg
        if self.phase is Phase.ELSEWHERE and not leg:
            return self._taken_elsewhere(now)
        is_awaited = self.phase is Phase.JOINING and leg in ("", self.person_leg)
        is_at_once = self.takes_stream and self.phase is Phase.RINGING and leg not in self._released
        if not (is_awaited or is_at_once):
            is_ours = self.phase is Phase.WITH_PERSON and leg in ("", self.person_leg)
            return [] if is_ours or not leg else self._released.release(leg, "the caller is not with them")
        self.person_leg = self.person_leg or leg
        self._ringing.pop(leg, None)
        commands = self._release_ringing("somebody else answered")
        self._are_joined(now)
        return commands

    def _taken_elsewhere(self, now: float) -> list[Command]:
        """Somebody has taken the caller out of the queue; or the referral is done, and the call is over for us."""
        group = self.person.groups[self._group]
        if isinstance(group, Elsewhere) and group.kind == "refer":
            return self._end(Outcome.SENT_ON, "", now)
        self._are_joined(now)
        return []

    def _are_joined(self, now: float) -> None:
        self._waited_s, self._joined_at = now - self._asked_at, now
        self._timers.stop(Timer.HANDOVER)
        self.phase = Phase.WITH_PERSON

    def _left(self, event: PersonLeft, now: float) -> list[Command]:
        """A leg has ended; where it is that of somebody who rang, others may still answer."""
        leg, phase = event.person_leg, self.phase
        if phase is Phase.RINGING:
            if self.takes_stream and event.after_s > 0 and leg not in self._released:
                return self._talked(event.after_s, now)  # that they were joined was never said
            self._ringing.pop(leg, None)
            return []
        if leg and (self.is_elsewhere or (self.person_leg and leg != self.person_leg)):
            return []
        if phase in (Phase.WITH_PERSON, Phase.ELSEWHERE) or (phase is Phase.JOINING and event.after_s > 0):
            return self._talked(event.after_s, now)
        if phase is Phase.BRIEFING:
            return self._end(Outcome.DECLINED, "they hung up", now)
        if phase is Phase.JOINING:
            return self._end(Outcome.FAILED, "they were not put through", now)
        return self._end(Outcome.CALLER_LEFT, "", now) if phase is Phase.LEAVING else []

    def _talked(self, after_s: float, now: float) -> list[Command]:
        since_s = 0.0 if self._joined_at is None else now - self._joined_at
        self.talked_s = round(after_s or since_s, 3)
        if self._joined_at is None:
            self._waited_s = max(0.0, now - self._asked_at - self.talked_s)
        return self._end(Outcome.TALKED, "", now)

    def person_lost(self, now: float) -> list[Command]:
        """The stream of a person who is in a room with the caller has ended."""
        return self._release_person("their stream has ended") + self._talked(0.0, now)

    def caller_returned(self, now: float) -> list[Command]:
        """The caller's stream is back though nobody said that the person has left: they are not joined any more."""
        return self._release_person("the caller is not with them any more") + self._talked(0.0, now)

    # What the briefing says

    def _briefing_started(self, event: BriefingStarted, now: float) -> list[Command]:
        """The person can be spoken to."""
        if self.phase is Phase.BRIEFING and event.person_leg == self.person_leg:
            self._timers.set(Timer.HANDOVER, now + BRIEFING_S + BRIEFING_SLACK_S)
        return []

    def _accepted(self, event: PersonAccepted, now: float) -> list[Command]:
        """Join the two."""
        if event.person_leg != self.person_leg or self.phase is Phase.LEAVING:
            return self._told(event.person_leg, now)
        if self.phase is not Phase.BRIEFING:
            return []
        if self.person.mixes:
            self._are_joined(now)
            return []
        self._wait(Phase.JOINING, now + JOIN_S)
        return [JoinPerson(self.person_leg, self.person.listens)]

    def _declined(self, event: PersonDeclined, now: float) -> list[Command]:
        """The caller goes on without them."""
        if event.person_leg != self.person_leg or self.phase is Phase.LEAVING:
            return self._told(event.person_leg, now)
        if self.phase is not Phase.BRIEFING:
            return []
        commands = self._release_person("they do not take the call")
        return commands + self._end(Outcome.DECLINED, event.why, now)

    def _told(self, person_leg: str, now: float) -> list[Command]:
        """A briefing is over that was to end: the person was told that the caller is gone, or is somebody else."""
        commands = self._released.release(person_leg, "the caller is gone") if person_leg else []
        if person_leg == self.person_leg and self.phase is Phase.LEAVING:
            return commands + self._end(Outcome.CALLER_LEFT, "", now)
        return commands

    # Time, and the end

    def due(self, now: float) -> list[Command]:
        """What was waited for did not come."""
        match self.phase:
            case Phase.RINGING:
                group = [ReleasePerson("", "nobody answered in time")]
                return group + self._give_up_group(Outcome.NO_ANSWER, "nobody answered in time", now)
            case Phase.ELSEWHERE:
                return self._give_up_group(Outcome.FAILED, "the carrier did not say what became of them", now)
            case Phase.BRIEFING:
                why = "the briefing took too long"
                return self._release_person(why) + self._end(Outcome.DECLINED, why, now)
            case Phase.JOINING:
                why = "the carrier did not put them through in time"
                return self._release_person(why) + self._end(Outcome.FAILED, why, now)
            case Phase.LEAVING:
                return self._told(self.person_leg, now)
            case _:
                return []

    def assume_joined(self, now: float) -> None:
        """The carrier has the caller, and said nothing of the person for longer than it rings: they must be talking."""
        self._are_joined(now)

    def caller_left(self, why: str, now: float) -> list[Command]:
        """The caller is gone. Nobody is left on the line: a person who is being briefed is told so first."""
        if self.phase is Phase.BRIEFING:
            self._wait(Phase.LEAVING, now + LEAVING_S)
            return [EndBriefing(self.person_leg, why)]
        return self.abandon(Outcome.CALLER_LEFT, why, now)

    def abandon(self, outcome: Outcome, why: str, now: float) -> list[Command]:
        """The call ends, or the handover is given up: hang up on everybody."""
        if self.phase is Phase.OVER:
            return []
        was = self.phase
        if was is Phase.WITH_PERSON:
            self._talked(0.0, now)
        else:
            self._end(outcome, why, now)
        if was in (Phase.RINGING, Phase.ELSEWHERE):
            return [ReleasePerson("", why)]
        return self._release_person(why)

    def leave_them(self, now: float) -> None:
        """The server stops while the two talk: they go on talking. A caller in a queue stays there."""
        if self.phase is Phase.ELSEWHERE:
            self._end(Outcome.SENT_ON, "", now)
        else:
            self._talked(0.0, now)


def request_of(request: TransferRequested) -> dict[str, str]:
    """What was requested, as the arguments of `transfer`."""
    arguments = {"person": request.person, "why": request.why, "summary": request.summary}
    return {name: value for name, value in arguments.items() if value}


_READS: dict[type[Word], Callable[[Handover, Any, float], list[Command]]] = dict(
    [
        on(PersonRings, Handover._rings),
        on(PersonAnswered, Handover._answered),
        on(NobodyReached, Handover._nobody),
        on(PeopleJoined, Handover._joined),
        on(PersonLeft, Handover._left),
        on(BriefingStarted, Handover._briefing_started),
        on(PersonAccepted, Handover._accepted),
        on(PersonDeclined, Handover._declined),
    ]
)
