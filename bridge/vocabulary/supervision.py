"""The events and commands of supervision: by the carrier, where a caller and a person talk and no stream of ours is left; and
by the bridge, in whose room the supervisor is a member.

A supervisor is named in the settings, as a person is, and is on one telephone leg. `core.supervision` has the rules of the
carrier's supervision, `core.joined_call` those of the bridge's.
"""

from enum import StrEnum

from bridge.vocabulary.people import Nobody
from bridge.vocabulary.word import Word


class SupervisorRole(StrEnum):
    """What a supervisor does while two talk. Each hears both."""

    LISTEN = "listen"
    """Nobody hears the supervisor."""
    WHISPER = "whisper"
    """The person alone hears the supervisor."""
    BARGE = "barge"
    """Both hear the supervisor."""
    LEAVE = "leave"
    """No role: the supervision is to end. Only in `SuperviseRequested`."""


# Events: from whoever operates the bridge


class SuperviseRequested(Word, frozen=True, gc=False, omit_defaults=True):
    """A supervisor is to join a talk in this role, to change to it, or to leave.

    `to`: who is to hear a whisper, "person" or "assistant"; empty: the person where there is one, else the assistant.
    `calls_in`: the supervisor is not called, but waited for: they call a number that a route names.
    """

    supervisor: str
    role: SupervisorRole
    to: str = ""
    calls_in: bool = False


# Events: from the leg of a supervisor who calls in


class SupervisorCalledIn(Word, frozen=True, gc=False):
    """A supervisor has called in on this leg and has proved who they are; `MemberJoined` follows at once."""

    supervisor: str
    supervisor_leg: str


# Events: from the carrier's call control


class SupervisorJoined(Word, frozen=True, gc=False):
    """The supervisor is in the talk, on this leg, with this role."""

    supervisor: str
    supervisor_leg: str
    role: SupervisorRole


class SupervisorAnswered(Word, frozen=True, gc=False):
    """A supervisor who was called for the bridge's room has answered on this leg, whose media stream is about to start."""

    supervisor: str
    supervisor_leg: str


class SupervisorNotReached(Word, frozen=True, gc=False):
    """Nobody of the group that was called for a supervisor is in the talk, and no leg of it is left."""

    supervisor: str
    why: Nobody


class SupervisorLeft(Word, frozen=True, gc=False):
    """The supervisor has hung up, or is out of the talk in another way."""

    supervisor: str


# Commands: to the carrier's call control


class Supervise(Word, frozen=True):
    """Call this group, all at the same time, and have whoever answers first in the talk with this person, in this role.

    `from_`, `ring_s`: as in `CallPeople`. `SupervisorJoined` follows, or `SupervisorNotReached`; later `SupervisorLeft`.
    """

    supervisor: str
    group: tuple[str, ...]
    from_: str
    ring_s: float
    role: SupervisorRole
    person_leg: str


class CallSupervisor(Word, frozen=True):
    """Call this group, all at the same time, and open a media stream on the leg of whoever answers first.

    `from_`, `ring_s`: as in `CallPeople`. `SupervisorAnswered` follows, or `SupervisorNotReached`; later `SupervisorLeft`.
    """

    supervisor: str
    group: tuple[str, ...]
    from_: str
    ring_s: float


class ChangeSupervisor(Word, frozen=True, gc=False):
    """Give this supervisor another role; one who still rings has it from the answer on."""

    supervisor: str
    role: SupervisorRole


class EndSupervision(Word, frozen=True, gc=False):
    """Hang up on this supervisor, who may be gone by then. Nothing more is told of the supervisor."""

    supervisor: str
    why: str


# Commands: to the shell


class CheckPin(Word, frozen=True, gc=False):
    """Whoever called in as a supervisor has typed a PIN, for the journal and for whoever counts wrong ones."""

    is_right: bool


class SupervisionRefused(Word, frozen=True, gc=False):
    """A `SuperviseRequested`, or a `SupervisorCalledIn`, comes to nothing, for the journal. `why`: in words."""

    supervisor: str
    why: str


SupervisorEvent = SupervisorJoined | SupervisorAnswered | SupervisorNotReached | SupervisorLeft
"""What the carrier tells of supervisors."""

SupervisionEvent = SuperviseRequested | SupervisorCalledIn | SupervisorEvent
"""What the core is told of supervision."""

SupervisionCommand = Supervise | CallSupervisor | ChangeSupervisor | EndSupervision
"""What the core has the carrier do."""
