"""Who heard whom in a call that went to a person: on hold, while the person was briefed, joined, and back; from the journal.

Times are seconds, as the lines of the journal have them.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol


class Line(Protocol):
    """A line of a journal, as `call_history.JournalEntry`."""

    @property
    def at_s(self) -> float: ...

    @property
    def what(self) -> str: ...

    @property
    def fields(self) -> dict[str, Any]: ...


class Hears(StrEnum):
    """Whom the caller hears in a stretch of a handover."""

    HOLD = "on hold"
    BRIEFING = "on hold, {person} is briefed"
    PERSON = "with {person}"
    ROOM = "in a room with {person}"
    ROOM_OF_THREE = "in a room with {person} and the assistant"
    NOBODY = "leaves a message for {person}"


_IN_A_ROOM = Hears.ROOM.split("{", 1)[0]


class Stretch(NamedTuple):
    """A stretch of a call in which the caller did not talk with the assistant. `who`: in words."""

    began_s: float
    ended_s: float
    who: str

    @property
    def is_with_person(self) -> bool:
        """Whether the carrier had joined the two, so that there was no stream."""
        return self.who.startswith(Hears.PERSON.split("{", 1)[0])

    @property
    def is_in_room(self) -> bool:
        """Whether the bridge mixed the two."""
        return self.who.startswith(Hears.ROOM.split("{", 1)[0])


def _joined(member: str, role: str | None) -> Hears | None:
    """Whom the caller hears once this member of a room has another role, or leaves; None where that changes nothing."""
    if member == "assistant":
        return Hears.ROOM_OF_THREE if role == "talks" else Hears.ROOM
    return Hears.ROOM if member == "person" and role else None


class _Now:
    """Whom the caller hears at the moment; empty: the assistant."""

    def __init__(self) -> None:
        self.who = ""
        self._person = ""
        self._room = ""  # in which the caller is on hold

    def read(self, one: Line) -> str | None:
        """Whom they hear from this line on; None where it changes nothing."""
        match one.what:
            case "CallPeople" | "PutThrough":
                self._person = one.fields["person"]
                return Hears.HOLD
            case "BriefPerson":
                return self._named(Hears.BRIEFING)
            case "SetRole" | "LeaveRoom" if self.who:
                return self._in_room(one)
            case "PeopleJoined" if self.who:
                return self._named(Hears.PERSON)
            case "TakeMessage":
                return self._named(Hears.NOBODY)
            case "ReleasePerson" if self.who == self._named(Hears.BRIEFING):
                return Hears.HOLD
            case "EndHandover" if self._room or self.who.startswith(_IN_A_ROOM):
                self._room = ""
                return ""
            case "ReportTransfer" | "HangUp":
                return ""
            case "OpenAssistant" if one.fields.get("opening") == "returned":
                return ""
        return None

    def _named(self, hears: Hears) -> str:
        return hears.format(person=self._person)

    def _in_room(self, line: Line) -> str | None:
        """A member has another role, or leaves: of a caller on hold it says whom they will hear."""
        member, role = line.fields["member"], line.fields.get("role")
        if member == "caller":
            return self._hold(role == "held")
        hears = _joined(member, role)
        if hears is None:
            return None
        if not self._room:
            return self._named(hears)
        self._room = self._named(hears)
        return None

    def _hold(self, is_held: bool) -> str | None:
        if is_held and not self._room:
            self._room = self.who
            return Hears.HOLD
        if self._room and not is_held:
            room, self._room = self._room, ""
            return room
        return None


def stretches(entries: Sequence[Line], ended_s: float) -> Iterator[Stretch]:
    """The stretches of a call, in order. `ended_s`: when the call ended."""
    began_s, now = 0.0, _Now()
    for one in entries:
        told = now.read(one)
        if told is None or told == now.who:
            continue
        if now.who and one.at_s > began_s:
            yield Stretch(began_s, one.at_s, now.who)
        began_s, now.who = one.at_s, told
    if now.who and ended_s > began_s:
        yield Stretch(began_s, ended_s, now.who)
