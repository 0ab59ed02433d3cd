"""The events and commands of a room: a call in which more than two hear each other, mixed by the bridge. `core.room` has it.

Each member but the assistant has a telephone leg with a media stream of its own. `member_leg` is the carrier's id of that leg.
"""

from enum import StrEnum

from bridge.vocabulary.word import Word
from telecodecs.format import AudioFormat


class Member(StrEnum):
    """Who is in a room, each at most once."""

    CALLER = "caller"
    PERSON = "person"
    ASSISTANT = "assistant"
    SUPERVISOR = "supervisor"


class Role(StrEnum):
    """What a member does in a room. Whoever is not on hold hears all who talk, and who whispers to them."""

    TALKS = "talks"
    """All hear this member. A supervisor who barges in talks."""
    LISTENS = "listens"
    """Nobody hears this member."""
    WHISPERS = "whispers"
    """One other member alone hears this member."""
    MUTED = "muted"
    """As `LISTENS`, of a member who would talk."""
    SILENT = "silent"
    """As `LISTENS`, of an assistant that is not addressed."""
    HELD = "held"
    """This member hears nobody, and nobody hears this member."""


# Events: in the call of the caller


class MemberJoined(Word, frozen=True, gc=False):
    """The stream of this member's leg is a part of the room from here on. `line`: the format of its frames."""

    member: Member
    member_leg: str
    line: AudioFormat


class MemberAudio(Word, frozen=True, gc=False):
    """A frame of what this member says. `at_ms`: as in `CallerAudio`."""

    member: Member
    member_leg: str
    audio: bytes
    at_ms: int


class MemberLeft(Word, frozen=True, gc=False):
    """The stream of this member's leg has ended, or broke."""

    member: Member
    member_leg: str


class RoleRequested(Word, frozen=True, gc=False, omit_defaults=True):
    """A member of the room is to have another role. `to`: whom a member who whispers is heard by."""

    member: Member
    role: Role
    to: Member | None = None


class AssistantAddressed(Word, frozen=True, gc=False):
    """An operator has told a silent assistant something that it is to answer: its next reply is heard by all."""


# Events: in the call of a member


class RoomAudio(Word, frozen=True, gc=False):
    """A frame of what this member hears, in the format of its leg."""

    audio: bytes


# Commands


class JoinRoom(Word, frozen=True, gc=False):
    """This leg is a part of the caller's room from here on: `MemberJoined` tells the caller's call. `line`: of its frames."""

    line: AudioFormat


class SpeakToRoom(Word, frozen=True, gc=False):
    """A frame of this leg, for the room: `MemberAudio` tells the caller's call."""

    audio: bytes
    at_ms: int


class PlayToMember(Word, frozen=True, gc=False):
    """A frame of what this member hears: `RoomAudio` tells the call of its leg."""

    member: Member
    member_leg: str
    audio: bytes


class SetRole(Word, frozen=True, gc=False, omit_defaults=True):
    """The role of a member of the room from here on, for observers."""

    member: Member
    role: Role
    to: Member | None = None


class DismissMember(Word, frozen=True, gc=False):
    """End the call of this leg, which called in: `CallerLeft` tells it. The leg may be gone by then."""

    member_leg: str
    why: str


class LeaveRoom(Word, frozen=True, gc=False):
    """A member is no part of the room any more, for observers."""

    member: Member


RoomEvent = MemberJoined | MemberAudio | MemberLeft | RoleRequested | AssistantAddressed | RoomAudio
"""What the core is told of a room."""

RoomCommand = JoinRoom | SpeakToRoom | PlayToMember | SetRole | DismissMember | LeaveRoom
"""What the core has the shell do for a room."""
