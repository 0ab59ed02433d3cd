"""An entry from the keypad, for assistants that did not request it: as words, and as the fields of a JSON object.

The output of a requested entry is `entry_output` in `bridge.vocabulary.built_in_tools`.
"""

from typing import Any

from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.events import EntryEnd


def as_text(entry: EnterDigits, template: str) -> str:
    """What the caller typed, as a user's message; empty if there is nothing to tell.

    `template`: with {digits} where they go. Of a sensitive entry the model is told the placeholder and the length:
    in a tool's arguments the placeholder stands for the digits.
    """
    if entry.placeholder:
        length = len(entry.digits)
        words = (
            f"The caller typed a confidential entry of {length} digit{'s' * (length != 1)} on the keypad; "
            f"its name is {entry.placeholder}."
        )
    elif typed := entry.digits or entry.terminator:  # a terminator alone may mean yes
        words = template.format(digits=typed)
    else:
        return ""
    return f"{words} (It is too short.)" if entry.reason is EntryEnd.INVALID else words


def as_fields(entry: EnterDigits) -> dict[str, Any]:
    """The entry for a server of the user's own, which gets the digits also where they are sensitive."""
    return {
        "digits": entry.digits,
        "reason": entry.reason,
        "terminator": entry.terminator,
        "sensitive": bool(entry.placeholder),
    }
