"""The built-in tools: what the model is told of each, how its arguments are checked, and what a call of it means.

An assistant is given one by its name alone ([assistants.NAME.tools.hang_up]). This is the only place that declares them:
the settings take their names from here, `tools` their schemas, and `assistants.shared` how a call is read and answered.
Times are seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from msgspec import Struct, json

from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.events import (
    KEYS,
    AssistantEvent,
    AssistantHangingUp,
    EntryRequested,
    NoteTaken,
    PressRequested,
)
from bridge.vocabulary.people import BriefingAccepted, BriefingDeclined, TransferRequested

PAUSES = "wW"

LONGEST_ENTRY = 128
LONGEST_WAIT_S = 300
MOST_KEYS = 64


class BuiltInCall(NamedTuple):
    """What one call of a built-in tool means."""

    event: AssistantEvent
    """For the core."""
    output: str | None
    """What the model is answered at once. None: it is answered when the entry ends, with `entry_output`."""
    prompt: str = ""
    """What the caller should be told first, word for word."""


class Parameter(Struct, frozen=True):
    """One argument of a tool. `schema`: as JSON schema, for the model."""

    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    """The argument as `BuiltInTool.meaning` takes it; None stands for a required one that is missing.

    Raises ValueError, in words for the model, with what is wrong and what was expected.
    """
    is_required: bool = False


class BuiltInTool(Struct, frozen=True):
    """The declaration of one tool."""

    name: str
    description: str
    example: str
    """Right arguments, as JSON."""
    parameters: Mapping[str, Parameter]
    meaning: Callable[[str, Mapping[str, Any]], BuiltInCall]
    """From the id of the call and those arguments that were given, each as its `Parameter.read` returned it."""
    refuses_unknown: bool = False
    """Whether an unknown argument is an error, because a misspelt one would do harm; otherwise it is ignored."""

    @property
    def schema(self) -> ToolSchema:
        """What the model is told of it."""
        required = [name for name, parameter in self.parameters.items() if parameter.is_required]
        return ToolSchema(
            self.name,
            self.description,
            {
                "type": "object",
                "properties": {name: dict(parameter.schema) for name, parameter in self.parameters.items()},
                **({"required": required} if required else {}),
                "additionalProperties": False,
            },
        )

    @property
    def needs_arguments(self) -> bool:
        """Whether there is an argument that may not be left out."""
        return any(parameter.is_required for parameter in self.parameters.values())


# hang_up

HANG_UP = BuiltInTool(
    "hang_up",
    "Ends the call. Say goodbye first: the call ends when the caller has heard all that was said.",
    example="{}",
    parameters={},
    meaning=lambda _tool_call_id, _given: BuiltInCall(AssistantHangingUp(), "the call ends now"),
)

# note

_NOTE_EXAMPLE = '{"text": "..."}'


def _note_text(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError(f"the arguments should be {_NOTE_EXAMPLE}")  # noqa: TRY004  # as the contract says
    return text


NOTE = BuiltInTool(
    "note",
    "Keeps a line of text for the people who own this telephone line. The caller does not hear it.",
    _NOTE_EXAMPLE,
    {"text": Parameter({"type": "string", "description": "The line to keep."}, _note_text, is_required=True)},
    lambda _tool_call_id, given: BuiltInCall(NoteTaken(given["text"]), "noted"),
)

# collect_digits

_USE_OF_PLACEHOLDER = (
    "The digits are confidential. Give the name of the entry to another tool in place of the digits: "
    "the tool gets the digits."
)


def _prompt(prompt: Any) -> str:
    if not isinstance(prompt, str):
        raise _wrong("prompt", prompt, "the words that the caller should hear first")
    return prompt.strip()


def _length(length: Any) -> int:
    if not _is_number(length) or length != int(length) or not 1 <= length <= LONGEST_ENTRY:
        raise _wrong("length", length, f"a whole number from 1 to {LONGEST_ENTRY}, or be left out")
    return int(length)


def _terminators(keys: Any) -> str:
    if not isinstance(keys, str) or not set(keys.upper()) <= KEYS:
        expected = 'keys that end the entry, of 0-9 * # A-D, such as "#", or "" for none'
        raise _wrong("terminator", keys, expected)
    return keys.upper()


def _timeout_s(timeout_s: Any) -> float:
    if not _is_number(timeout_s) or not 0 < timeout_s <= LONGEST_WAIT_S:
        expected = f"seconds, more than 0 and at most {LONGEST_WAIT_S}, or be left out"
        raise _wrong("timeout", timeout_s, expected)
    return float(timeout_s)


def _sensitive(sensitive: Any) -> bool:
    if not isinstance(sensitive, bool):
        raise _wrong("sensitive", sensitive, "true or false")
    return sensitive


def _entry_requested(tool_call_id: str, given: Mapping[str, Any]) -> BuiltInCall:
    requested = EntryRequested(
        tool_call_id,
        given.get("length"),
        given.get("terminator"),
        given.get("timeout"),
        given.get("sensitive", False),
    )
    return BuiltInCall(requested, None, given.get("prompt", ""))


def entry_output(entry: EnterDigits) -> str:
    """What collect_digits is answered: the digits, or of a sensitive entry its placeholder and its length."""
    answer: dict[str, Any] = {"digits": entry.digits, "reason": entry.reason}
    if entry.placeholder:
        answer = {
            "entry": entry.placeholder,
            "length": len(entry.digits),
            "reason": entry.reason,
            "use": _USE_OF_PLACEHOLDER,
        }
    return json.encode(answer).decode()


COLLECT_DIGITS = BuiltInTool(
    "collect_digits",
    "Has the caller type something on the telephone's keypad, and waits until it is typed. "
    "A confidential entry comes back as a name, which another tool takes in place of the digits.",
    '{"prompt": "...", "length": 4, "terminator": "#", "timeout": 10, "sensitive": false}',
    {
        "prompt": Parameter(
            {
                "type": "string",
                "description": "What the caller is told to type, word for word; leave it out if you say it yourself.",
            },
            _prompt,
        ),
        "length": Parameter(
            {
                "type": "integer",
                "minimum": 1,
                "maximum": LONGEST_ENTRY,
                "description": "So many digits complete the entry.",
            },
            _length,
        ),
        "terminator": Parameter(
            {"type": "string", "description": "Keys that end the entry, such as #; empty for none."},
            _terminators,
        ),
        "timeout": Parameter(
            {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": LONGEST_WAIT_S,
                "description": "Seconds to wait for the first key.",
            },
            _timeout_s,
        ),
        "sensitive": Parameter(
            {
                "type": "boolean",
                "description": "Confidential, as a card's number or a PIN is: you are told its name, not the digits.",
            },
            _sensitive,
        ),
    },
    _entry_requested,
    refuses_unknown=True,  # a misspelt "sensitive" would make the digits public
)

# send_digits

_KEYS_EXPECTED = f"1 to {MOST_KEYS} of 0-9 * # A-D, w for half a second's pause and W for a second"


def _keys(keys: Any) -> str:
    if not isinstance(keys, str) or not 0 < len(keys) <= MOST_KEYS:
        raise ValueError(f"digits should be a text of {_KEYS_EXPECTED}")
    pressed = "".join(key if key in PAUSES else key.upper() for key in keys)
    if not set(pressed) <= {*KEYS, *PAUSES}:
        raise ValueError(f"digits has what is on no keypad; it should be {_KEYS_EXPECTED}")
    return pressed


def _press_requested(_tool_call_id: str, given: Mapping[str, Any]) -> BuiltInCall:
    keys = given["digits"]
    return BuiltInCall(PressRequested(keys), json.encode({"sent": keys}).decode())


SEND_DIGITS = BuiltInTool(
    "send_digits",
    "Presses keys of the telephone for who is at the far end, a menu of another company's for instance.",
    '{"digits": "1234#w5"}',
    {
        "digits": Parameter(
            {
                "type": "string",
                "pattern": f"^[0-9*#A-DwW]{{1,{MOST_KEYS}}}$",
                "description": "0-9 * # A-D; w is a pause of half a second, W of a second.",
            },
            _keys,
            is_required=True,
        )
    },
    _press_requested,
    refuses_unknown=True,
)

# transfer

LONGEST_WORDS = 2_000


def _person(person: Any) -> str:
    if not isinstance(person, str) or not person.strip():
        raise ValueError("person should be the name of somebody whom you can put the caller through to")
    return person.strip()


def _words(name: str) -> Callable[[Any], str]:
    def read(text: Any) -> str:
        if not isinstance(text, str):
            raise _wrong(name, text, "a text, or be left out")
        return text.strip()[:LONGEST_WORDS]

    return read


def _transfer_requested(tool_call_id: str, given: Mapping[str, Any]) -> BuiltInCall:
    requested = TransferRequested(
        given["person"], given.get("why", ""), given.get("summary", ""), tool_call_id
    )
    return BuiltInCall(requested, None)


TRANSFER = BuiltInTool(
    "transfer",
    "Puts the caller through to a person. First tell the caller what you are about to do: they hear you to the end, then "
    "music while the person is called. The answer comes when the caller is with you again: it says why nobody was reached, "
    "or that the person has left.",
    '{"person": "...", "why": "...", "summary": "..."}',
    {
        "person": Parameter(
            {"type": "string", "description": "The name of the person; never a number."},
            _person,
            is_required=True,
        ),
        "why": Parameter(
            {"type": "string", "description": "Why the caller wants to speak to them, in one sentence."},
            _words("why"),
        ),
        "summary": Parameter(
            {
                "type": "string",
                "description": "What the person should know: who calls, what was said, what is still open.",
            },
            _words("summary"),
        ),
    },
    _transfer_requested,
)


def transfer_schema(people: Sequence[str], description: str | None = None) -> ToolSchema:
    """What the model is told of `transfer` where it may put callers through to these people."""
    name, described, parameters = TRANSFER.schema
    person = parameters["properties"]["person"] | {"enum": list(people)}
    properties = parameters["properties"] | {"person": person}
    return ToolSchema(name, description or described, {**parameters, "properties": properties})


BUILT_IN_TOOLS: Mapping[str, BuiltInTool] = {
    tool.name: tool for tool in (HANG_UP, NOTE, COLLECT_DIGITS, SEND_DIGITS, TRANSFER)
}
"""By name; to add a tool, declare it above and name it here."""

# accept, decline: in a briefing alone

ACCEPT = BuiltInTool(
    "accept",
    "The person takes the call: they are joined with the caller at once, and your part is over.",
    example="{}",
    parameters={},
    meaning=lambda _tool_call_id, _given: BuiltInCall(BriefingAccepted(), "they are being joined"),
)

DECLINE = BuiltInTool(
    "decline",
    "The person does not take the call. The caller goes on with the assistant, which is told the reason.",
    '{"reason": "..."}',
    {
        "reason": Parameter(
            {"type": "string", "description": "Why not, in a few words, for the caller's assistant."},
            _words("reason"),
        )
    },
    lambda _tool_call_id, given: BuiltInCall(
        BriefingDeclined(given.get("reason", "")), "the caller's assistant is told"
    ),
)

BRIEFING_TOOLS: Mapping[str, BuiltInTool] = {tool.name: tool for tool in (ACCEPT, DECLINE)}
"""Those that only an assistant has which briefs a person, and it has no others."""


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)  # of any size: JSON has no largest one


def _wrong(name: str, value: Any, expected: str) -> ValueError:
    shown = json.encode(value).decode()
    return ValueError(f"{name} is {shown if len(shown) <= 40 else 'something else'}; it should be {expected}")
