"""What is shown of a call under way: who is in it, who hears whom, and what the caller waited for. Numbers are masked."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from bridge.core.room import Part, who_hears_whom
from bridge.core.states import State
from bridge.vocabulary.room import Member
from bridge.vocabulary.supervision import SupervisorRole

PartyName = Literal["caller", "assistant", "person", "supervisor"]

Role = Literal["talks", "listens", "whispers", "held", "muted", "silent"]


class Party(Struct, frozen=True):
    """Somebody in a call. `hears`: the names of those whom they hear."""

    name: PartyName
    role: Role
    hears: tuple[PartyName, ...] = ()


class CallView(Struct, frozen=True):
    """A call under way."""

    id: str
    """The carrier's id of the call."""
    carrier: str
    direction: str
    """inbound or outbound; empty if it is not known."""
    route: str
    """What chose the assistant; empty if it is not known."""
    assistant: str
    """The name of the assistant that has the call; empty before there is one."""
    state: str
    began_at: str
    """ISO 8601, in UTC."""
    duration_s: float
    from_: str = field(name="from")
    """The calling number, masked but for its last two digits."""
    to: str
    parties: tuple[Party, ...] = ()
    last_wait_ms: int | None = None
    """How long the caller waited for the last reply, voice to voice; null before the first one."""
    digits: str = ""
    """The keys of an entry that is not complete, each masked."""
    held: bool = False
    muted: tuple[PartyName, ...] = ()


class Line(Struct):
    """What was said in a turn. `at_ms`: since the call began."""

    speaker: Literal["caller", "assistant"]
    text: str
    at_ms: int


class CallDetails(CallView, frozen=True):
    """A call under way, and what was said in it so far."""

    transcript: tuple[Line, ...] = ()


class Calls(Struct, frozen=True):
    """All calls under way."""

    calls: tuple[CallView, ...]


def parties_of(
    state: State,
    muted: Collection[PartyName] = (),
    *,
    assistant_listens: bool = False,
    room: Mapping[Member, Part] | None = None,
    supervisors: Iterable[SupervisorRole] = (),
) -> tuple[Party, ...]:
    """Who is in a call of this state. `assistant_listens`: it stays while the caller talks with a person.

    `room`: who is in the call's room, if it has one. `supervisors`: the roles of those whom the carrier has in the talk.
    """
    if room and (state is State.IN_ROOM or Member.SUPERVISOR in room):
        return _in_room(room)
    match state:
        case State.HOLDING:
            return Party("caller", "held"), Party("assistant", "silent")
        case State.WITH_PERSON:
            listens = (Party("assistant", "listens", ("caller", "person")),) if assistant_listens else ()
            return _with_person([*supervisors]) + listens
        case State.OPENING | State.TALKING | State.CLOSING:
            caller, assistant = _voice("caller", "assistant", muted), _voice("assistant", "caller", muted)
            is_there = state is State.TALKING
            return caller, assistant if is_there else Party("assistant", "silent")
    return (Party("caller", "talks"),)


def _in_room(room: Mapping[Member, Part]) -> tuple[Party, ...]:
    matrix, members = who_hears_whom(room), [one for one in _ORDER if one in room]
    return tuple(
        Party(
            member.value,
            room[member].role.value,
            tuple(one.value for one in members if one in matrix[member]),
        )
        for member in members
    )


_ORDER = [Member.CALLER, Member.ASSISTANT, Member.PERSON, Member.SUPERVISOR]


def _with_person(supervisors: Sequence[SupervisorRole]) -> tuple[Party, ...]:
    """The caller and the person, and those who supervise their talk on the carrier's side."""
    barges: tuple[PartyName, ...] = ("supervisor",) if SupervisorRole.BARGE in supervisors else ()
    whispers: tuple[PartyName, ...] = ("supervisor",) if SupervisorRole.WHISPER in supervisors else ()
    caller = Party("caller", "talks", ("person", *barges))
    person = Party("person", "talks", ("caller", *(barges or whispers)))
    return caller, person, *(Party("supervisor", _ROLES[role], ("caller", "person")) for role in supervisors)


_ROLES: Mapping[SupervisorRole, Role] = {
    SupervisorRole.LISTEN: "listens",
    SupervisorRole.WHISPER: "whispers",
    SupervisorRole.BARGE: "talks",
}


def _voice(name: PartyName, other: PartyName, muted: Collection[PartyName]) -> Party:
    return Party(name, "muted" if name in muted else "talks", () if other in muted else (other,))
