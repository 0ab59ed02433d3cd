"""Numbers that a caller dictates: in words, in pieces, with pauses; and what is no number."""

import json

import pytest

from bridge.observers.live.dictated import mask_dictated
from bridge.observers.live.lines import LiveLines
from bridge.observers.live.spoken import HELD_MS, Spoken
from bridge.vocabulary.events import CallerSaid

TEXTS = {
    "five five five zero one nine nine": "***",
    "It is five five five, oh one, double nine. Got it?": "It is ***. Got it?",
    "fünf fünf fünf null eins neun neun bitte": "*** bitte",
    "cinco cinco cinco cero uno nueve nueve": "***",
    "5, 5, 5, 0, 1, 9, 9": "***",
    "five 5 five 0199": "***",
    "two tables for four": "two tables for four",
    "on 2026-11-30 at one": "on 2026-11-30 at one",
    "the second one, and three more": "the second one, and three more",
}


@pytest.mark.parametrize(("said", "shown"), TEXTS.items())
def test_what_is_masked_in_one_text(said: str, shown: str) -> None:
    assert mask_dictated(said) == shown


PIECES = [
    ["My number is five five five", "zero one", "nine nine."],
    ["My number is 555", "0 1 9 9"],
    ["It's 555", "01", "99", "thank you"],
    ["5", "5", "5", "0", "1", "9", "9"],
    ["plus 1 555", "01 99", "that is all"],
]


def told(spoken: Spoken) -> str:
    return " ".join(text for speaker, text in spoken.take() if speaker == "caller")


@pytest.mark.parametrize("pieces", PIECES, ids=" | ".join)
def test_a_number_in_several_texts_is_not_told(pieces: list[str]) -> None:
    spoken, heard = Spoken(str), ""
    for at, piece in enumerate(pieces):
        spoken.caller(piece, at * 2_000)
        heard += told(spoken)
        spoken.assistant(f"r{at}", "yes?", at * 2_000 + 500)
    spoken.end()
    heard += told(spoken)
    shown = [line.text for line in spoken.lines() if line.speaker == "caller"]
    assert not any(digit in heard for digit in ("5", "0", "1", "five", "zero", "nine")), heard
    assert heard.count("9") in (0, 2), "the last two digits at most"
    assert not any(digit in "".join(shown) for digit in ("5", "0", "1", "9", "five", "zero", "nine")), shown
    assert len(shown) == len(pieces), "each text has its line"


def test_of_a_number_with_long_pauses_no_more_than_six_digits_are_told() -> None:
    spoken = Spoken(str)
    heard = ""
    for at, piece in enumerate(["it is 555", "019", "9 4"]):
        spoken.caller(piece, at * (HELD_MS + 1))
        heard += told(spoken)
    spoken.end()
    heard += told(spoken)
    assert sum(letter.isdigit() for letter in heard) <= 6


def test_what_is_no_number_comes_at_once_or_after_a_while() -> None:
    spoken = Spoken(str)
    spoken.caller("the second one", 0)
    assert told(spoken) == "the second one"
    spoken.caller("a table for 12", 1_000)
    assert told(spoken) == "a table for "
    spoken.assistant("r1", "very well ", 2_000)
    assert told(spoken) == ""
    spoken.assistant("r1", "then ", 1_000 + HELD_MS)
    assert told(spoken) == "12"
    spoken.caller("at 8", 9_000)
    assert told(spoken) == "at 8"
    spoken.caller("room 25", 10_000)
    spoken.end()
    assert told(spoken) == "room  25"


def test_the_lines_of_the_journal_that_are_shown_have_six_digits_of_it_at_most() -> None:
    lines = LiveLines(0.0, str)
    for piece in ("it is five five five", "0 1", "ninety", "555", "01", "99"):
        lines.saw(CallerSaid("u1", piece), 0.0)
    said = [json.loads(line)["text"] for line in lines.take()]
    assert said == ["it is five five five", "0 1", "ninety", "555", "01", "***"]


def test_an_assistant_that_repeats_a_number_in_words_is_not_told_piece_by_piece() -> None:
    spoken, heard = Spoken(str), ""
    for piece in ("That is ", "five ", "five ", "five, ", "zero ", "one ", "nine nine", ". Right?"):
        spoken.assistant("r1", piece, 0)
        heard += "".join(text for _, text in spoken.take())
        assert "five" not in heard
    spoken.end()
    heard += "".join(text for _, text in spoken.take())
    assert heard == "That is ***. Right?"
