"""The vocabulary's second half: every command that leaves the core, in the imperative; `events` has the first.

Frozen and compared by value. Audio is bytes in the format of its leg.
"""

from msgspec import field

from bridge.vocabulary.events import EntryEnd, Opening, Said, Word
from telecodecs.format import AudioFormat

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


# Commands: to the carrier's call control, beside the stream; the core gives those that it is told are possible


class PressKeys(Word, frozen=True, gc=False):
    """Have the carrier press these keys, for who is at the far end; see `PressRequested`."""

    keys: str


# Commands: to the assistant


class OpenAssistant(Word, frozen=True):
    """Begin, or go on with, the conversation of this call, in audio as near as the assistant can to the caller's.

    `line`: what comes from the caller; `plays`: what is played to the caller, None where both are the same.
    `assistant`: its name in the settings. `history`: what was said so far. While one is open the new one is only its
    standby, in place of any other.
    """

    call_id: str
    line: AudioFormat
    parameters: dict[str, str] = field(default_factory=dict)
    assistant: str = ""
    opening: Opening = Opening.FIRST
    history: tuple[Said, ...] = ()
    plays: AudioFormat | None = None


class AppendAudio(Word, frozen=True, gc=False):
    """The caller's audio in the format that the assistant hears, without holes."""

    audio: bytes


class TypeDigit(Word, frozen=True, gc=False):
    """The caller pressed a key; those of a sensitive entry are not told."""

    digit: str


class EnterDigits(Word, frozen=True, gc=False):
    """The caller typed an entry and finished it.

    `terminator`: the key that did. `request_id`: the call of the `EntryRequested` that this answers. `placeholder`: the entry is
    nobody's business, and this is its name; whoever is to be told of it is told the name, and tools get what it stands for.
    """

    digits: str
    reason: EntryEnd = EntryEnd.QUIET
    terminator: str = ""
    request_id: str = ""
    placeholder: str = ""


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


class AnswerTool(Word, frozen=True, gc=False):
    """What came of a tool that the assistant called."""

    tool_call_id: str
    output: str


class SwitchToStandby(Word, frozen=True, gc=False):
    """The standby has the call from now on; the one before is closed."""


class CloseAssistant(Word, frozen=True, gc=False):
    """The conversation is over. `why`: because the assistant will not do, and nothing else has told that."""

    why: str = ""


# Commands: to the shell


class SetSensitive(Word, frozen=True, gc=False):
    """What the caller types from now on is nobody's business, or is again."""

    on: bool


class RunTool(Word, frozen=True, gc=False):
    """Do what the assistant wants done, beside the call; `ToolAnswered` tells the end."""

    tool_call_id: str
    tool: str
    arguments: str


CarrierCommand = PlayAudio | SendMark | ClearPlayback
ControlCommand = PressKeys
"""What a `CallControl` may be told to do; a call that goes to a person will add its own."""
AssistantCommand = (
    OpenAssistant
    | AppendAudio
    | TypeDigit
    | EnterDigits
    | TruncateReply
    | DropReply
    | ConfirmHeard
    | AnswerTool
    | CloseAssistant
)
Command = (
    CarrierCommand | HangUp | AssistantCommand | SwitchToStandby | RunTool | ControlCommand | SetSensitive
)
