"""Keys into entries, told as transcripts: when, which, what was entered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.keypad import Entry, EntryRules, Keypad
from bridge.vocabulary.events import DigitPressed, EntryEnd

QUIET, FULL, TERMINATOR, INVALID = EntryEnd.QUIET, EntryEnd.FULL, EntryEnd.TERMINATOR, EntryEnd.INVALID
Key = tuple[float, str]
Made = tuple[float, str, EntryEnd]

ENTRIES: dict[str, tuple[EntryRules, list[Key], list[Made]]] = {
    "one key": (EntryRules(), [(0.0, "4")], [(1.0, "4", QUIET)]),
    "each key restarts the wait": (EntryRules(), [(0.0, "1"), (0.9, "2"), (1.8, "3")], [(2.8, "123", QUIET)]),
    "# ends it at once": (EntryRules(), [(0.0, "1"), (0.1, "2"), (0.2, "#")], [(0.2, "12", TERMINATOR)]),
    "# alone is an empty entry": (EntryRules(), [(0.0, "#")], [(0.0, "", TERMINATOR)]),
    "a key after the end begins the next": (
        EntryRules(),
        [(0.0, "1"), (0.1, "#"), (0.2, "2")],
        [(0.1, "1", TERMINATOR), (1.2, "2", QUIET)],
    ),
    "full": (EntryRules(most=3), [(0.0, "7"), (0.1, "8"), (0.2, "9")], [(0.2, "789", FULL)]),
    "full, and a # that comes all the same": (
        EntryRules(most=2),
        [(0.0, "7"), (0.1, "8"), (0.4, "#"), (0.5, "#")],
        [(0.1, "78", FULL), (0.5, "", TERMINATOR)],
    ),
    "full, and a # much later": (
        EntryRules(most=2),
        [(0.0, "7"), (0.1, "8"), (3.0, "#")],
        [(0.1, "78", FULL), (3.0, "", TERMINATOR)],
    ),
    "star and letters are keys": (EntryRules(), [(0.0, "*"), (0.0, "a"), (0.1, "D")], [(1.1, "*AD", QUIET)]),
    "no terminators": (EntryRules(terminators=""), [(0.0, "1"), (0.1, "#")], [(1.1, "1#", QUIET)]),
    "several terminators": (
        EntryRules(terminators="*#"),
        [(0.0, "1"), (0.1, "*"), (0.2, "2"), (0.3, "#")],
        [(0.1, "1", TERMINATOR), (0.3, "2", TERMINATOR)],
    ),
    "too few": (EntryRules(fewest=3), [(0.0, "1"), (0.1, "2")], [(1.1, "12", INVALID)]),
    "too few, terminated": (EntryRules(fewest=3), [(0.0, "1"), (0.1, "#")], [(0.1, "1", INVALID)]),
    "cancelled and typed anew": (
        EntryRules(cancel="*"),
        [(0.0, "1"), (0.1, "*"), (0.2, "2"), (0.3, "#")],
        [(0.3, "2", TERMINATOR)],
    ),
    "cancelled": (EntryRules(cancel="*"), [(0.0, "1"), (0.1, "*"), (0.2, "*")], []),
}


def gather(keypad: Keypad, keys: list[Key], until: float = 100.0) -> list[tuple[float, Entry]]:
    """The entries, and when each was complete."""
    made: list[tuple[float, Entry]] = []

    def wait_until(now: float) -> None:
        while (due := keypad.deadline()) is not None and due <= now:
            made.extend((due, entry) for entry in [keypad.end(due)] if entry)

    for when, key in keys:
        wait_until(when)
        made.extend((when, entry) for entry in [keypad.press(DigitPressed(key), when)] if entry)
    wait_until(until)
    return made


@pytest.mark.parametrize(("rules", "keys", "entries"), ENTRIES.values(), ids=ENTRIES)
def test_entries(rules: EntryRules, keys: list[Key], entries: list[Made]) -> None:
    made = gather(Keypad(rules), keys)
    assert [(entry.digits, entry.reason) for _, entry in made] == [
        (digits, why) for _, digits, why in entries
    ]
    assert [at for at, _ in made] == pytest.approx([ended_at for ended_at, _, _ in entries])


def test_an_entry_knows_what_ended_it() -> None:
    assert gather(Keypad(), [(2.0, "1"), (2.5, "2"), (3.0, "#")]) == [(3.0, Entry("12", "#", TERMINATOR))]


def test_a_key_stands_where_the_carrier_says_that_it_was_pressed() -> None:
    keypad = Keypad()
    for digit, pressed_at in (("1", "T1.0"), ("3", "T1.4"), ("2", "T1.2"), ("4", "")):
        keypad.press(DigitPressed(digit, pressed_at), 0.0)
    assert keypad.end(1.0) == Entry("1234", "", QUIET)


def test_a_key_that_comes_when_its_entry_is_over_begins_the_next() -> None:
    keypad = Keypad()
    keypad.press(DigitPressed("2", "T2"), 0.0)
    keypad.press(DigitPressed("#", "T3"), 0.1)
    keypad.press(DigitPressed("1", "T1"), 0.2)
    assert keypad.end(1.2) == Entry("1", "", QUIET)


ASKED = EntryRules(first_s=5.0, most=4)


def test_an_entry_that_is_asked_for_ends_though_nothing_is_typed() -> None:
    keypad = Keypad()
    keypad.ask(ASKED, 1.0)
    assert keypad.deadline() == 6.0
    assert keypad.end(6.0) == Entry("", "", QUIET)
    assert keypad.end(7.0) is None, "it is asked for once"


def test_its_rules_are_for_this_entry_only() -> None:
    keypad = Keypad()
    keypad.ask(ASKED, 0.0)
    assert gather(keypad, [(1.0, digit) for digit in "12345"]) == [
        (1.0, Entry("1234", "", FULL)),
        (2.0, Entry("5", "", QUIET)),
    ]


def test_what_was_typed_ahead_is_part_of_it() -> None:
    keypad = Keypad()
    keypad.press(DigitPressed("1"), 0.0)
    assert keypad.ask(ASKED, 0.5) is None
    assert gather(keypad, [(0.6, digit) for digit in "234"]) == [(0.6, Entry("1234", "", FULL))]


def test_what_was_typed_ahead_may_be_more_than_all_of_it() -> None:
    keypad = Keypad()
    for digit in "123456":
        keypad.press(DigitPressed(digit), 0.0)
    assert keypad.ask(ASKED, 0.5) == Entry("1234", "", FULL)
    assert keypad.end(1.5) == Entry("56", "", QUIET)


def test_a_terminator_right_behind_what_was_typed_ahead_belongs_to_it() -> None:
    keypad = Keypad()
    for digit in "1234":
        keypad.press(DigitPressed(digit), 0.0)
    assert keypad.ask(ASKED, 0.5) == Entry("1234", "", FULL)
    assert keypad.press(DigitPressed("#"), 0.8) is None


def test_no_key_is_waited_for_where_none_was_asked_for() -> None:
    keypad = Keypad(ASKED)
    keypad.wait(1.0)
    assert keypad.deadline() is None


def test_cancelled_the_first_key_is_waited_for_anew() -> None:
    keypad = Keypad()
    keypad.ask(EntryRules(first_s=5.0, cancel="*"), 0.0)
    keypad.press(DigitPressed("1"), 3.0)
    keypad.press(DigitPressed("*"), 4.0)
    assert keypad.deadline() == 9.0


def test_who_asked_may_be_gone() -> None:
    keypad = Keypad()
    keypad.ask(ASKED, 0.0)
    keypad.forget()
    assert keypad.deadline() is None
    keypad.ask(ASKED, 0.0)
    keypad.press(DigitPressed("1"), 0.0)
    keypad.forget()
    assert keypad.end(1.0) == Entry("1", "", QUIET)


@pytest.mark.parametrize(("keys", "digits"), [("", None), ("12", "12")])
def test_the_caller_hangs_up(keys: str, digits: str | None) -> None:
    keypad = Keypad()
    keypad.ask(ASKED, 0.0)
    for key in keys:
        keypad.press(DigitPressed(key), 0.0)
    entry = keypad.hang_up(1.0)
    assert (entry and (entry.digits, entry.reason)) == (digits and (digits, EntryEnd.HANGUP))


@given(
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from("0123456789*#ABCD")), max_size=200),
    st.builds(
        EntryRules,
        most=st.integers(1, 8),
        terminators=st.sampled_from(["", "#", "*#"]),
        fewest=st.integers(1, 4),
        cancel=st.sampled_from(["", "C"]),
    ),
)
def test_every_key_is_in_one_entry(gaps: list[Key], rules: EntryRules) -> None:
    now, keys = 0.0, []
    for gap, key in gaps:
        now += gap
        keys.append((now, key))
    entries = [entry for _, entry in gather(Keypad(rules), keys, until=now + 10)]
    entered = "".join(entry.digits for entry in entries)
    pressed = "".join(key for _, key in keys if key not in rules.terminators and key != rules.cancel)
    if rules.cancel:
        assert len(entered) <= len(pressed)
    else:
        assert entered == pressed
    for entry in entries:
        assert len(entry.digits) <= rules.most
        assert (entry.reason is INVALID) == (0 < len(entry.digits) < rules.fewest)
        assert (entry.reason is QUIET) <= bool(entry.digits)
