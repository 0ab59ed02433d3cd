"""The content of a line of the journal: an event or command as JSON, abridged where it repeats another, and masked.

Telephone numbers are masked in every text that may hold one: all but their last two digits become stars. Masked are also
keys, and values under the name of a secret. The caller of `encode` says what else is to be hidden in these texts.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, Struct, UnsetType, json, structs

from bridge.redaction import HIDDEN, is_secret, safe_id, without_private
from bridge.vocabulary.commands import AnswerTool, OpenAssistant, RunTool
from bridge.vocabulary.events import Opening, ToolUsed, Word
from telecodecs.format import AudioFormat

LONGEST_TEXT = 8_000
"""Characters of one text in a line; what is behind them is cut off."""

NUMERIC = "0123456789 +-.,()/_*#"


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
        safe_id(one.tool_call_id) for one in command.history if isinstance(one, ToolUsed) and one.tool_call_id
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

_WRITTEN = frozenset({"why", "summary", "reason", "text", "arguments", "output", "outcome", "kind", "code"})
"""Fields of free text, whoever wrote it."""

_KEYS = frozenset({"keys"})
"""Texts of keys: they may look like telephone numbers and are kept, but digits of a sensitive entry are hidden."""

_KEPT = frozenset({"digit", "digits", "placeholder", "terminator", "pressed_at"})
"""Fields of the bridge's own; of a sensitive entry they are masked already. All other texts are names of things."""


def encode(word: Word, hide: Callable[[str], str] = str) -> bytes:
    """Return the line of a word that is not audio, without its times. `hide`: masks sensitive digits in a text."""
    abridge = _ABRIDGED.get(type(word))
    masked = _masked(word, hide)
    return json.encode(masked if abridge is None else abridge(masked))


def _cut(text: str) -> str:
    """A text that is too long, cut, with a mark that says so. Half a number at its end could not be told from others."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT].rstrip(NUMERIC)} … ({len(text)} characters)"


def _masked(word: Word, hide: Callable[[str], str]) -> Word:
    masked: dict[str, object] = {}
    for name in word.__struct_fields__:
        value = getattr(word, name)
        shown: object
        if type(value) is str:  # not the names of the vocabulary, which are enums
            shown = _shown(name, value, hide)
        elif type(value) is dict:
            shown = {_text(key, hide): _parameter(key, inner, hide) for key, inner in value.items()}
        elif type(value) is tuple:
            shown = tuple(safe_id(inner) if type(inner) is str else inner for inner in value)
        else:
            continue
        if shown != value:
            masked[name] = shown
    return structs.replace(word, **masked) if masked else word


def _shown(name: str, value: str, hide: Callable[[str], str]) -> str:
    if name in _WRITTEN:
        return _text(value, hide)
    if name in _KEYS:
        return hide(value)
    return value if name in _KEPT else safe_id(value)


def _text(text: str, hide: Callable[[str], str]) -> str:
    return without_private(hide(_cut(text)))


def _parameter(name: str, value: Any, hide: Callable[[str], str]) -> Any:
    """`value`: a text, or a number of tokens."""
    if not isinstance(value, str):
        return value
    return HIDDEN if is_secret(name) else _text(value, hide)
