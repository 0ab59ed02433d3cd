"""An entry that the assistant did not request, in words and as fields."""

import pytest

from bridge.assistants.shared.keypad import as_fields, as_text
from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.events import EntryEnd

TEMPLATE = "Typed: {digits}"

TEXTS = [
    (EnterDigits("12"), "Typed: 12"),
    (EnterDigits("12", EntryEnd.TERMINATOR, "#"), "Typed: 12"),
    (EnterDigits("", EntryEnd.TERMINATOR, "#"), "Typed: #"),
    (EnterDigits("", EntryEnd.QUIET), ""),
    (EnterDigits("1", EntryEnd.INVALID), "Typed: 1 (It is too short.)"),
    (
        EnterDigits("4", placeholder="entry-1"),
        "The caller typed a confidential entry of 1 digit on the keypad; its name is entry-1.",
    ),
    (
        EnterDigits("41", EntryEnd.INVALID, placeholder="entry-1"),
        "The caller typed a confidential entry of 2 digits on the keypad; its name is entry-1. (It is too short.)",
    ),
]


@pytest.mark.parametrize(("entry", "text"), TEXTS)
def test_in_words(entry: EnterDigits, text: str) -> None:
    assert as_text(entry, TEMPLATE) == text


def test_as_fields_the_digits_are_there_even_if_sensitive() -> None:
    assert as_fields(EnterDigits("41", EntryEnd.TERMINATOR, "#", placeholder="entry-1")) == {
        "digits": "41",
        "reason": "terminator",
        "terminator": "#",
        "sensitive": True,
    }
