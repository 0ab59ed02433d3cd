"""The content of a line of the journal: an event or command as JSON, abridged where it repeats another, and masked.

Telephone numbers are masked in every text that may hold one: all but their last two digits become stars. The caller of
`encode` says what else is to be hidden in these texts.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, Struct, UnsetType, json, structs

from bridge.redaction import without_numbers
from bridge.vocabulary.commands import (
    AnswerTool,
    CloseAssistant,
    HangUp,
    OpenAssistant,
    PressKeys,
    RetryAssistant,
    RunTool,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReportedError,
    CallerSaid,
    CallStarted,
    CarrierReportedError,
    CloseRequested,
    GoodbyeRequested,
    Ignored,
    LegLost,
    MessageRefused,
    NoteTaken,
    Opening,
    PressRequested,
    ReplySaid,
    ToolAnswered,
    ToolCalled,
    ToolUsed,
    Word,
)
from telecodecs.format import AudioFormat


class _Opened(Struct, tag="OpenAssistant", tag_field="what"):
    """`history`: only its length, for each turn has lines of its own. `tools`: the calls in it, by tool_call_id."""

    call_id: str
    line: AudioFormat
    parameters: dict[str, str] = {}
    assistant: str = ""
    opening: Opening = Opening.FIRST
    history: int = 0
    plays: AudioFormat | None = None
    tools: tuple[str, ...] | UnsetType = UNSET


class _ToolRun(Struct, tag="RunTool", tag_field="what"):
    tool_call_id: str
    tool: str


class _ToolOver(Struct, tag="AnswerTool", tag_field="what", omit_defaults=True):
    tool_call_id: str
    is_late: bool = False


def _opened(command: OpenAssistant) -> _Opened:
    tools = tuple(
        one.tool_call_id for one in command.history if isinstance(one, ToolUsed) and one.tool_call_id
    )
    return _Opened(
        command.call_id,
        command.line,
        command.parameters,
        command.assistant,
        command.opening,
        len(command.history),
        command.plays,
        tools or UNSET,
    )


_ABRIDGED: dict[type[Word], Callable[[Any], Struct]] = {
    OpenAssistant: _opened,
    RunTool: lambda word: _ToolRun(word.tool_call_id, word.tool),
    AnswerTool: lambda word: _ToolOver(word.tool_call_id, word.is_late),
}

LINES: dict[str, type[Struct]] = {word.__name__: word for word in Word.__subclasses__()} | {
    "OpenAssistant": _Opened,
    "RunTool": _ToolRun,
    "AnswerTool": _ToolOver,
}
"""The fields of a line by the name of its event or command, besides the times. Runs of audio have other fields."""

_MAY_HOLD_NUMBERS: dict[type[Word], tuple[str, ...]] = {
    CallStarted: ("parameters",),
    OpenAssistant: ("parameters",),
    LegLost: ("reason",),
    MessageRefused: ("why",),
    Ignored: ("kind",),
    HangUp: ("why",),
    CloseRequested: ("why",),
    GoodbyeRequested: ("why",),
    AssistantReportedError: ("why",),
    CarrierReportedError: ("why",),
    AssistantFailed: ("why",),
    CloseAssistant: ("why",),
    RetryAssistant: ("why",),
    ReplySaid: ("text",),
    CallerSaid: ("text",),
    NoteTaken: ("text",),
    ToolCalled: ("arguments",),
    ToolAnswered: ("output",),
}


_KEYS: dict[type[Word], str] = {PressRequested: "keys", PressKeys: "keys"}
"""Texts of keys: they may look like telephone numbers and are kept, but digits of a sensitive entry are hidden."""


def encode(word: Word, hide: Callable[[str], str] = str) -> bytes:
    """Return the line of a word that is not audio, without its times. `hide`: masks sensitive digits in a text."""
    abridge = _ABRIDGED.get(type(word))
    masked = _masked(word, hide)
    return json.encode(masked if abridge is None else abridge(masked))


def _masked(word: Word, hide: Callable[[str], str]) -> Word:
    masked: dict[str, object] = {}
    for name in _MAY_HOLD_NUMBERS.get(type(word), ()):
        text = getattr(word, name)
        if isinstance(text, str):
            masked[name] = without_numbers(hide(text))
        else:
            masked[name] = {
                without_numbers(hide(key)): without_numbers(hide(value)) for key, value in text.items()
            }
    if (name := _KEYS.get(type(word), "")) and isinstance(text := getattr(word, name), str):
        masked[name] = hide(text)
    return structs.replace(word, **masked) if masked else word
