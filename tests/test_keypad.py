"""Keys, told as transcripts: when, which, what we say."""

import pytest

from bridge.commands import Command, EnterDigits, TypeDigit
from bridge.keypad import MOST_DIGITS, Keypad

ENTRIES = [  # keys with their times; the entries that they make, with theirs
    ("one key", [(0.0, "4")], [(1.0, "4")]),
    ("several, each restarts the wait", [(0.0, "1"), (0.9, "2"), (1.8, "3")], [(2.8, "123")]),
    ("# ends it at once", [(0.0, "1"), (0.1, "2"), (0.2, "#")], [(0.2, "12")]),
    ("# alone is an entry", [(0.0, "#")], [(0.0, "#")]),
    ("a key after the end begins the next", [(0.0, "1"), (0.1, "#"), (0.2, "2")], [(0.1, "1"), (1.2, "2")]),
    ("full", [(0.0, "7")] * MOST_DIGITS, [(0.0, "7" * MOST_DIGITS)]),
    ("star and letters are keys", [(0.0, "*"), (0.0, "A")], [(1.0, "*A")]),
]


@pytest.mark.parametrize(("keys", "entries"), [row[1:] for row in ENTRIES], ids=[row[0] for row in ENTRIES])
def test_entries(keys: list[tuple[float, str]], entries: list[tuple[float, str]]) -> None:
    keypad = Keypad()
    made: list[tuple[object, Command]] = []

    def wait_until(now: float) -> None:
        while (deadline := keypad.deadline()) is not None and deadline <= now:
            made.extend((pytest.approx(deadline), command) for command in keypad.end())

    for when, key in keys:
        wait_until(when)
        typed, *ended = keypad.press(key, when)
        assert typed == TypeDigit(key)
        made.extend((when, command) for command in ended)
    wait_until(100.0)
    assert made == [(when, EnterDigits(digits)) for when, digits in entries]
