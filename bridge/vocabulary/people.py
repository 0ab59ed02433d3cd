"""The events and commands of a handover: a call is put through to a person, and taken back. `core.handover` has its rules.

A person is named in the settings; each command gives one *group* of addresses that are called at the same time (numbers
in E.164, or `sip:` URIs). `person_leg` is the carrier's id of the leg of one address. A handover has one `request_id`.
"""

from enum import StrEnum

from bridge.vocabulary.word import Word


class Nobody(StrEnum):
    """Why nobody of a group was reached."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    MACHINE = "machine"
    """A machine answered."""
    FAILED = "failed"
    """The carrier could not call them, or did not answer us."""
    REFUSED = "refused"
    """They refused the call."""


# Events: from the assistant


class TransferRequested(Word, frozen=True):
    """The assistant wants the caller put through to a person of the settings.

    `why`, `summary`: for the briefing, in words. `tool_call_id`: its name for this request, which the outcome answers.
    """

    person: str
    why: str = ""
    summary: str = ""
    tool_call_id: str = ""


# Events: from the carrier's call control


class PersonRings(Word, frozen=True, gc=False):
    """The telephone of one address rings."""

    person_leg: str


class PersonAnswered(Word, frozen=True, gc=False):
    """Somebody answered at the address `to`. Of a group the first one counts; the others are released."""

    person_leg: str
    to: str


class NobodyReached(Word, frozen=True, gc=False):
    """Nobody of the group that was called answered, and no leg of it is left."""

    why: Nobody


class PeopleJoined(Word, frozen=True, gc=False):
    """The carrier joined the caller with this person: they hear each other."""

    person_leg: str


class PersonLeft(Word, frozen=True, gc=False):
    """The person's leg has ended, while they were joined or before; the caller is still there.

    `after_s`: how long the two were joined, in seconds; 0 if they were not.
    """

    person_leg: str
    after_s: float = 0.0


# Events: from the briefing


class PersonAccepted(Word, frozen=True, gc=False):
    """The person was briefed and takes the call."""

    person_leg: str


class PersonDeclined(Word, frozen=True, gc=False):
    """The person does not take the call, or the briefing ended without a word of it."""

    person_leg: str
    why: str


# Commands: to the carrier's call control


class CallPeople(Word, frozen=True):
    """Call this group, all at the same time; the caller stays on our stream. `PersonAnswered` names who answers first.

    `person`: its name in the settings. `from_`: the number that they are shown; empty: the number that the caller
    called. `ring_s`: how long it rings. `request_id`: of the handover.
    """

    person: str
    group: tuple[str, ...]
    from_: str
    ring_s: float
    request_id: str


class PutThrough(Word, frozen=True):
    """Call this group, and join whoever answers first with the caller, without a briefing. The fields are `CallPeople`'s.

    The carrier may end the caller's stream for it, at once or when somebody answers. `PersonAnswered` and `PeopleJoined`
    follow, or `NobodyReached`.
    """

    person: str
    group: tuple[str, ...]
    from_: str
    ring_s: float
    request_id: str


class BriefPerson(Word, frozen=True, gc=False):
    """Open a media stream on this person's leg, for the briefing."""

    person_leg: str


class JoinPerson(Word, frozen=True, gc=False):
    """Join the caller with this person; the streams of both may end for it. `PeopleJoined` follows."""

    person_leg: str


class ReleasePerson(Word, frozen=True, gc=False):
    """Hang up on this person. With an empty `person_leg`: on all whom the handover has called."""

    person_leg: str
    why: str


class TakeBack(Word, frozen=True, gc=False):
    """Open the caller's stream again, unless it is open: `CallStarted` follows."""


PersonEvent = (
    PersonRings | PersonAnswered | NobodyReached | PeopleJoined | PersonLeft | PersonAccepted | PersonDeclined
)
"""What reaches the core of a handover beside the streams."""

PersonCommand = CallPeople | PutThrough | BriefPerson | JoinPerson | ReleasePerson | TakeBack
"""What the core has the carrier's call control do in a handover."""
