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


def _joined(line: Line) -> Hears | None:
    """Whom the caller hears once the carrier has joined the two, or a member of a room has another role, or leaves.

    None where that changes nothing.
    """
    if line.what == "PeopleJoined":
        return Hears.PERSON
    member, role = line.fields["member"], line.fields.get("role")
    if member == "assistant":
        return Hears.ROOM_OF_THREE if role == "talks" else Hears.ROOM
    return Hears.ROOM if member == "person" and role else None


def stretches(entries: Sequence[Line], ended_s: float) -> Iterator[Stretch]:
    """The stretches of a call, in order. `ended_s`: when the call ended."""
    began_s, who, person = 0.0, "", ""
    for one in entries:
        now: str | None = None  # who is heard from here on; empty: the assistant
        match one.what:
            case "CallPeople" | "PutThrough":
                person = one.fields["person"]
                now = Hears.HOLD
            case "BriefPerson":
                now = Hears.BRIEFING
            case "PeopleJoined" | "SetRole" | "LeaveRoom" if who:
                now = _joined(one)
            case "TakeMessage":
                now = Hears.NOBODY
            case "ReleasePerson" if who == Hears.BRIEFING.format(person=person):
                now = Hears.HOLD
            case "ReportTransfer" | "HangUp":
                now = ""
            case "OpenAssistant" if one.fields.get("opening") == "returned":
                now = ""
        if now is None or (told := now.format(person=person)) == who:
            continue
        if who and one.at_s > began_s:
            yield Stretch(began_s, one.at_s, who)
        began_s, who = one.at_s, told
    if who and ended_s > began_s:
        yield Stretch(began_s, ended_s, who)
