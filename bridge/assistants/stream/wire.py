"""The wire of the stream protocol: text to message in one typed pass, and the bridge's messages as text.

Wire: docs/stream-assistants.md; one JSON object in a text message, `type` is its kind. Times are ms.
"""

import re
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

from msgspec import DecodeError, Struct, json

from bridge.assistants.stream.formats import offered, wire_format
from bridge.assistants.stream.messages import VERSION, FromAssistant
from bridge.vocabulary.commands import EnterDigits, OpenAssistant
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import MalformedMessage

RESERVED = frozenset({"transfer", "say"})
"""Kinds that may come to mean something."""

_SHAPES: dict[str, type[Struct]] = {
    str(shape.__struct_config__.tag): shape for shape in get_args(FromAssistant)
}
_READ: json.Decoder[FromAssistant] = json.Decoder(FromAssistant)
_AT = re.compile(r" - at `\$\.?(.*)`$")
_FIELD = re.compile(r"field `(\w+)`$")

LONGEST_KIND = 64
"""Characters of an unknown kind that are repeated to the assistant."""

LONGEST_FAULT = 200
"""Characters of what the decoder says; only an unknown field can make it longer."""


class _AnyKind(Struct):
    type: str


_READ_KIND = json.Decoder(_AnyKind)


class Unread(Struct, frozen=True):
    """A kind that the bridge does not know, and what to tell the assistant of it."""

    kind: str
    why: str


def read(message: str) -> FromAssistant | Unread:
    """Read one message. Raises `MalformedMessage`, with what would be right, if it has a wrong shape."""
    try:
        return _READ.decode(message)
    except (DecodeError, RecursionError, UnicodeEncodeError) as error:
        kind = _kind_of(message, error)
        if kind not in _SHAPES:
            return Unread(kind[:LONGEST_KIND], _unknown(kind))
        raise MalformedMessage(f"{kind}: {_told(_SHAPES[kind], error)}") from error


def _kind_of(message: str, error: Exception) -> str:
    try:
        return _READ_KIND.decode(message).type
    except (DecodeError, RecursionError, UnicodeEncodeError):
        raise MalformedMessage('not a JSON object; {"type": "…"} would be right') from error


def _unknown(kind: str) -> str:
    if kind in RESERVED:
        return f"{kind} is reserved: the bridge cannot do it yet"
    return f"there is no type {kind[:LONGEST_KIND]!r}; {_nearest(kind[:LONGEST_KIND], tuple(_SHAPES))}"


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'none'}"


def _told(shape: type[Struct], error: Exception) -> str:
    """What is wrong with a message of a known kind: the field, and what would be right."""
    fault = str(error)[:LONGEST_FAULT]
    if found := _FIELD.search(fault):
        if "missing" in fault:
            return f"{found[1]} is missing"
        return f"there is no field {found[1]}; {_nearest(found[1], shape.__struct_fields__)}"
    at = _AT.search(fault)
    path = at[1] if at else ""
    words = _words_for(shape, path)
    what = f"one of {', '.join(words)} is right" if words else _AT.sub("", fault)
    return f"{path}: {what}" if path else what


def _words_for(shape: type, path: str) -> Sequence[str]:
    """The words that a field may have, if there is only so many of them."""
    kind: Any = shape
    for name in path.split("."):
        kinds = [kind, *get_args(kind)]
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, Struct)), None)
        kind = get_type_hints(inner).get(name) if inner is not None else None
    return get_args(kind) if get_origin(kind) is Literal else ()


# What we say


def hello(command: OpenAssistant, tools: Sequence[ToolSchema]) -> str:
    """The call, and what there is to choose from."""
    return _message(
        "hello",
        version=VERSION,
        call=command.call_id,
        parameters=command.parameters,
        opening=command.opening,
        history=command.history,
        line=wire_format(command.line),
        hears=offered(command.line),
        speaks=offered(command.plays or command.line),
        tools=[_tool(tool) for tool in tools],
    )


def _tool(tool: ToolSchema) -> Mapping[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }


def audio(caller: bytes) -> str:
    """The caller's next audio, for those who asked for base64. The hot path."""
    return f'{{"type":"audio","audio":"{b2a_base64(caller, newline=False).decode()}"}}'


def heard(item: str) -> str:
    """The caller has heard all of it."""
    return _message("heard", item=item)


def interrupted(item: str, heard_ms: int) -> str:
    """The caller has heard so much of it, and will hear no more."""
    return _message("interrupted", item=item, heard_ms=heard_ms)


def speech_started(at_ms: int) -> str:
    """The caller speaks."""
    return _message("speech_started", at_ms=at_ms)


def speech_stopped(at_ms: int) -> str:
    """The caller has finished."""
    return _message("speech_stopped", at_ms=at_ms)


def key(digit: str) -> str:
    """A key was pressed."""
    return _message("key", key=digit)


def entry(command: EnterDigits) -> str:
    """An entry is over. The assistant is its owner's own: it is told the digits even if they are sensitive."""
    return _message(
        "entry",
        id=command.request_id,
        digits=command.digits,
        reason=command.reason,
        terminator=command.terminator,
        sensitive=bool(command.placeholder),
        name=command.placeholder,
    )


def answer(wish: str, output: str) -> str:
    """What came of a tool."""
    return _message("answer", id=wish, output=output)


def error(why: str) -> str:
    """What was sent was not understood."""
    return _message("error", why=why)


def bye(why: str) -> str:
    """The last message."""
    return _message("bye", why=why)


def _message(kind: str, **fields: Any) -> str:
    return json.encode({"type": kind, **fields}).decode()
