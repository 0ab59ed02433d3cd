"""The role of each party of a call over time, and who heard it, from the journal: what the lanes of the picture show.

Parties are the caller, the assistant, and by name the persons and supervisors of the settings. Times are seconds, as the
lines of the journal have them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bridge.core.room import Part, who_hears_whom
from bridge.observers.call_parties import Line
from bridge.vocabulary.room import Member, Role
from bridge.vocabulary.supervision import SupervisorRole

Fields = Mapping[str, Any]

CALLED, BRIEFED, WAITS, ON_HOLD, MESSAGE = "called", "briefed", "waits", "on hold", "leaves a message"
"""Roles in which nobody in this call hears a party."""
BARGES = "barges in"

_ROLES = {
    SupervisorRole.LISTEN: Role.LISTENS.value,
    SupervisorRole.WHISPER: Role.WHISPERS.value,
    SupervisorRole.BARGE: BARGES,
}


class Party(NamedTuple):
    """`kind`: what the party is; `name`: as it is shown, of a person or a supervisor as the settings have it."""

    kind: Member
    name: str


class RoleStretch(NamedTuple):
    """A stretch of a call in which a party had one role, in words, and was heard by these, by name."""

    kind: Member
    name: str
    began_s: float
    ended_s: float
    role: str
    heard_by: tuple[str, ...]


CALLER, ASSISTANT = Party(Member.CALLER, "caller"), Party(Member.ASSISTANT, "assistant")


class _Parties:
    """Who is in a call, from what its lines tell so far."""

    def __init__(self) -> None:
        self._is_caller_there = self._is_assistant_there = False
        self._is_on_hold = self._leaves_message = False
        self._muted: set[str] = set()
        self._person, self._person_leg = "", ""
        self._person_does = ""  # empty: there is none
        self._is_joined = self._is_listened_to = False  # by the carrier; by the assistant meanwhile
        self._room: dict[Member, Part] = {}
        self._supervisor = ""  # whom the bridge mixes
        self._supervisor_does = WAITS
        self._supervisors: dict[str, str] = {}  # those of the carrier, with their role in words

    def see(self, line: Line) -> None:
        """Take note of a line."""
        if (see := _SEEN.get(line.what)) is not None:
            see(self, line.fields)

    # The caller and the assistant

    def _started(self, _line: Fields) -> None:
        self._is_caller_there = True

    def _ended(self, _line: Fields) -> None:
        self._is_caller_there = False

    def _ready(self, line: Fields) -> None:
        self._is_assistant_there = self._is_assistant_there or not line.get("is_standby")

    def _switched(self, _line: Fields) -> None:
        self._is_assistant_there = True

    def _assistant_gone(self, line: Fields) -> None:
        if line.get("leg", "assistant") == "assistant":
            self._is_assistant_there = False

    def _held(self, line: Fields) -> None:
        self._is_on_hold = bool(line["on"])

    def _mute(self, line: Fields) -> None:
        (self._muted.add if line["muted"] else self._muted.discard)(line["who"])

    def _opened(self, line: Fields) -> None:
        if line.get("opening") == "returned":
            self._back(line)

    def _back(self, _line: Fields) -> None:
        self._is_on_hold = False

    # A person

    def _called(self, line: Fields) -> None:
        self._is_on_hold = True
        self._person, self._person_leg, self._person_does = line["person"], "", CALLED

    def _answered(self, line: Fields) -> None:
        self._person_leg = line.get("person_leg", "")

    def _briefed(self, line: Fields) -> None:
        self._person_leg, self._person_does = line.get("person_leg", ""), BRIEFED

    def _joined(self, line: Fields) -> None:
        self._is_joined, self._is_on_hold, self._person_leg = True, False, line.get("person_leg", "")
        self._person_does = Role.TALKS.value

    def _listening(self, _line: Fields) -> None:
        self._is_listened_to = True

    def _listening_lost(self, _line: Fields) -> None:
        self._is_listened_to = False

    def _person_gone(self, line: Fields) -> None:
        if line.get("person_leg", "") in ("", self._person_leg):
            self._person_does, self._is_joined = "", False

    def _handover_over(self, _line: Fields) -> None:
        """The caller is on hold until they are back."""
        self._is_on_hold, self._is_joined, self._is_listened_to = True, False, False
        self._person_does = ""
        self._room.clear()

    def _message(self, _line: Fields) -> None:
        self._is_on_hold, self._leaves_message = False, True

    # A room, and supervisors

    def _placed(self, line: Fields) -> None:
        to = line.get("to")
        self._room[Member(line["member"])] = Part(Role(line["role"]), None if to is None else Member(to))
        self._is_on_hold = False

    def _left_room(self, line: Fields) -> None:
        self._room.pop(Member(line["member"]), None)
        if not self._room.keys() & {Member.PERSON, Member.SUPERVISOR}:
            self._room.clear()

    def _supervisor_called(self, line: Fields) -> None:
        self._supervisor, self._supervisor_does = line["supervisor"], CALLED

    def _supervisor_answered(self, line: Fields) -> None:
        if line["supervisor"] == self._supervisor:
            self._supervisor_does = WAITS

    def _supervised(self, line: Fields) -> None:
        self._supervisors[line["supervisor"]] = CALLED

    def _supervisor_joined(self, line: Fields) -> None:
        self._supervisors[line["supervisor"]] = _ROLES[SupervisorRole(line["role"])]

    def _supervisor_changed(self, line: Fields) -> None:
        if self._supervisors.get(line["supervisor"], CALLED) != CALLED:
            self._supervisor_joined(line)

    def _supervisor_gone(self, line: Fields) -> None:
        if line["supervisor"] == self._supervisor:
            self._supervisor = ""
            self._left_room({"member": Member.SUPERVISOR})
        self._supervisors.pop(line["supervisor"], None)

    # What follows

    def roles(self) -> dict[Party, tuple[str, tuple[str, ...]]]:
        """The role of each party that is there, and by whom it is heard."""
        if not self._is_caller_there:
            return {}
        if self._room:
            return self._in_room()
        found: dict[Party, tuple[str, tuple[str, ...]]] = {}
        if self._is_joined:
            found |= self._by_carrier()
        else:
            found[CALLER] = self._callers_role()
            if self._is_assistant_there:
                found[ASSISTANT] = self._assistants_role()
            if self._person_does:
                found[Party(Member.PERSON, self._person)] = (self._person_does, ())
        if self._supervisor:
            found[Party(Member.SUPERVISOR, self._supervisor)] = (self._supervisor_does, ())
        return found

    def _callers_role(self) -> tuple[str, tuple[str, ...]]:
        if self._leaves_message:
            return MESSAGE, ()
        if self._is_on_hold:
            return ON_HOLD, ()
        if "caller" in self._muted:
            return Role.MUTED.value, ()
        return Role.TALKS.value, (ASSISTANT.name,) if self._is_assistant_there else ()

    def _assistants_role(self) -> tuple[str, tuple[str, ...]]:
        if self._is_on_hold or self._leaves_message:
            return WAITS, ()
        if "assistant" in self._muted:
            return Role.MUTED.value, ()
        return Role.TALKS.value, (CALLER.name,)

    def _in_room(self) -> dict[Party, tuple[str, tuple[str, ...]]]:
        parts = dict(self._room)
        for muted in self._muted & parts.keys():
            parts[Member(muted)] = Part(Role.MUTED)
        parties = {member: self._party(member) for member in Member if member in parts}
        matrix = who_hears_whom(parts)
        found = {
            party: (
                BARGES if (member, parts[member].role) == (Member.SUPERVISOR, Role.TALKS) else parts[member].role.value,
                tuple(other.name for listener, other in parties.items() if member in matrix[listener]),
            )
            for member, party in parties.items()
        }  # fmt: skip
        if self._supervisor and Member.SUPERVISOR not in parts:
            found[self._party(Member.SUPERVISOR)] = (self._supervisor_does, ())
        return found

    def _party(self, member: Member) -> Party:
        names = {Member.PERSON: self._person, Member.SUPERVISOR: self._supervisor}
        return Party(member, names.get(member, "") or member.value)

    def _by_carrier(self) -> dict[Party, tuple[str, tuple[str, ...]]]:
        """The caller and the person, and those who supervise their talk or listen to it."""
        person, talks = Party(Member.PERSON, self._person), Role.TALKS.value
        there = [name for name, role in self._supervisors.items() if role != CALLED]
        listens = [ASSISTANT.name] if self._is_listened_to else []
        heard_as = {
            Role.WHISPERS.value: (person.name,),
            BARGES: (CALLER.name, person.name, *listens),
        }
        found = {
            CALLER: (talks, (person.name, *there, *listens)),
            person: (talks, (CALLER.name, *there, *listens)),
        }
        if listens:
            found[ASSISTANT] = (Role.LISTENS.value, ())
        for name, role in self._supervisors.items():
            others = tuple(other for other in there if other != name) if role == BARGES else ()
            found[Party(Member.SUPERVISOR, name)] = (role, (*heard_as.get(role, ()), *others))
        return found


_SEEN: Mapping[str, Callable[[_Parties, Fields], None]] = {
    "CallStarted": _Parties._started,
    "HangUp": _Parties._ended,
    "AssistantReady": _Parties._ready,
    "SwitchToStandby": _Parties._switched,
    "AssistantFailed": _Parties._assistant_gone,
    "CloseAssistant": _Parties._assistant_gone,
    "LegLost": _Parties._assistant_gone,
    "HoldRequested": _Parties._held,
    "MuteRequested": _Parties._mute,
    "OpenAssistant": _Parties._opened,
    "ReportTransfer": _Parties._back,
    "TellAssistant": _Parties._back,
    "CallPeople": _Parties._called,
    "PutThrough": _Parties._called,
    "EnterQueue": _Parties._called,
    "ReferCaller": _Parties._called,
    "PersonAnswered": _Parties._answered,
    "BriefPerson": _Parties._briefed,
    "PeopleJoined": _Parties._joined,
    "ListeningStarted": _Parties._listening,
    "ListeningLost": _Parties._listening_lost,
    "NobodyReached": _Parties._person_gone,
    "PersonDeclined": _Parties._person_gone,
    "PersonLeft": _Parties._person_gone,
    "ReleasePerson": _Parties._person_gone,
    "EndHandover": _Parties._handover_over,
    "TakeMessage": _Parties._message,
    "SetRole": _Parties._placed,
    "LeaveRoom": _Parties._left_room,
    "CallSupervisor": _Parties._supervisor_called,
    "SupervisorAnswered": _Parties._supervisor_answered,
    "Supervise": _Parties._supervised,
    "SupervisorJoined": _Parties._supervisor_joined,
    "ChangeSupervisor": _Parties._supervisor_changed,
    "SupervisorLeft": _Parties._supervisor_gone,
    "SupervisorNotReached": _Parties._supervisor_gone,
    "EndSupervision": _Parties._supervisor_gone,
}


def role_stretches(entries: Sequence[Line], ended_s: float) -> list[RoleStretch]:
    """The roles of all parties of a call, party by party, each in the order of time; none in a call without a person and a
    supervisor. `ended_s`: when the call ended.
    """
    found = list(_stretches(entries, ended_s))
    if all(one.kind in (Member.CALLER, Member.ASSISTANT) for one in found):
        return []
    kinds = list(Member)
    lanes = list(dict.fromkeys((one.kind, one.name) for one in found))
    lanes.sort(key=lambda lane: kinds.index(lane[0]))
    return sorted(found, key=lambda one: (lanes.index((one.kind, one.name)), one.began_s))


def _stretches(entries: Sequence[Line], ended_s: float) -> Iterator[RoleStretch]:
    parties = _Parties()
    since: dict[Party, tuple[float, str, tuple[str, ...]]] = {}

    def end(party: Party, at_s: float) -> Iterator[RoleStretch]:
        began_s, role, heard_by = since.pop(party)
        if at_s > began_s:
            yield RoleStretch(*party, began_s, at_s, role, heard_by)

    for number, one in enumerate(entries):
        parties.see(one)
        if number + 1 < len(entries) and entries[number + 1].at_s == one.at_s:
            continue  # lines of the same moment belong together
        now = parties.roles()
        for party in [party for party, (_, *before) in since.items() if now.get(party) != tuple(before)]:
            yield from end(party, one.at_s)
        for party, (role, heard_by) in now.items():
            since.setdefault(party, (one.at_s, role, heard_by))
    for party in list(since):
        yield from end(party, ended_s)
