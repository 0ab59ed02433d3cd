"""Keys in the order in which they were pressed: rows of (when, key, pressed at), then what is given when."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.telnyx.digits import MOST_HELD, Digits
from bridge.vocabulary.events import DigitPressed

WINDOW_S = 0.1

Came = list[tuple[float, str, object]]
Given = list[tuple[float, str]]


def at(second: str) -> str:
    return f"2025-06-05T08:54:{second}Z"


TRANSCRIPTS: list[tuple[Came, Given]] = [
    # in order: each waits its time
    ([(0.0, "1", at("19.0")), (0.5, "2", at("19.5"))], [(0.1, "1"), (0.6, "2")]),
    # the later one first: it is given where the earlier one's time has not come
    ([(0.0, "2", at("19.5")), (0.0625, "1", at("19.0"))], [(0.1, "12")]),
    # what was pressed later than the one that is due goes on waiting for its own neighbours
    (
        [(0.0, "1", at("19.1")), (0.0625, "3", at("19.3")), (0.125, "2", at("19.2"))],
        [(0.1, "1"), (0.1625, "23")],
    ),
    # too late to be put in order, and given nevertheless
    ([(0.0, "2", at("19.5")), (0.5, "1", at("19.0"))], [(0.1, "2"), (0.6, "1")]),
    # whole seconds before their fractions, however many digits these have
    ([(0.0, "3", at("19.69")), (0.0, "2", at("19.123456")), (0.0, "1", at("19"))], [(0.1, "123")]),
    # one moment: the order of arrival
    ([(0.0, "2", at("19")), (0.0, "1", at("19"))], [(0.1, "21")]),
    # no time, or none that can be read: behind the one that came before
    ([(0.0, "1", at("19")), (0.0, "2", None), (0.0, "3", "noon"), (0.0, "4", at("20"))], [(0.1, "1234")]),
    ([(0.0, "1", None), (0.0, "2", 7), (0.0, "3", at("19"))], [(0.1, "123")]),
    # the same key of the same moment is one key, also after it was given
    ([(0.0, "5", at("19")), (0.0, "5", at("19")), (0.5, "5", "2025-06-05T08:54:19+00:00")], [(0.1, "5")]),
    # without a time nobody can tell
    ([(0.0, "5", None), (0.0, "5", None)], [(0.1, "55")]),
]


@pytest.mark.parametrize(("came", "expected"), TRANSCRIPTS)
def test_keys_come_out_in_the_order_in_which_they_were_pressed(came: Came, expected: Given) -> None:
    assert transcript(Digits(WINDOW_S), came) == expected


def test_repeated_keys_are_counted() -> None:
    digits = Digits(WINDOW_S)
    transcript(digits, [(0.0, "5", at("19")), (0.0, "5", at("19")), (0.0, "6", at("19"))])
    assert digits.repeated == 1


def test_without_a_window_a_key_is_due_at_once() -> None:
    digits = Digits(0.0)
    digits.feed("5", at("19"), 3.0)
    assert digits.due(3.0) == [DigitPressed("5", "2025-06-05T08:54:19")]
    assert digits.deadline() is None


TIMES = [
    ("2025-06-05T08:54:19.698408Z", "2025-06-05T08:54:19.698408"),
    ("2025-06-05T08:54:19.690000Z", "2025-06-05T08:54:19.69"),
    ("2025-06-05T08:54:19.000+00:00", "2025-06-05T08:54:19"),
    ("2025-06-05T08:54:10Z", "2025-06-05T08:54:10"),
    ("2025-06-05T08:54:10+02:00", ""),
    ("2025-06-05T08:54:1\u0660Z", ""),
    (None, ""),
]


@pytest.mark.parametrize(("occurred_at", "pressed_at"), TIMES)
def test_when_a_key_was_pressed_is_told_as_text_that_sorts(occurred_at: object, pressed_at: str) -> None:
    digits = Digits(WINDOW_S)
    digits.feed("5", occurred_at, 0.0)
    assert digits.rest() == [DigitPressed("5", pressed_at)]


@given(st.datetimes(), st.datetimes(), st.booleans())
def test_the_text_sorts_as_the_times_do(one: datetime, other: datetime, short: bool) -> None:
    texts = []
    for time in (one, other):
        digits = Digits(WINDOW_S)
        written = time.isoformat() if short else time.isoformat(timespec="microseconds")
        digits.feed("5", f"{written}Z", 0.0)
        texts.append(digits.rest()[0].pressed_at)
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (one < other, one == other)


@given(st.permutations([(at(f"{19 + number}.5"), str(number)) for number in range(8)]))
def test_any_order_within_the_window_gives_the_order_of_pressing(keys: list[tuple[str, str]]) -> None:
    came: Came = [(place / 128, key, occurred_at) for place, (occurred_at, key) in enumerate(keys)]
    assert "".join(key for _, key in transcript(Digits(WINDOW_S), came)) == "01234567"


def test_more_keys_than_anybody_presses_do_not_wait() -> None:
    """The work for each of them does not grow with their number."""
    digits, given = Digits(WINDOW_S), []
    for n in range(1_000):
        digits.feed(str(n % 10), f"2026-01-01T00:00:00.{n:06}Z", 0.0)
        given += digits.due(0.0)
        assert len(given) == max(0, n + 1 - MOST_HELD)
    assert [key.digit for key in given + digits.rest()] == [str(n % 10) for n in range(1_000)]


def transcript(digits: Digits, came: Came) -> Given:
    """What is given when, where `due` is called at each deadline and not before."""
    given: Given = []
    for now, key, occurred_at in came:
        while (due := digits.deadline()) is not None and due <= now:
            given.append((round(due, 6), keys(digits.due(due))))
        digits.feed(key, occurred_at, now)
    while (due := digits.deadline()) is not None:
        given.append((round(due, 6), keys(digits.due(due))))
    assert digits.rest() == []
    return given


def keys(pressed: list[DigitPressed]) -> str:
    return "".join(event.digit for event in pressed)
