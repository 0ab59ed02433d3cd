"""The built-in tools: what the model is told of each, how its arguments are checked, and what a call of it means.

An assistant is given one by its name alone ([assistants.NAME.tools.hang_up]). This is the only place that declares them:
the settings take their names from here, `tools` their schemas, and `assistants.shared` how a call is read and answered.
Times are seconds.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from msgspec import json

from bridge.vocabulary.built_in_tool import BuiltInCall, BuiltInTool, Parameter, wrong
from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.events import (
    KEYS,
    AssistantHangingUp,
    EntryRequested,
    NoteTaken,
    OutcomeSet,
    PressRequested,
)
from bridge.vocabulary.people_tools import TRANSFER

PAUSES = "wW"

LONGEST_ENTRY = 128
LONGEST_WAIT_S = 300
MOST_KEYS = 64

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

# outcome

LONGEST_OUTCOME = 100
_OUTCOME_EXAMPLE = '{"outcome": "booked"}'


def _outcome(outcome: Any) -> str:
    if not isinstance(outcome, str) or not 0 < len(outcome.strip()) <= LONGEST_OUTCOME:
        raise ValueError(
            f"the arguments should be {_OUTCOME_EXAMPLE}, a text of at most {LONGEST_OUTCOME} characters"
        )
    return " ".join(outcome.split())


OUTCOME = BuiltInTool(
    "outcome",
    "Says in a word or two what came of the call, for the people who own this telephone line. The last one counts.",
    _OUTCOME_EXAMPLE,
    {
        "outcome": Parameter(
            {"type": "string", "maxLength": LONGEST_OUTCOME, "description": "What came of the call."},
            _outcome,
            is_required=True,
        )
    },
    lambda _tool_call_id, given: BuiltInCall(OutcomeSet(given["outcome"]), "kept"),
)

# collect_digits

_USE_OF_PLACEHOLDER = (
    "The digits are confidential. Give the name of the entry to another tool in place of the digits: "
    "the tool gets the digits."
)


def _prompt(prompt: Any) -> str:
    if not isinstance(prompt, str):
        raise wrong("prompt", prompt, "the words that the caller should hear first")
    return prompt.strip()


def _length(length: Any) -> int:
    if not _is_number(length) or length != int(length) or not 1 <= length <= LONGEST_ENTRY:
        raise wrong("length", length, f"a whole number from 1 to {LONGEST_ENTRY}, or be left out")
    return int(length)


def _terminators(keys: Any) -> str:
    if not isinstance(keys, str) or not set(keys.upper()) <= KEYS:
        expected = 'keys that end the entry, of 0-9 * # A-D, such as "#", or "" for none'
        raise wrong("terminator", keys, expected)
    return keys.upper()


def _timeout_s(timeout_s: Any) -> float:
    if not _is_number(timeout_s) or not 0 < timeout_s <= LONGEST_WAIT_S:
        expected = f"seconds, more than 0 and at most {LONGEST_WAIT_S}, or be left out"
        raise wrong("timeout", timeout_s, expected)
    return float(timeout_s)


def _sensitive(sensitive: Any) -> bool:
    if not isinstance(sensitive, bool):
        raise wrong("sensitive", sensitive, "true or false")
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

BUILT_IN_TOOLS: Mapping[str, BuiltInTool] = {
    tool.name: tool for tool in (HANG_UP, NOTE, OUTCOME, COLLECT_DIGITS, SEND_DIGITS, TRANSFER)
}
"""By name; to add a tool, declare it above and name it here."""


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)  # of any size: JSON has no largest one
