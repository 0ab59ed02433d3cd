"""The supervisors of one talk between a caller and a person, which the carrier supervises: who is called, and in what role.

The groups of a supervisor are called one after the other. A supervisor is in a talk once: whoever is asked for again gets
the other role, or nothing happens. No clock: the carrier bounds how long it rings.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.vocabulary.commands import Command
from bridge.vocabulary.supervision import (
    ChangeSupervisor,
    EndSupervision,
    Supervise,
    SuperviseRequested,
    SupervisionRefused,
    SupervisorEvent,
    SupervisorJoined,
    SupervisorNotReached,
    SupervisorRole,
)


@dataclass(frozen=True, slots=True)
class Supervisor:
    """One supervisor, from the settings. The fields are those of `Person`."""

    groups: tuple[tuple[str, ...], ...]
    from_: str = "ours"
    ring_s: float = 25.0
    waits_s: float = 120.0
    """How long a call waits for them to call in."""


@dataclass(slots=True)
class _Called:
    person_leg: str
    role: SupervisorRole
    group: int = 0


class Supervision:
    """Those of one call. `supervisors`: all that there are, by name. `can`: what the carrier performs for this call."""

    def __init__(self, supervisors: Mapping[str, Supervisor], can: Collection[type[Command]]) -> None:
        self._supervisors = supervisors
        self._can = can
        self._called: dict[str, _Called] = {}  # those who ring, or are in the talk

    def request(self, event: SuperviseRequested, person_leg: str) -> list[Command]:
        """Call a supervisor, change the role, or hang up. `person_leg`: of the talk; empty: there is none."""
        name, role = event.supervisor, event.role
        if why := self.why_not(event, person_leg):
            return [SupervisionRefused(name, why)]
        called = self._called.get(name)
        if role is SupervisorRole.LEAVE:
            del self._called[name]
            return [EndSupervision(name, "the supervisor was asked to leave")]
        if called is None:
            self._called[name] = called = _Called(person_leg, role)
            return [self._supervise(name, called)]
        if called.role is role:
            return []
        called.role = role
        return [ChangeSupervisor(name, role)]

    def handle(self, event: SupervisorEvent) -> list[Command]:
        """The carrier says what became of a supervisor."""
        name = event.supervisor
        called = self._called.get(name)
        if called is None:  # who was asked to leave, or whose talk is over
            is_in = isinstance(event, SupervisorJoined)
            return [EndSupervision(name, "the talk is over for them")] if is_in else []
        if isinstance(event, SupervisorJoined):
            return []
        if isinstance(event, SupervisorNotReached):
            called.group += 1
            if called.group < len(self._supervisors[name].groups):
                return [self._supervise(name, called)]
        del self._called[name]
        return []

    def end(self, why: str) -> list[Command]:
        """The talk is over."""
        called, self._called = self._called, {}
        return [EndSupervision(name, why) for name in called]

    def why_not(self, event: SuperviseRequested, person_leg: str) -> str:
        """Why this is not done, in words for an operator; empty if it is. The arguments are those of `request`."""
        if not person_leg:
            return "the caller does not talk with a person on the carrier's side"
        if event.role is SupervisorRole.LEAVE:
            return "" if event.supervisor in self._called else "the supervisor is not there"
        if event.supervisor not in self._supervisors:
            return "there is no supervisor of this name"
        if not {Supervise, ChangeSupervisor, EndSupervision} <= set(self._can):
            return "the carrier cannot have this call supervised"
        if event.role is SupervisorRole.WHISPER and event.to == "assistant":
            return "only the person can be whispered to while the two talk"
        return ""

    def _supervise(self, name: str, called: _Called) -> Supervise:
        supervisor = self._supervisors[name]
        group = supervisor.groups[called.group]
        return Supervise(name, group, supervisor.from_, supervisor.ring_s, called.role, called.person_leg)
