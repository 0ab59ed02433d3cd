"""What the functions that are built in are called with: the model's JSON, read with care, for the model may be wrong.

What is not right is a `Refused`, in words that the model can act on: the argument, what was wrong, what would be right.
Units: seconds.
"""

from collections.abc import Mapping, Set
from math import isfinite
from typing import Any, NamedTuple

from msgspec import DecodeError, json

from bridge.vocabulary.events import KEYS, EntryRequested

PAUSES = "wW"

LONGEST_ENTRY = 128
LONGEST_WAIT_S = 300.0
MOST_KEYS = 64


class Refused(ValueError):
    """The arguments are not what the function takes; its text is for the model."""


class Collected(NamedTuple):
    """An entry that is wanted. `prompt`: what the caller is to be told first, or nothing."""

    prompt: str
    asked: EntryRequested


def nothing_in(arguments: str) -> None:
    """The arguments of a function that takes none; some are passed over."""
    if arguments:
        _read(arguments, "{}")


def note_in(arguments: str) -> str:
    """The text of a note."""
    example = '{"text": "..."}'
    text = _read(arguments, example).get("text")
    if not isinstance(text, str):
        raise Refused(f"the arguments should be {example}")
    return text


def entry_in(call: str, arguments: str) -> Collected:
    """An entry from the keypad; what is null is left out."""
    example = '{"prompt": "...", "length": 4, "terminator": "#", "timeout": 10, "sensitive": false}'
    found = {name: value for name, value in _read(arguments or "{}", example).items() if value is not None}
    _know(found, {"prompt", "length", "terminator", "timeout", "sensitive"})
    prompt, sensitive = found.get("prompt", ""), found.get("sensitive", False)
    if not isinstance(prompt, str):
        raise _wrong("prompt", prompt, "the words that the caller should hear first")
    if not isinstance(sensitive, bool):
        raise _wrong("sensitive", sensitive, "true or false")
    asked = EntryRequested(call, _length(found), _terminators(found), _timeout_s(found), sensitive)
    return Collected(prompt.strip(), asked)


def keys_in(arguments: str) -> str:
    """Keys to press."""
    example = '{"digits": "1234#w5"}'
    found = _read(arguments, example)
    _know(found, {"digits"})
    keys = found.get("digits")
    right = f"1 to {MOST_KEYS} of 0-9 * # A-D, w for half a second's pause and W for a second"
    if not isinstance(keys, str) or not 0 < len(keys) <= MOST_KEYS:
        raise Refused(f"digits should be a text of {right}")
    keys = "".join(key if key in PAUSES else key.upper() for key in keys)
    if not set(keys) <= {*KEYS, *PAUSES}:
        raise Refused(f"digits has what is on no keypad; it should be {right}")
    return keys


def _length(found: Mapping[str, Any]) -> int | None:
    length = found.get("length")
    if length is None:
        return None
    if not _is_number(length) or length != int(length) or not 1 <= length <= LONGEST_ENTRY:
        raise _wrong("length", length, f"a whole number from 1 to {LONGEST_ENTRY}, or be left out")
    return int(length)


def _terminators(found: Mapping[str, Any]) -> str | None:
    keys = found.get("terminator")
    if keys is None:
        return None
    if not isinstance(keys, str) or not set(keys.upper()) <= KEYS:
        raise _wrong(
            "terminator", keys, 'keys that end the entry, of 0-9 * # A-D, such as "#", or "" for none'
        )
    return keys.upper()


def _timeout_s(found: Mapping[str, Any]) -> float | None:
    timeout_s = found.get("timeout")
    if timeout_s is None:
        return None
    if not _is_number(timeout_s) or not 0 < timeout_s <= LONGEST_WAIT_S:
        raise _wrong(
            "timeout", timeout_s, f"seconds, more than 0 and at most {LONGEST_WAIT_S:g}, or be left out"
        )
    return float(timeout_s)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _read(arguments: str, example: str) -> dict[str, Any]:
    try:
        found = json.decode(arguments)
    except (DecodeError, RecursionError, UnicodeEncodeError):
        raise Refused(f"the arguments are no JSON; they should be {example}") from None
    if not isinstance(found, dict):
        raise Refused(f"the arguments should be {example}")
    return found


def _know(found: Mapping[str, Any], known: Set[str]) -> None:
    """A misspelt `sensitive` must not be passed over."""
    for name in sorted(found.keys() - known):
        raise Refused(f"there is no argument {name[:40]}; known: {', '.join(sorted(known))}")


def _wrong(name: str, value: Any, right: str) -> Refused:
    shown = json.encode(value).decode()
    return Refused(f"{name} is {shown if len(shown) <= 40 else 'something else'}; it should be {right}")
