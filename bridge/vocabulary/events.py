"""The events that reach the core. `commands` has what the core answers.

Events are frozen and compared by value. Audio is bytes in the format of its leg. As JSON each event has its own name
under "what": so the journal writes it.
"""

from enum import StrEnum

from msgspec import Struct, field

from bridge.vocabulary.operator import OperatorEvent
from bridge.vocabulary.people import BriefingEvent, CallerLeft, PersonEvent, TalkEvent, TransferRequested
from bridge.vocabulary.room import RoomEvent
from bridge.vocabulary.supervision import SupervisionEvent
from bridge.vocabulary.word import Word as Word  # noqa: PLC0414  # most modules import it with the events
from telecodecs.format import AudioFormat

KEYS = frozenset("0123456789*#ABCD")
"""The keys of a telephone's keypad (ITU-T Q.23); few telephones have A to D."""


class LegName(StrEnum):
    """The legs of a call."""

    CARRIER = "carrier"
    ASSISTANT = "assistant"
    STANDBY = "standby"
    """The assistant that is being opened while another one has the call."""


class Opening(StrEnum):
    """Why an assistant is opened."""

    FIRST = "first"
    """The call begins."""
    RENEWED = "renewed"
    """The active assistant expires; the caller should notice nothing."""
    RECOVERED = "recovered"
    """The assistant before was lost during the call, and the caller noticed."""
    RETURNED = "returned"
    """The caller is back from a person, or was not put through, and the assistant had been closed for it."""
    BRIEFING = "briefing"
    """The assistant talks with a person, about a caller who is to be put through to them."""


class Speaker(StrEnum):
    """Who said something."""

    CALLER = "caller"
    ASSISTANT = "assistant"


class EntryEnd(StrEnum):
    """Why an entry on the keypad is complete."""

    TERMINATOR = "terminator"
    FULL = "full"
    QUIET = "quiet"
    """No further key came in time, or no key at all, where an entry was requested."""
    HANGUP = "hangup"
    INVALID = "invalid"
    """It has fewer digits than an entry must have."""


class Said(Struct, frozen=True):
    """What one side said in one turn; of the assistant's words only those that the caller heard."""

    who: Speaker
    text: str


class ToolUsed(Struct, frozen=True):
    """A tool call that was made earlier in the call, by whichever assistant. `arguments`: JSON as that assistant wrote it.

    `tool_call_id`: empty for a built-in tool. `output`: None while the tool runs; `AnswerTool` with `is_late` brings it.
    """

    tool_call_id: str
    tool: str
    arguments: str
    output: str | None = None


History = tuple[Said | ToolUsed, ...]
"""What was said and done in a call so far, in order: an assistant that takes over in mid-call is told it."""


# Events: from the carrier


class CallStarted(Word, frozen=True):
    """The carrier's stream started, or was resumed.

    `call_id`: the carrier's name for the call; `stream`: for the stream. `line`: the format of the caller's audio;
    `plays`: of what is played to the caller, None if it is the same. `one_way`: nothing can be played.
    """

    call_id: str
    stream: str
    line: AudioFormat
    tracks: tuple[str, ...] = ("inbound",)
    parameters: dict[str, str] = field(default_factory=dict)
    one_way: bool = False
    plays: AudioFormat | None = None


class CallerAudio(Word, frozen=True, gc=False):
    """A frame of the caller's audio. `at_ms`: the carrier's clock at its first sample, from the start of the stream."""

    audio: bytes
    at_ms: int


class OtherPartyAudio(Word, frozen=True, gc=False):
    """A frame of what the caller hears, on a stream that listens to both tracks. `at_ms`: as in `CallerAudio`."""

    audio: bytes
    at_ms: int


class DigitPressed(Word, frozen=True, gc=False):
    """The caller pressed one key of `KEYS`.

    `pressed_at`: the time as the carrier writes it, in a form that sorts as the times do; empty if it does not say.
    """

    digit: str
    pressed_at: str = ""


class MarkReached(Word, frozen=True, gc=False):
    """The carrier returned a mark: all audio before it was played, or was thrown away by a clear."""

    name: str


class CallEnded(Word, frozen=True, gc=False):
    """The carrier said that the stream is over."""


class CarrierReportedError(Word, frozen=True, gc=False):
    """The carrier reported an error; the stream goes on. `code`: the carrier's own code."""

    code: str
    why: str


# Events: from the assistant


class AssistantReady(Word, frozen=True):
    """The assistant is ready, and confirmed the formats that it hears and speaks; it may do so again with other formats.

    `lasts_s`: its whole lifetime, from when it was first ready; None: it does not expire. `keys_interrupt`: an entry from
    the keypad is an utterance and interrupts what is played. `is_standby`: another assistant has the call until
    `SwitchToStandby`. `may_suspect`: it may report `SpeechSuspected`, after which a reply can go on where it stopped.
    """

    hears: AudioFormat
    speaks: AudioFormat
    lasts_s: float | None = None
    keys_interrupt: bool = False
    is_standby: bool = False
    may_suspect: bool = False


class ReplyAudio(Word, frozen=True, gc=False):
    """A piece of a reply's audio, in order within its item."""

    item: str
    audio: bytes


class ReplyEnded(Word, frozen=True, gc=False):
    """No more audio of this item will come."""

    item: str


class ReplySaid(Word, frozen=True, gc=False):
    """The next words of an item, as text; they come ahead of its audio."""

    item: str
    text: str


class SpeechSuspected(Word, frozen=True, gc=False):
    """The caller may have begun to speak: the reply pauses until `SpeechStarted` or `SpeechDismissed`."""


class SpeechDismissed(Word, frozen=True, gc=False):
    """The suspected speech was a false interruption, such as a cough: the reply goes on."""


class SpeechStarted(Word, frozen=True, gc=False):
    """The caller began to speak. `interrupts`: what is being played should stop.

    `at_ms`: the position in the caller's audio that the assistant was given; None if it does not say.
    """

    interrupts: bool = True
    at_ms: int | None = None


class SpeechStopped(Word, frozen=True, gc=False):
    """The caller's utterance ended. `item`: its name, if the assistant names utterances. `at_ms`: as in `SpeechStarted`."""

    item: str = ""
    at_ms: int | None = None


class CallerSaid(Word, frozen=True, gc=False):
    """The words of an utterance, as they were understood. They may come after the reply."""

    item: str
    text: str


class ToolCalled(Word, frozen=True, gc=False):
    """The assistant calls a tool. `tool_call_id`: its name for this call; `arguments`: JSON as the assistant wrote it."""

    tool_call_id: str
    tool: str
    arguments: str


class EntryRequested(Word, frozen=True, gc=False):
    """The assistant wants the caller to type an entry; `EnterDigits` answers with the same `request_id`.

    `length`: the most digits. `terminator`: the keys that end the entry, empty for none. `timeout_s`: for the first key.
    Where one of these is None, the settings decide. `sensitive`: only tools get the digits. A second request of the same
    `request_id` replaces the first.
    """

    request_id: str
    length: int | None = None
    terminator: str | None = None
    timeout_s: float | None = None
    sensitive: bool = False


class PressRequested(Word, frozen=True, gc=False):
    """The assistant wants keys pressed for the far end: `KEYS`, with w for a pause of half a second and W for a second."""

    keys: str


class NoteTaken(Word, frozen=True, gc=False):
    """The assistant wants a line in the journal."""

    text: str


class OutcomeSet(Word, frozen=True, gc=False):
    """The assistant says in a word or two what came of the call; the last one counts."""

    outcome: str


class AssistantHangingUp(Word, frozen=True, gc=False):
    """The assistant is about to hang up, after its goodbye; not `intended`: it was kept from hanging up."""

    intended: bool = True


class TokensUsed(Word, frozen=True):
    """What a reply or a transcription is billed for: tokens by kind, such as "input_audio"."""

    tokens: dict[str, int]


class AssistantReportedError(Word, frozen=True, gc=False):
    """The assistant reported an error; the conversation goes on."""

    why: str


class ReplyDelayed(Word, frozen=True, gc=False):
    """A reply failed for a moment and is still owed: it is asked for again after `wait_s` seconds."""

    wait_s: float


class AssistantFailed(Word, frozen=True, gc=False):
    """The assistant cannot go on, though its leg is open.

    `final`: a second try would fail in the same way. `retry_after_s`: how long it asks to be left alone; None: it does not.
    """

    why: str
    final: bool = False
    retry_after_s: float | None = None


# Events: from either leg, or from the shell


class LegLost(Word, frozen=True, gc=False):
    """A leg closed or broke.

    `code`: the WebSocket close code, 1006 if none was given (RFC 6455, 7.1.5). `retry_after_s` and `final`: as in
    `AssistantFailed`; a code may be final too.
    """

    leg: LegName
    code: int
    reason: str = ""
    retry_after_s: float | None = None
    final: bool = False


class MessageRefused(Word, frozen=True, gc=False):
    """A malformed message was dropped; the call goes on."""

    leg: LegName
    why: str


class Ignored(Word, frozen=True, gc=False):
    """A message of an unknown kind was dropped; the stream goes on."""

    kind: str


class CloseRequested(Word, frozen=True, gc=False):
    """The server or a dialect wants the call to end once the caller has heard what was said.

    `code`: the WebSocket close code to hang up with.
    """

    why: str
    code: int = 1001


SERVER_CLOSES = "the server is closing"
"""The reason with which calls are closed when the server stops: the log knows it by that."""


class GoodbyeRequested(Word, frozen=True, gc=False):
    """The server is about to stop: once the reply has ended, say goodbye to the caller and end the call.

    `within_s`: how long the reply, and what the caller is saying, may take to end. `code`: as of `CloseRequested`.
    """

    why: str
    within_s: float
    code: int = 1001


class ToolAnswered(Word, frozen=True, gc=False):
    """A tool finished, or failed. `output`: JSON or text, for the assistant."""

    tool_call_id: str
    output: str


class TimePassed(Word, frozen=True, gc=False):
    """Nothing came, but a deadline has passed."""


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
SpeechEvent = SpeechSuspected | SpeechDismissed | SpeechStarted | SpeechStopped
AssistantEvent = (
    AssistantReady
    | ReplyAudio
    | ReplyEnded
    | ReplySaid
    | SpeechEvent
    | CallerSaid
    | ToolCalled
    | EntryRequested
    | PressRequested
    | TransferRequested
    | BriefingEvent
    | NoteTaken
    | OutcomeSet
    | AssistantHangingUp
    | TokensUsed
    | AssistantReportedError
    | ReplyDelayed
    | AssistantFailed
    | CloseRequested
    | Ignored
    | MessageRefused
)
ShellEvent = (
    LegLost | MessageRefused | CloseRequested | GoodbyeRequested | CallerLeft | ToolAnswered | TimePassed
)
CallEvent = CarrierEvent | AssistantEvent | PersonEvent | TalkEvent | RoomEvent | SupervisionEvent
Event = CallEvent | OperatorEvent | ShellEvent
