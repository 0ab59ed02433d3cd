"""The vocabulary's first half: every event that reaches the core, in the past tense; `commands` has the second.

Frozen and compared by value. Audio is bytes in the format of its leg. As JSON each word is tagged with its own name
under "what", which is how the journal writes it.
"""

from enum import StrEnum

from msgspec import Struct

from telecodecs.format import AudioFormat


class LegName(StrEnum):
    """The ends of a call, as the bridge sees them."""

    CARRIER = "carrier"
    ASSISTANT = "assistant"
    STANDBY = "standby"
    """An assistant that is being opened while another one has the call."""


class Opening(StrEnum):
    """Why an assistant is opened."""

    FIRST = "first"
    """The call begins."""
    RENEWED = "renewed"
    """The one before expires; the caller should notice nothing."""
    RECOVERED = "recovered"
    """The one before was lost in the middle of the call, and the caller noticed."""


class Speaker(StrEnum):
    """Whose words they are."""

    CALLER = "caller"
    ASSISTANT = "assistant"


class EntryEnd(StrEnum):
    """Why an entry on the keypad is over."""

    TERMINATOR = "terminator"
    FULL = "full"
    QUIET = "quiet"
    """No further key came; or none at all, where an entry was asked for."""
    HANGUP = "hangup"
    INVALID = "invalid"
    """It was over with fewer digits than an entry has."""


class Said(Struct, frozen=True):
    """What one side said in one turn: of the assistant's words those that the caller heard."""

    who: Speaker
    text: str


class Word(Struct, frozen=True, tag=True, tag_field="what"):
    """One word of the vocabulary."""


# Events: from the carrier


class CallStarted(Word, frozen=True):
    """The carrier named the call and its audio: `line` comes from the caller, and `plays` is played to the caller.

    `plays` is None where both are the same. `one_way`: listened to only, nothing can be played into it.
    """

    call_id: str
    stream: str
    line: AudioFormat
    tracks: tuple[str, ...] = ("inbound",)
    parameters: dict[str, str] = {}
    one_way: bool = False
    plays: AudioFormat | None = None


class CallerAudio(Word, frozen=True, gc=False):
    """What the caller's side sent. `at_ms`: the carrier's clock at the first sample, from the stream's start."""

    audio: bytes
    at_ms: int


class OtherPartyAudio(Word, frozen=True, gc=False):
    """What the carrier plays to the caller, on a stream that listens to both tracks; clock as in `CallerAudio`."""

    audio: bytes
    at_ms: int


class DigitPressed(Word, frozen=True, gc=False):
    """One key: 0-9, *, #, A-D.

    `pressed_at`: by the carrier's clock, in its own words, which sort as the times do; empty if it does not say.
    """

    digit: str
    pressed_at: str = ""


class MarkReached(Word, frozen=True, gc=False):
    """The carrier returned a mark: all audio before it was played, or thrown away by a clear."""

    name: str


class CallEnded(Word, frozen=True, gc=False):
    """The carrier said that the stream is over."""


class CarrierReportedError(Word, frozen=True, gc=False):
    """The carrier did not like what it was told; the stream goes on. `code`: the carrier's own."""

    code: str
    why: str


# Events: from the assistant


class AssistantReady(Word, frozen=True):
    """The assistant confirmed the formats that it hears and speaks.

    `lasts_s`: then it expires. `keys_interrupt`: an entry from the keypad is an utterance, and stops what is played.
    `is_standby`: another one has the call as yet; `SwitchToStandby` gives it to this one. `may_suspect`: it may say
    `SpeechSuspected`, and then want a reply to go on where it stopped.
    """

    hears: AudioFormat
    speaks: AudioFormat
    lasts_s: float | None = None
    keys_interrupt: bool = False
    is_standby: bool = False
    may_suspect: bool = False


class ReplyAudio(Word, frozen=True, gc=False):
    """A piece of the assistant's voice, in order within its item."""

    item: str
    audio: bytes


class ReplyEnded(Word, frozen=True, gc=False):
    """No more audio will come for this item."""

    item: str


class ReplySaid(Word, frozen=True, gc=False):
    """The next words of an item, as text; they run ahead of its sound."""

    item: str
    text: str


class SpeechSuspected(Word, frozen=True, gc=False):
    """The caller may have begun to speak: what is being played waits for `SpeechStarted` or `SpeechDismissed`."""


class SpeechDismissed(Word, frozen=True, gc=False):
    """It was a cough, or the like: what was being played goes on."""


class SpeechStarted(Word, frozen=True, gc=False):
    """The caller began to speak. `interrupts`: what is being played should stop.

    `at_ms`: where that was in the audio that the assistant was given of the caller; None if it does not say.
    """

    interrupts: bool = True
    at_ms: int | None = None


class SpeechStopped(Word, frozen=True, gc=False):
    """The caller's utterance ended. `item`: its name, where the assistant names utterances; `at_ms` as above."""

    item: str = ""
    at_ms: int | None = None


class CallerSaid(Word, frozen=True, gc=False):
    """What an utterance was understood as. It comes when it comes, maybe after the reply."""

    item: str
    text: str


class ToolCalled(Word, frozen=True, gc=False):
    """The assistant wants something done. `tool_call_id`: its name for this wish; `arguments`: JSON as the assistant wrote it."""

    tool_call_id: str
    tool: str
    arguments: str


class EntryRequested(Word, frozen=True, gc=False):
    """The assistant wants the caller to type something; `EnterDigits` answers `request_id`, its name for this wish.

    `length`: digits, at the most; None, and likewise below: as the settings have it. `terminator`: keys that end it,
    empty for none. `timeout_s`: for the first key. `sensitive`: what is typed is for tools only. Asked again under the
    same `request_id` it takes the place of the earlier wish.
    """

    request_id: str
    length: int | None = None
    terminator: str | None = None
    timeout_s: float | None = None
    sensitive: bool = False


class PressRequested(Word, frozen=True, gc=False):
    """The assistant wants keys pressed, for who is at the far end: 0-9 * # A-D; w is half a second's pause, W a second."""

    keys: str


class NoteTaken(Word, frozen=True, gc=False):
    """The assistant wants a line in the journal."""

    text: str


class AssistantHangingUp(Word, frozen=True, gc=False):
    """The assistant is about to hang up, after its goodbye; or, not `intended`, has been kept from it."""

    intended: bool = True


class TokensUsed(Word, frozen=True):
    """What a reply, or a transcription, is billed for: tokens by kind, "input_audio" and the like."""

    tokens: dict[str, int]


class AssistantReportedError(Word, frozen=True, gc=False):
    """The assistant did not like what it was told; the conversation goes on."""

    why: str


class AssistantFailed(Word, frozen=True, gc=False):
    """The assistant is of no use any more, though its leg stands. `final`: a second try would end the same."""

    why: str
    final: bool = False


# Events: from either leg, or from the shell


class LegLost(Word, frozen=True, gc=False):
    """A leg closed or broke. `code`: the WebSocket close code, 1006 where none was given (RFC 6455, 7.1.5)."""

    leg: LegName
    code: int
    reason: str = ""


class MessageRefused(Word, frozen=True, gc=False):
    """A malformed message was dropped; the call goes on."""

    leg: LegName
    why: str


class Ignored(Word, frozen=True, gc=False):
    """A message of a kind that we do not know."""

    kind: str


class CloseRequested(Word, frozen=True, gc=False):
    """The server, or a dialect, wants the call to end once the caller has heard what was said.

    `code`: the WebSocket close code to hang up with.
    """

    why: str
    code: int = 1001


class ToolAnswered(Word, frozen=True, gc=False):
    """A tool came to its end, good or bad. `output`: JSON or text, for the assistant."""

    tool_call_id: str
    output: str


class TimePassed(Word, frozen=True, gc=False):
    """Nothing came; a deadline did."""


CarrierEvent = (
    CallStarted
    | CallerAudio
    | OtherPartyAudio
    | DigitPressed
    | MarkReached
    | CallEnded
    | CarrierReportedError
    | CloseRequested
    | Ignored
)
AssistantEvent = (
    AssistantReady
    | ReplyAudio
    | ReplyEnded
    | ReplySaid
    | SpeechSuspected
    | SpeechDismissed
    | SpeechStarted
    | SpeechStopped
    | CallerSaid
    | ToolCalled
    | EntryRequested
    | PressRequested
    | NoteTaken
    | AssistantHangingUp
    | TokensUsed
    | AssistantReportedError
    | AssistantFailed
    | CloseRequested
    | Ignored
    | MessageRefused
)
ShellEvent = LegLost | MessageRefused | CloseRequested | ToolAnswered | TimePassed
Event = CarrierEvent | AssistantEvent | ShellEvent
