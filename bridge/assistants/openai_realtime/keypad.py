"""An entry from the keypad in words: as a user's message, where nobody asked for it, and as a function's output.

Of a sensitive entry the model is told its name and how long it is: in a tool's arguments the name stands for the digits.
"""

from typing import Any

from msgspec import json

from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.events import EntryEnd

USE_OF_NAME = (
    "The digits are confidential. Give the name of the entry to another tool in place of the digits: "
    "the tool gets the digits."
)


def told(entry: EnterDigits, text: str) -> str:
    """What the caller typed, of its own accord. `text`: with {digits} where they go. Empty if there is nothing to tell."""
    if entry.placeholder:
        length = len(entry.digits)
        words = (
            f"The caller typed a confidential entry of {length} digit{'s' * (length != 1)} on the keypad; "
            f"its name is {entry.placeholder}."
        )
    elif typed := entry.digits or entry.terminator:  # a terminator alone may mean yes
        words = text.format(digits=typed)
    else:
        return ""
    return f"{words} (It is too short.)" if entry.reason is EntryEnd.INVALID else words


def output(entry: EnterDigits) -> str:
    """What came of asking for an entry."""
    found: dict[str, Any] = {"digits": entry.digits, "reason": entry.reason}
    if entry.placeholder:
        found = {
            "entry": entry.placeholder,
            "length": len(entry.digits),
            "reason": entry.reason,
            "use": USE_OF_NAME,
        }
    return json.encode(found).decode()
