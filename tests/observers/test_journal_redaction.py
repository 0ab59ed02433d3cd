"""Sensitive keys and entries are not in the journal, whenever they become sensitive."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.observers.call_history import build_history, read_journal
from bridge.observers.journal import Journal
from bridge.observers.journal_redaction import MASK, MOST_KEPT_BYTES
from bridge.vocabulary.commands import EnterDigits, OpenAssistant, RunTool, SetSensitive, TypeDigit
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    CallerSaid,
    CallStarted,
    DigitPressed,
    EntryEnd,
    EntryRequested,
    MarkReached,
    NoteTaken,
    ReplyEnded,
    ReplySaid,
    ToolAnswered,
    ToolCalled,
    Word,
)
from telecodecs.format import PCMU_8K

NOTHING = Account({}, {}, 0.0, 0.0, [])
STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
ACCEPTED: list[Word] = [CallStarted("CA1", "MZ1", PCMU_8K), OpenAssistant("CA1", PCMU_8K)]
ON, OFF = SetSensitive(True), SetSensitive(False)
ASK = EntryRequested("c1", sensitive=True)


def keys(digits: str) -> list[Word]:
    """As they are pressed, and passed on one by one."""
    return [word for digit in digits for word in (DigitPressed(digit, "t"), TypeDigit(digit))]


def pressed(digits: str) -> list[Word]:
    return list(map(DigitPressed, digits))


def entry(digits: str, name: str = "entry-1", reason: EntryEnd = EntryEnd.TERMINATOR) -> EnterDigits:
    return EnterDigits(digits, reason, "#", "c1", name)


def journal_of(directory: Path, words: Sequence[Word]) -> list[dict[str, object]]:
    """The lines of its keys and texts. Each word is in the file at once, and what was taken back is not."""
    journal = Journal(directory, STARTED)
    for number, word in enumerate(words):
        journal.saw(word, number / 10)
    journal.close(len(words) / 10, NOTHING)
    (file,) = directory.glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == len(words) + 1, "one line each, and the last"
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    return lines


def digits_in(lines: list[dict[str, object]]) -> list[object]:
    return [line.get("digit", line.get("digits")) for line in lines if {"digit", "digits"} & line.keys()]


ROWS: list[tuple[str, list[Word], list[str]]] = [
    ("not sensitive", [*ACCEPTED, *keys("12"), entry("12", "")], ["1", "1", "2", "2", "12"]),
    (
        "sensitive, and no longer",
        [*ACCEPTED, ASK, ON, *pressed("123#"), entry("123"), OFF, *keys("9"), entry("9", "")],
        [*"••••", "•••", "9", "9", "9"],
    ),
    (
        "typed ahead of the request",
        [*ACCEPTED, *keys("12"), ASK, ON, *pressed("34#"), entry("1234"), OFF],
        [*"••••", *"•••", "••••"],
    ),
    (
        "all of it typed ahead",
        [*ACCEPTED, *keys("1234"), ASK, ON, entry("1234", reason=EntryEnd.FULL), OFF],
        [*"••••••••", "••••"],
    ),
    (
        "an entry before is not sensitive",
        [*ACCEPTED, *keys("77"), entry("77", ""), *keys("12"), ASK, ON, entry("12"), OFF],
        ["7", "7", "7", "7", "77", *"••••", "••"],
    ),
    (
        "what is left of a full entry may belong to the next",
        [*ACCEPTED, *keys("7712"), entry("77", "", EntryEnd.FULL), ON, *pressed("3"), entry("123")],
        [*"••••••••", "77", "•", "•••"],
    ),
    (
        "before the call is accepted",
        [*keys("12"), ACCEPTED[0], ON, *pressed("3"), ACCEPTED[1], entry("123")],
        [*"••••", "•", "•••"],
    ),
    (
        "heard as tones: no key was reported",
        [*ACCEPTED, TypeDigit("1"), ASK, ON, entry("1234"), OFF, TypeDigit("9")],
        ["•", "••••", "9"],
    ),
    (
        "no longer sensitive before the entry is complete",
        [*ACCEPTED, ASK, ON, *pressed("12"), OFF, *keys("3"), entry("123", ""), NoteTaken("123")],
        ["•", "•", "3", "3", "•••"],
    ),
    (
        "the call ends",
        [*ACCEPTED, ASK, ON, *pressed("12"), entry("12", reason=EntryEnd.HANGUP)],
        ["•", "•", "••"],
    ),
]


@pytest.mark.parametrize(("words", "written"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_keys(tmp_path: Path, words: list[Word], written: list[str]) -> None:
    assert digits_in(journal_of(tmp_path, words)) == written


def test_keys_are_in_the_file_until_their_mask_comes_and_then_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    for word in (*ACCEPTED, MarkReached("x"), *pressed("48"), NoteTaken("between")):
        journal.saw(word, 0.0)
    (file,) = tmp_path.glob("*.jsonl")
    assert '"digit":"4"' in file.read_text()
    journal.saw(MarkReached("y"), 0.1)  # marks wait for the next word
    journal.saw(ON, 0.1)
    written = [json.loads(line) for line in file.read_text().splitlines()]
    whats = ["CallStarted", "OpenAssistant", "MarkReached", "DigitPressed", "DigitPressed", "NoteTaken"]
    assert [line["what"] for line in written] == [*whats, "MarkReached", "SetSensitive"]
    assert digits_in(written) == [MASK, MASK]
    assert '"digit":"4"' not in file.read_text()
    journal.close(0.2, NOTHING)


def test_a_key_long_before_the_mask_is_not_remembered_for_ever(tmp_path: Path) -> None:
    words = [*ACCEPTED, *keys("1"), *[NoteTaken("x" * 1_000)] * (MOST_KEPT_BYTES // 1_000 + 1), ON]
    journal = Journal(tmp_path, STARTED)
    for number, word in enumerate(words):
        journal.saw(word, number / 10)
    journal.close(99.0, NOTHING)
    (file,) = tmp_path.glob("*.jsonl")
    assert len(file.read_text().splitlines()) == len(words) + 1


LATER: list[Word] = [
    ToolCalled("c2", "pay", '{"card":"4111111111111111"}'),
    RunTool("c2", "pay", '{"card":"4111111111111111"}'),
    ToolAnswered("c2", "4111111111111111 was charged"),
    NoteTaken("the card is 4111111111111111."),
    CallerSaid("u", "4111111111111111"),
    ReplySaid("a", "4111111111111111"),
]


@pytest.mark.parametrize("later", LATER, ids=[type(word).__name__ for word in LATER])
def test_digits_that_turn_up_later_are_the_name(tmp_path: Path, later: Word) -> None:
    words = [*ACCEPTED, ASK, ON, *pressed("4111111111111111#"), entry("4111111111111111"), OFF, later]
    written = json.dumps(journal_of(tmp_path, words))
    assert "4111" not in written
    assert ("entry-1" in written.split('"SetSensitive"')[-1]) is not isinstance(later, RunTool)


def test_digits_that_come_in_pieces_are_the_name_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path, STARTED)
    said = [ReplySaid("a", "It is 12"), ReplySaid("a", "34, right?"), ReplyEnded("a")]
    for word in (*ACCEPTED, ON, entry("1234"), OFF, *said):
        journal.saw(word, 0.0)
    journal.close(1.0, NOTHING)
    (file,) = tmp_path.glob("*.jsonl")
    assert "It is entry-1, right?" in file.read_text()


def test_the_history_shows_what_the_journal_shows(tmp_path: Path) -> None:
    journal_of(tmp_path, [*ACCEPTED, ASK, ON, *pressed("123#"), entry("123"), OFF])
    (file,) = tmp_path.glob("*.jsonl")
    history = build_history(read_journal(file))
    assert [key for _, key in history.digits] == list("••••")
    assert [words.text for words in history.said] == ["•••"]


def test_the_history_shows_a_terminator_alone_and_nothing_where_nothing_was_typed(tmp_path: Path) -> None:
    nothing = EnterDigits("", EntryEnd.QUIET, request_id="c1")
    journal_of(tmp_path, [*ACCEPTED, EnterDigits("", EntryEnd.TERMINATOR, "#"), nothing])
    (file,) = tmp_path.glob("*.jsonl")
    assert [words.text for words in build_history(read_journal(file)).said] == ["#"]
