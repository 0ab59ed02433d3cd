"""The vocabulary: every event that reaches the heart, every command that leaves it.

Events are in the past tense, commands in the imperative; both are frozen and compared by value. Audio is bytes
in the format of its leg. As JSON each is tagged with its own name under "what", which is how the journal writes it.
"""

from enum import StrEnum

from msgspec import Struct

from telecodecs.format import AudioFormat


class LegName(StrEnum):
    """The two ends of a call, as the bridge sees them."""

    CARRIER = "carrier"
    ASSISTANT = "assistant"


class Word(Struct, frozen=True, tag=True, tag_field="what"):
    """One word of the vocabulary."""


# Events: from the carrier


class CallStarted(Word, frozen=True):
    """The carrier named the call and its audio. `one_way`: listened to only, nothing can be played into it."""

    call: str
    stream: str
    line: AudioFormat
    tracks: tuple[str, ...] = ("inbound",)
    parameters: dict[str, str] = {}
    one_way: bool = False


class CallerAudio(Word, frozen=True, gc=False):
    """What the caller's side sent. `at_ms`: the carrier's clock at the first sample, from the stream's start."""

    audio: bytes
    at_ms: int


class OtherPartyAudio(Word, frozen=True, gc=False):
    """What the carrier plays to the caller, on a stream that listens to both tracks; clock as in `CallerAudio`."""

    audio: bytes
    at_ms: int


class DigitPressed(Word, frozen=True, gc=False):
    """One key: 0-9, *, #, A-D."""

    digit: str


class MarkReached(Word, frozen=True, gc=False):
    """The carrier returned a mark: all audio before it was played, or thrown away by a clear."""

    name: str


class CallEnded(Word, frozen=True, gc=False):
    """The carrier said that the stream is over."""


# Events: from the assistant


class AssistantReady(Word, frozen=True):
    """The assistant confirmed the formats that it hears and speaks."""

    hears: AudioFormat
    speaks: AudioFormat


class ReplyAudio(Word, frozen=True, gc=False):
    """A piece of the assistant's voice, in order within its item."""

    item: str
    audio: bytes


class ReplyEnded(Word, frozen=True, gc=False):
    """No more audio will come for this item."""

    item: str


class CallerSpoke(Word, frozen=True, gc=False):
    """The caller began to speak; what is being played should stop."""


class CallerPaused(Word, frozen=True, gc=False):
    """The caller's utterance ended."""


# Events: from either leg, or from the shell


class LegLost(Word, frozen=True, gc=False):
    """A leg closed or broke. `code`: the WebSocket close code, 1006 where none was given (RFC 6455, 7.1.5)."""

    leg: LegName
    code: int
    reason: str = ""


class MessageRefused(Word, frozen=True, gc=False):
    """A message was malformed; it cost itself and nothing else."""

    leg: LegName
    why: str


class Ignored(Word, frozen=True, gc=False):
    """A message of a kind that we do not know."""

    kind: str


class ClosingAsked(Word, frozen=True, gc=False):
    """The server wants the call to end once the caller has heard what was said."""

    why: str


class TimePassed(Word, frozen=True, gc=False):
    """Nothing came; a deadline did."""


# Commands: to the carrier


class PlayAudio(Word, frozen=True, gc=False):
    """Queue audio behind what the carrier still has to play."""

    audio: bytes


class SendMark(Word, frozen=True, gc=False):
    """Ask to be told when all audio before this point has been played."""

    name: str


class ClearPlayback(Word, frozen=True, gc=False):
    """Throw away what the carrier has not played; by the ledger that is `unheard_samples` of the line's format."""

    unheard_samples: int


class HangUp(Word, frozen=True, gc=False):
    """Close the carrier's leg. `code`: the WebSocket close code."""

    code: int
    why: str


# Commands: to the assistant


class OpenAssistant(Word, frozen=True):
    """Begin the conversation of this call, in audio as near to `line` as the assistant can."""

    call: str
    line: AudioFormat
    parameters: dict[str, str] = {}


class AppendAudio(Word, frozen=True, gc=False):
    """The caller's audio in the format that the assistant hears, without holes."""

    audio: bytes


class TypeDigit(Word, frozen=True, gc=False):
    """The caller pressed a key."""

    digit: str


class TruncateReply(Word, frozen=True, gc=False):
    """The caller heard only the first `heard_ms` of this item."""

    item: str
    heard_ms: int


class DropReply(Word, frozen=True, gc=False):
    """The caller heard nothing of this item."""

    item: str


class ConfirmHeard(Word, frozen=True, gc=False):
    """The caller heard this item to its end."""

    item: str


class CloseAssistant(Word, frozen=True, gc=False):
    """The conversation is over."""


CarrierEvent = (
    CallStarted | CallerAudio | OtherPartyAudio | DigitPressed | MarkReached | CallEnded | Ignored
)  # fmt: skip
AssistantEvent = AssistantReady | ReplyAudio | ReplyEnded | CallerSpoke | CallerPaused | Ignored
ShellEvent = LegLost | MessageRefused | ClosingAsked | TimePassed
Event = CarrierEvent | AssistantEvent | ShellEvent

CarrierCommand = PlayAudio | SendMark | ClearPlayback
AssistantCommand = (
    OpenAssistant | AppendAudio | TypeDigit | TruncateReply | DropReply | ConfirmHeard | CloseAssistant
)  # fmt: skip
Command = CarrierCommand | HangUp | AssistantCommand
