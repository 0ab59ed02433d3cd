"""The events and commands of a handover: a call is put through to a person, and taken back. `core.handover` has its rules.

A person is named in the settings; each command gives one *group* of addresses that are called at the same time (numbers
in E.164, or `sip:` URIs). `person_leg` is the carrier's id of the leg of one address. A handover has one `request_id`.
"""

from enum import StrEnum

from msgspec import Struct

from bridge.vocabulary.word import Word
from telecodecs.format import AudioFormat


class Briefing(Struct, frozen=True):
    """What a briefing is about. `person`: its name in the settings; `why`, `summary`: as the assistant wrote them.

    `instructions`: for the assistant that briefs, from the settings; empty: those that the bridge has.
    """

    person: str
    why: str = ""
    summary: str = ""
    instructions: str = ""


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


class Outcome(StrEnum):
    """What became of a handover."""

    TALKED = "talked"
    """The caller was joined with the person."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    MACHINE = "machine"
    FAILED = "failed"
    REFUSED = "refused"
    DECLINED = "declined"
    """The person was briefed, and did not take the call."""
    CALLER_LEFT = "caller_left"
    """The caller hung up before the two were joined."""
    NOT_POSSIBLE = "not_possible"
    """The request was refused, and nobody was called."""
    SENT_ON = "sent_on"
    """The carrier has the caller, in a queue or at another line, and the call is over for us."""


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
    """Nobody of the group that was called answered, and no leg of it is left.

    `request_id`: of the command that called it, so that a late or repeated event is told from one of the group that is
    called now; empty: it is of that group.
    """

    why: Nobody
    request_id: str = ""


class PeopleJoined(Word, frozen=True, gc=False):
    """The carrier joined the caller with this person: they hear each other.

    `person_leg` is empty where the carrier names no leg: somebody took the caller out of a queue, or a referral is done.
    """

    person_leg: str


class PersonLeft(Word, frozen=True, gc=False):
    """The person's leg has ended, while they were joined or before; the caller is still there.

    `after_s`: how long the two were joined, in seconds; 0 if they were not.
    """

    person_leg: str
    after_s: float = 0.0


# Events: from the stream that listens to the caller and the person


class ListeningStarted(Word, frozen=True, gc=False):
    """The carrier's stream of what the caller and the person say has started. `line`: the format of its frames."""

    line: AudioFormat


class TalkAudio(Word, frozen=True, gc=False):
    """A frame of that stream. `is_callers`: it is the caller's; else what the caller hears. `at_ms`: as in `CallerAudio`."""

    audio: bytes
    at_ms: int
    is_callers: bool


class ListeningLost(Word, frozen=True, gc=False):
    """That stream has ended, or broke."""


# Events: from the briefing


class BriefingStarted(Word, frozen=True, gc=False):
    """The media stream of the person's leg has started."""

    person_leg: str


class PersonAccepted(Word, frozen=True, gc=False):
    """The person was briefed and takes the call."""

    person_leg: str


class PersonDeclined(Word, frozen=True, gc=False):
    """The person does not take the call, or the briefing ended without a word of it."""

    person_leg: str
    why: str


# Events: in the call of a briefing


class BriefingAccepted(Word, frozen=True, gc=False):
    """The assistant that briefs says that the person takes the call."""


class BriefingDeclined(Word, frozen=True, gc=False):
    """The assistant that briefs says that the person does not take the call. `why`: in its words."""

    why: str


class CallerLeft(Word, frozen=True, gc=False):
    """The caller, about whom the person is being briefed, is gone: the person is told so, and hung up on."""

    why: str


# Commands: to the carrier's call control


class CallPeople(Word, frozen=True):
    """Call this group, all at the same time; the caller stays on our stream. `PersonAnswered` names who answers first.

    `person`: its name in the settings. `from_`: what they are shown: "caller" (the caller's number, where the carrier
    allows it), "ours" (the number that the caller called), or a number. `ring_s`: how long it rings. `request_id`: no
    other command of this call has it. Once somebody has answered, the carrier's control hangs up on those of the group
    who ring; whoever answers after that is told to the core all the same, which releases them. Whoever answers after
    the call has ended is hung up on by the control.
    """

    person: str
    group: tuple[str, ...]
    from_: str
    ring_s: float
    request_id: str


class PutThrough(Word, frozen=True, omit_defaults=True):
    """Call this group, and join whoever answers first with the caller, without a briefing. The fields are `CallPeople`'s.

    The carrier may end the caller's stream for it, at once or when somebody answers. `PersonAnswered` and `PeopleJoined`
    follow, or `NobodyReached`. `listens`: have the carrier stream what both say, as `ListeningStarted` has it.
    """

    person: str
    group: tuple[str, ...]
    from_: str
    ring_s: float
    request_id: str
    listens: bool = False


class BriefPerson(Word, frozen=True, gc=False):
    """Open a media stream on this person's leg, for the briefing."""

    person_leg: str


class JoinPerson(Word, frozen=True, gc=False, omit_defaults=True):
    """Join the caller with this person; the streams of both may end for it. `PeopleJoined` follows.

    `listens`: as in `PutThrough`.
    """

    person_leg: str
    listens: bool = False


class ReleasePerson(Word, frozen=True, gc=False):
    """Hang up on this person, who may be gone by then. With an empty `person_leg`: on all whom this call has called.

    A caller in a queue is then taken out of it, and hung up on.
    """

    person_leg: str
    why: str


class TakeBack(Word, frozen=True, gc=False):
    """Open the caller's stream again, unless it is open: `CallStarted` follows."""


class EnterQueue(Word, frozen=True, gc=False):
    """Put the caller into this queue of the carrier's, whose stream ends for it. `person`, `request_id`: as `CallPeople` has.

    `PeopleJoined` follows if the carrier says that somebody takes the caller; `PersonLeft` when they have talked and the
    caller is still there, `NobodyReached` when the caller is out of the queue without.
    """

    person: str
    queue: str
    request_id: str


class ReferCaller(Word, frozen=True, gc=False):
    """Have the caller's telephone call the SIP address `to` in place of us. `person`, `request_id`: as `CallPeople` has.

    The stream may end for it. `PeopleJoined` follows where it was done, and the call is over; else `NobodyReached`.
    """

    person: str
    to: str
    request_id: str


class CloseStream(Word, frozen=True, gc=False):
    """Close the caller's stream with code 1000, behind the command that needs it: the carrier goes on by itself.

    Only for a carrier whose `CallControl.can` has it, because a stream is in the way of what comes next; the session
    performs it, and not the control.
    """

    why: str


# Commands: to the shell


class EndBriefing(Word, frozen=True, gc=False):
    """The caller is gone: have the briefing of this person end, after a word about it (`CallerLeft`)."""

    person_leg: str
    why: str


class ReportBriefing(Word, frozen=True, gc=False):
    """A briefing is over: tell the call of the caller (`PersonAccepted`, or `PersonDeclined` with `why`)."""

    is_accepted: bool
    why: str = ""


class EndHandover(Word, frozen=True, gc=False):
    """A handover is over, for the journal and the account.

    `waited_s`: from the request until the two were joined, or nobody was to be reached any more; `talked_s`: how long
    they talked. In seconds.
    """

    person: str
    outcome: Outcome
    waited_s: float
    talked_s: float = 0.0


class TakeMessage(Word, frozen=True, gc=False):
    """From now on the caller leaves a message for this person, of at most `most_s` seconds; the recording has it."""

    person: str
    most_s: float


class EndMessage(Word, frozen=True, gc=False):
    """The caller has left a message for this person, of `length_s` seconds from the end of the beep."""

    person: str
    length_s: float


PersonEvent = (
    PersonRings
    | PersonAnswered
    | NobodyReached
    | PeopleJoined
    | PersonLeft
    | BriefingStarted
    | PersonAccepted
    | PersonDeclined
)
"""What reaches the core of a handover beside the streams."""

TalkEvent = ListeningStarted | TalkAudio | ListeningLost
"""What the stream that listens to the caller and a person tells the core."""

BriefingEvent = BriefingAccepted | BriefingDeclined
"""What an assistant that briefs a person says of it."""

PersonCommand = (
    CallPeople
    | PutThrough
    | EnterQueue
    | ReferCaller
    | BriefPerson
    | JoinPerson
    | ReleasePerson
    | TakeBack
    | CloseStream
)
"""What the core has the carrier's call control do in a handover."""

HandoverNote = EndBriefing | ReportBriefing | EndHandover | TakeMessage | EndMessage
"""What the core tells the shell of a handover."""
