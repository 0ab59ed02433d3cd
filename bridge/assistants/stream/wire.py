"""The wire of the stream protocol: decodes the assistant's messages in one typed pass, and encodes the bridge's.

Wire: docs/stream-assistants.md; one JSON object in a text message, `type` is its kind. Times are ms.
"""

import re
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Raw, Struct, json

from bridge.assistants.shared.keypad import as_fields
from bridge.assistants.shared.wire_kind import UNREADABLE, kind_of
from bridge.assistants.stream.formats import offered, wire_format
from bridge.assistants.stream.messages import VERSION, FromAssistant
from bridge.vocabulary.call_facts import CallContext
from bridge.vocabulary.commands import EnterDigits, OpenAssistant, ReportTransfer
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import History, Said, ToolUsed

RESERVED = frozenset({"say"})
"""Kinds that a later version of the protocol may define."""

_SHAPES: dict[str, type[Struct]] = {
    str(shape.__struct_config__.tag): shape for shape in get_args(FromAssistant)
}
_READ: json.Decoder[FromAssistant] = json.Decoder(FromAssistant)
_AT = re.compile(r" - at `\$\.?(.*)`$")
_FIELD = re.compile(r"field `(\w+)`$")

LONGEST_KIND = 64
"""Characters of an unknown kind that an error message quotes."""

LONGEST_FAULT = 200
"""Characters of the decoder's message: it quotes an unknown field, which may be of any length."""


class UnknownMessage(Struct, frozen=True):
    """A message of an unknown kind. `why`: for the assistant."""

    kind: str
    why: str


def read(message: str) -> FromAssistant | UnknownMessage:
    """Read one message. Raises `MalformedMessage`, with what was expected, if a known kind has a wrong shape."""
    try:
        return _READ.decode(message)
    except UNREADABLE as error:
        kind = kind_of(message)
        if kind is None:
            raise MalformedMessage(_without_kind(message)) from error
        if kind not in _SHAPES:
            return UnknownMessage(kind[:LONGEST_KIND], _unknown(kind))
        raise MalformedMessage(f"{kind}: {_explain(_SHAPES[kind], error)}") from error


def _without_kind(message: str) -> str:
    """What is wrong with a message of which no kind can be read."""
    try:
        whole = json.decode(message)
    except UNREADABLE:
        whole = None
    if not isinstance(whole, dict):
        return 'not a JSON object: expected {"type": "…"}'
    fault = "is not a text" if "type" in whole else "is missing"
    return f"type {fault}: expected one of {', '.join(_SHAPES)}"


def _unknown(kind: str) -> str:
    if kind in RESERVED:
        return f"{kind} is reserved: the bridge cannot do it yet"
    return f"there is no type {kind[:LONGEST_KIND]!r}; {_nearest(kind[:LONGEST_KIND], tuple(_SHAPES))}"


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'none'}"


def _explain(shape: type[Struct], error: Exception) -> str:
    """What is wrong with a message of a known kind: the field, and what was expected."""
    fault = str(error)[:LONGEST_FAULT]
    if found := _FIELD.search(fault):
        if "missing" in fault:
            return f"{found[1]} is missing"
        return f"there is no field {found[1]}; {_nearest(found[1], shape.__struct_fields__)}"
    at = _AT.search(fault)
    path = at[1] if at else ""
    words = _words_for(shape, path)
    what = f"expected one of {', '.join(words)}" if words else _AT.sub("", fault)
    return f"{path}: {what}" if path else what


def _words_for(shape: type, path: str) -> Sequence[str]:
    """The values that a field may have, if it is a choice."""
    kind: Any = shape
    for name in path.split("."):
        kinds = [kind, *get_args(kind)]
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, Struct)), None)
        kind = get_type_hints(inner).get(name) if inner is not None else None
    return get_args(kind) if get_origin(kind) is Literal else ()


# What the bridge sends


def hello(command: OpenAssistant, tools: Sequence[ToolSchema]) -> str:
    """The call, who calls whom, the formats on offer, and the tools."""
    return _message(
        "hello",
        version=VERSION,
        call=command.call_id,
        parameters=command.parameters,
        facts=command.context.facts,
        **_added(command.context),
        opening=command.opening,
        history=_history(command.history),
        line=wire_format(command.line),
        hears=offered(command.line),
        speaks=offered(command.plays or command.line),
        tools=[_tool(tool) for tool in tools],
        **({} if command.briefing is None else {"briefing": command.briefing}),
    )


def _added(context: CallContext) -> dict[str, str]:
    """What the answer to [before_call] would have the assistant do in this call."""
    added = {"instructions": context.instructions, "greeting": context.greeting}
    return {name: text for name, text in added.items() if text}


def running_ids(history: History) -> dict[str, str]:
    """The id on this connection of each tool call in `history` that still runs, by tool_call_id."""
    return {
        told.tool_call_id: _earlier_id(place)
        for place, told in enumerate(history)
        if isinstance(told, ToolUsed) and told.output is None
    }


def _earlier_id(place: int) -> str:
    """The id of a tool call by its place in the history: not that of the connection before, which the assistant may choose again."""
    return f"earlier-{place}"


def _history(history: History) -> list[Said | Mapping[str, Any]]:
    return [
        told if isinstance(told, Said) else _tool_used(told, _earlier_id(place))
        for place, told in enumerate(history)
    ]


def _tool_used(used: ToolUsed, name: str) -> Mapping[str, Any]:
    """One tool call, with its output as its text."""
    return {
        "who": "tool",
        "text": used.output or "",
        "id": name,
        "tool": used.tool,
        "arguments": _object(used.arguments),
        "running": used.output is None,
    }


def _object(arguments: str) -> Raw | str:
    """The arguments as an object; as text if they are none: another assistant's model may write anything."""
    try:
        json.decode(arguments, type=dict)
    except UNREADABLE:
        return arguments
    return Raw(arguments.encode())


def _tool(tool: ToolSchema) -> Mapping[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }


def audio(caller: bytes) -> str:
    """The caller's audio, for an assistant that chose base64. The hot path."""
    return f'{{"type":"audio","audio":"{b2a_base64(caller, newline=False).decode()}"}}'


def heard(item: str) -> str:
    """The caller has heard all of an item."""
    return _message("heard", item=item)


def interrupted(item: str, heard_ms: int) -> str:
    """The caller has heard the first `heard_ms` of an item, and will not hear the rest."""
    return _message("interrupted", item=item, heard_ms=heard_ms)


def speech_started(at_ms: int) -> str:
    """The caller began to speak."""
    return _message("speech_started", at_ms=at_ms)


def speech_stopped(at_ms: int) -> str:
    """The caller has finished speaking."""
    return _message("speech_stopped", at_ms=at_ms)


def key(digit: str) -> str:
    """The caller pressed a key."""
    return _message("key", key=digit)


def entry(command: EnterDigits) -> str:
    """An entry has ended. The assistant is the user's own: it gets the digits even if they are sensitive."""
    return _message("entry", id=command.request_id, **as_fields(command), name=command.placeholder)


def answer(tool_call_id: str, output: str) -> str:
    """The output of a tool."""
    return _message("answer", id=tool_call_id, output=output)


def transfer_ended(report: ReportTransfer) -> str:
    """What became of a transfer: the caller is with the assistant again, or was never away."""
    return _message(
        "transfer_ended",
        id=report.tool_call_id,
        person=report.person,
        outcome=report.outcome,
        text=report.output,
    )


def say(text: str) -> str:
    """The assistant is to say this at once."""
    return _message("say", text=text)


def tell(text: str, *, responds: bool) -> str:
    """An operator tells the assistant something that the caller does not hear."""
    return _message("tell", text=text, respond=responds)


def error(why: str) -> str:
    """A message of the assistant's was refused."""
    return _message("error", why=why)


def bye(why: str) -> str:
    """The call is over; this is the last message."""
    return _message("bye", why=why)


def _message(kind: str, **fields: Any) -> str:
    return json.encode({"type": kind, **fields}).decode()
