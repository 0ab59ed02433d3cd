"""The supervisors of one call, on the legs that the carrier calls: the first of a group who answers counts.

What comes of each leg is as for people, see `CalledPeople`; here it becomes what the core is told of a supervisor. A role
that changes while it rings is given once the supervisor is in the talk. Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bridge.carriers.shared.called_people import CalledPeople, Outcome, Release
from bridge.vocabulary.people import Nobody, NobodyReached, PeopleJoined, PersonAnswered, PersonLeft
from bridge.vocabulary.supervision import (
    CallSupervisor,
    Supervise,
    SupervisorAnswered,
    SupervisorEvent,
    SupervisorJoined,
    SupervisorLeft,
    SupervisorNotReached,
    SupervisorRole,
)

MOST = 100
"""Of so many addresses that were called last the legs are still known, and those of whoever is called or there."""


@dataclass(slots=True, eq=False)
class SupervisorLegs:
    """The legs of one supervisor. `asked`: the role that the carrier was last asked for."""

    name: str
    person_leg: str
    called: CalledPeople
    role: SupervisorRole
    asked: SupervisorRole
    streams: bool = False
    """Whoever answers has a media stream of ours, and is told as `SupervisorAnswered`."""


class Supervisors:
    """Those of one call.

    `hang_up`: hangs up on a leg. `tell`: tells the core. `change`: has the carrier give the role that is wanted to one who
    is in the talk.
    """

    def __init__(
        self,
        hang_up: Callable[[str], None],
        tell: Callable[[SupervisorEvent], None],
        change: Callable[[SupervisorLegs, str], None],
    ) -> None:
        self._hang_up = hang_up
        self._tell = tell
        self._change = change
        self._by_handle: dict[str, SupervisorLegs] = {}
        self._by_name: dict[str, SupervisorLegs] = {}

    def begin(
        self, command: Supervise | CallSupervisor, handles: Iterable[str], now: float
    ) -> SupervisorLegs:
        """This group is called. `handles`: one for each address. Whoever was called before for this supervisor is released."""
        self.end(command.supervisor)
        called = CalledPeople(dict(zip(handles, command.group, strict=True)))
        called.rings_for(command.ring_s, now)
        if isinstance(command, Supervise):
            role, person_leg = command.role, command.person_leg
        else:
            role, person_leg = SupervisorRole.LISTEN, ""
        is_streamed = isinstance(command, CallSupervisor)
        legs = SupervisorLegs(command.supervisor, person_leg, called, role, role, is_streamed)
        self._by_name[command.supervisor] = legs
        self._by_handle |= dict.fromkeys(called.handles, legs)
        for handle, earlier in list(self._by_handle.items())[:-MOST]:
            if self._by_name.get(earlier.name) is not earlier:
                del self._by_handle[handle]
        return legs

    def find(self, handle: str) -> SupervisorLegs | None:
        """Whose leg this handle is of; None: it is no supervisor's."""
        return self._by_handle.get(handle)

    def handle_of(self, leg: str) -> str:
        """The handle of this leg of a supervisor; empty if it is none's, or is not known yet."""
        return next(
            (handle for handle, legs in self._by_handle.items() if legs.called.leg_of(handle) == leg), ""
        )

    def change(self, name: str, role: SupervisorRole) -> None:
        """This supervisor is to have another role."""
        if (legs := self._by_name.get(name)) is not None:
            legs.role = role
            self._adjust(legs)

    def end(self, name: str) -> None:
        """Hang up on this supervisor, and tell nothing more."""
        if (legs := self._by_name.pop(name, None)) is not None:
            self.deliver(legs, legs.called.release())

    def lost(self, legs: SupervisorLegs, now: float) -> None:
        """The stream of whoever answered cannot be opened: they are hung up on."""
        self.deliver(legs, legs.called.lost(now))

    def stream_over(self, legs: SupervisorLegs) -> None:
        """The session of this supervisor's stream has ended: they are hung up on."""
        if self._by_name.get(legs.name) is legs:
            self.end(legs.name)

    def end_all(self) -> None:
        """The same for all of them."""
        for name in list(self._by_name):
            self.end(name)

    def joined(self, handle: str, leg: str, now: float) -> None:
        """The leg is in the talk."""
        if (legs := self._by_handle.get(handle)) is not None:
            self.deliver(legs, legs.called.answered(handle, leg))
            self.deliver(legs, legs.called.joined(now))
            self._adjust(legs)

    def ended(self, handle: str, leg: str, why: Nobody, now: float) -> None:
        """The leg has ended. `why`: in case that it was not answered."""
        if (legs := self._by_handle.get(handle)) is not None:
            self.deliver(legs, legs.called.ended(handle, leg, why, now))

    @property
    def due_at(self) -> float | None:
        """When `due` wants to be called."""
        dues = (legs.called.due_at for legs in self._by_name.values())
        return min((due for due in dues if due is not None), default=None)

    def due(self, now: float) -> None:
        """No verdict came in time on those who are called."""
        for legs in list(self._by_name.values()):
            if legs.called.due_at is not None and legs.called.due_at <= now:
                self.deliver(legs, legs.called.due())

    def deliver(self, legs: SupervisorLegs, outcome: Outcome) -> None:
        """Do and tell what has come of these legs."""
        for one in outcome:
            match one:
                case Release(leg):
                    self._hang_up(leg)
                case PersonAnswered(leg) if legs.streams:
                    self._tell(SupervisorAnswered(legs.name, leg))
                case PeopleJoined(leg):
                    self._tell(SupervisorJoined(legs.name, leg, legs.role))
                case NobodyReached(why):
                    self._forget(legs)
                    self._tell(SupervisorNotReached(legs.name, why))
                case PersonLeft():
                    self._forget(legs)
                    self._tell(SupervisorLeft(legs.name))

    def _forget(self, legs: SupervisorLegs) -> None:
        if self._by_name.get(legs.name) is legs:
            del self._by_name[legs.name]

    def _adjust(self, legs: SupervisorLegs) -> None:
        if legs.called.is_joined and legs.asked is not legs.role:
            legs.asked = legs.role
            self._change(legs, legs.called.person_leg)
