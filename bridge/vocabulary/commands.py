"""The commands that the core gives. `events` has what reaches the core.

Commands are frozen and compared by value. Audio is bytes in the format of its leg. As JSON they are tagged as events are.
"""

from typing import get_args

from msgspec import field

from bridge.vocabulary.call_facts import NO_CONTEXT, CallContext
from bridge.vocabulary.events import EntryEnd, History, Opening
from bridge.vocabulary.people import Briefing, HandoverNote, Outcome, PersonCommand
from bridge.vocabulary.room import RoomCommand
from bridge.vocabulary.supervision import CheckPin, SupervisionCommand, SupervisionRefused
from bridge.vocabulary.word import Word
from telecodecs.format import AudioFormat

# Commands: to the carrier


class PlayAudio(Word, frozen=True, gc=False):
    """Play audio to the caller, behind what the carrier still has to play."""

    audio: bytes


class SendMark(Word, frozen=True, gc=False):
    """Have the carrier return this mark when all audio before it has been played."""

    name: str


class ClearPlayback(Word, frozen=True, gc=False):
    """Throw away what the carrier has not played: by the ledger `unheard_samples` of the format that is played."""

    unheard_samples: int


class HangUp(Word, frozen=True, gc=False):
    """Close the carrier's leg. `code`: the WebSocket close code."""

    code: int
    why: str


# Commands: to the carrier's call control, beside the stream; the core gives those that it is told are possible


class PressKeys(Word, frozen=True, gc=False):
    """Have the carrier press these keys for the far end; see `PressRequested`."""

    keys: str


# Commands: to the assistant


class OpenAssistant(Word, frozen=True):
    """Open an assistant for this call, in formats as near to the caller's as it can.

    `line`: the format of the caller's audio; `plays`: of what is played to the caller, None if it is the same.
    `assistant`: its name in the settings, empty for the default. `history`: what was said and done so far. While an
    assistant has the call the new one is its standby, in place of any other. `context`: who calls, and what is different in
    this call; its parameters are among `parameters` already. `briefing`: what it is to tell a person, where `opening` is
    `BRIEFING`.
    """

    call_id: str
    line: AudioFormat
    parameters: dict[str, str] = field(default_factory=dict)
    assistant: str = ""
    opening: Opening = Opening.FIRST
    history: History = ()
    plays: AudioFormat | None = None
    context: CallContext = NO_CONTEXT
    briefing: Briefing | None = None


class AppendAudio(Word, frozen=True, gc=False):
    """Give the assistant the caller's next audio, in the format that it hears, without holes."""

    audio: bytes


class TypeDigit(Word, frozen=True, gc=False):
    """Tell the assistant of a key that the caller pressed. It is not given for keys of a sensitive entry."""

    digit: str


class EnterDigits(Word, frozen=True, gc=False):
    """Tell the assistant of a complete entry.

    `terminator`: the key that ended it, if one did. `request_id`: of the `EntryRequested` that this answers, if any.
    `placeholder`: the entry is sensitive, and this is to be used in place of its digits; only tools get the digits.
    """

    digits: str
    reason: EntryEnd = EntryEnd.QUIET
    terminator: str = ""
    request_id: str = ""
    placeholder: str = ""


class TruncateReply(Word, frozen=True, gc=False):
    """Tell the assistant that the caller heard only the first `heard_ms` of this item."""

    item: str
    heard_ms: int


class DropReply(Word, frozen=True, gc=False):
    """Tell the assistant that the caller heard nothing of this item."""

    item: str


class ConfirmHeard(Word, frozen=True, gc=False):
    """Tell the assistant that the caller heard this item to its end."""

    item: str


class AnswerTool(Word, frozen=True, gc=False):
    """Give the assistant the output of a tool that it called.

    `is_late`: an assistant before it made the call, and is gone; this one knows the call from its `history`.
    """

    tool_call_id: str
    output: str
    is_late: bool = False


class ReportTransfer(Word, frozen=True, gc=False):
    """Tell the assistant what became of its `TransferRequested`: the caller is with it again, or was never away.

    `tool_call_id`: as it was requested. `output`: the same in words, for a model.
    """

    tool_call_id: str
    person: str
    outcome: Outcome
    output: str


class SayText(Word, frozen=True, gc=False):
    """Have the assistant say this at once, in these words or nearly: whoever hears it is hung up on after it."""

    text: str


class TellAssistant(Word, frozen=True, gc=False):
    """Tell the assistant this, in words that the caller does not hear. `responds`: it should answer at once.

    It comes from an operator, or says what became of what one has asked for.
    """

    text: str
    responds: bool = True


class SwitchToStandby(Word, frozen=True, gc=False):
    """Give the call to the standby, and close the active assistant."""


class CloseAssistant(Word, frozen=True, gc=False):
    """Close the assistant. `why`: its fault, if no event has reported it; empty at the end of the call."""

    why: str = ""


# Commands: to the shell


class SetSensitive(Word, frozen=True, gc=False):
    """Keys from now on are sensitive (masked in journal and recording), or no longer."""

    on: bool


class RetryAssistant(Word, frozen=True, gc=False):
    """The assistant was lost or refused the call, and will be opened again after `after_s`. `why`: the reason of the loss."""

    assistant: str
    after_s: float
    why: str


class RunTool(Word, frozen=True, gc=False):
    """Run a tool beside the call; `ToolAnswered` brings its output."""

    tool_call_id: str
    tool: str
    arguments: str


CarrierCommand = PlayAudio | SendMark | ClearPlayback
ControlCommand = PressKeys | PersonCommand | SupervisionCommand
CONTROL_COMMANDS: tuple[type[ControlCommand], ...] = get_args(ControlCommand)
"""What a `CallControl` may be told to do."""
SHELL_COMMANDS: tuple[
    type[SetSensitive | RetryAssistant | HandoverNote | RoomCommand | SupervisionRefused | CheckPin], ...
] = (
    SetSensitive,
    RetryAssistant,
    SupervisionRefused,
    CheckPin,
    *get_args(HandoverNote),
    *get_args(RoomCommand),
)
"""What goes neither to the carrier nor to an assistant: observers see it, and the shell performs some of it."""
AssistantCommand = (
    OpenAssistant
    | AppendAudio
    | TypeDigit
    | EnterDigits
    | TruncateReply
    | DropReply
    | ConfirmHeard
    | AnswerTool
    | ReportTransfer
    | SayText
    | TellAssistant
    | CloseAssistant
)
Command = (
    CarrierCommand
    | HangUp
    | AssistantCommand
    | SwitchToStandby
    | RunTool
    | ControlCommand
    | SetSensitive
    | RetryAssistant
    | HandoverNote
    | RoomCommand
    | SupervisionRefused
    | CheckPin
)
