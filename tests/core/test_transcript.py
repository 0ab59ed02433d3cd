"""The transcript, as the next assistant gets it."""

from collections.abc import Callable

import pytest
from msgspec import json

from bridge.core.transcript import (
    CUT,
    LETTER_MS,
    MOST_LETTERS,
    MOST_LETTERS_OF_TOOL,
    MOST_LETTERS_OF_TURN,
    MOST_TURNS,
    Transcript,
)
from bridge.vocabulary.events import Said, Speaker, ToolUsed

CALLER, ASSISTANT = Speaker.CALLER, Speaker.ASSISTANT


def test_utterances_stand_where_they_were_spoken_though_their_words_come_later() -> None:
    transcript = Transcript()
    transcript.reply_said("a", "Hello")
    transcript.reply_said("a", " there.")
    transcript.caller_paused("u")
    transcript.reply_said("b", "Certainly.")
    transcript.caller_said("u", " Can I book? ")
    assert transcript.history() == (
        Said(ASSISTANT, "Hello there."),
        Said(CALLER, "Can I book?"),
        Said(ASSISTANT, "Certainly."),
    )


def test_a_cut_reply_keeps_the_words_that_were_heard() -> None:
    transcript = Transcript()
    transcript.reply_said("a", "one two three four")
    transcript.cut("a", 0.5)
    transcript.reply_said("a", " five")  # was under way
    transcript.cut("a", 0.1)  # once is enough
    assert transcript.history() == (Said(ASSISTANT, "one two" + CUT),)


def test_of_a_reply_that_broke_off_the_words_without_audio_are_left_out() -> None:
    transcript = Transcript()
    transcript.reply_sounds("a")
    transcript.reply_said("a", "Certainly, on which day?")
    transcript.reply_said("b", "It never sounded.")
    transcript.break_off("a", 10 * LETTER_MS)
    assert transcript.history() == (Said(ASSISTANT, "Certainly," + CUT),)
    transcript.reply_said("a", "Yes.")  # another assistant's
    transcript.reply_sounds("a")
    transcript.break_off(None, 0)
    assert transcript.history()[-1] == Said(ASSISTANT, "Yes.")


def test_a_reply_that_was_not_heard_is_left_out() -> None:
    transcript = Transcript()
    transcript.reply_said("a", "one two three four")
    transcript.cut("a", 0.0)
    transcript.cut("b", 0.0)
    transcript.reply_said("b", "never")
    assert transcript.history() == ()


def test_a_reply_heard_to_its_end_stays_whole() -> None:
    transcript = Transcript()
    transcript.reply_said("a", "one two")
    transcript.cut("a", 1.0)
    assert transcript.history() == (Said(ASSISTANT, "one two"),)


def test_an_entry_is_kept_and_an_utterance_without_words_is_left_out() -> None:
    transcript = Transcript()
    transcript.caller_paused("u")
    transcript.caller_paused("")
    transcript.caller_typed("12")
    transcript.caller_typed("12")
    transcript.caller_typed("entry-1")
    transcript.caller_typed("")
    typed = ("[keypad: 12]", "[keypad: 12]", "[keypad: entry-1]")
    assert transcript.history() == tuple(Said(CALLER, text) for text in typed)


def test_of_a_long_call_the_latest_is_kept() -> None:
    transcript = Transcript()
    for number in range(30):
        transcript.caller_said(f"u{number}", f"{number:02}" + "x" * (MOST_LETTERS // 10))
    history = transcript.history()
    assert len(history) == 9
    assert isinstance(history[-1], Said)
    assert history[-1].text.startswith("29")


# Tools


def test_a_tool_stands_where_it_was_called_and_has_its_output_once_an_assistant_was_told() -> None:
    transcript = Transcript()
    transcript.caller_said("u", "Book me Friday.")
    transcript.tool_called("c1", "book", '{"day":"friday"}')
    transcript.tool_called("c2", "price", "{}")
    transcript.built_in_used("note", '{"text":"call back"}', "noted")
    transcript.reply_said("a", "One moment.")
    transcript.tool_answered("c1", "booked")
    transcript.tool_answered("c1", "twice")
    transcript.tool_answered("c9", "of no call")
    assert transcript.history() == (
        Said(CALLER, "Book me Friday."),
        ToolUsed("c1", "book", '{"day":"friday"}', "booked"),
        ToolUsed("c2", "price", "{}", None),
        ToolUsed("", "note", '{"text":"call back"}', "noted"),
        Said(ASSISTANT, "One moment."),
    )


def test_the_next_assistant_may_give_the_same_id_to_a_call() -> None:
    transcript = Transcript()
    for output in ("one", "two"):
        transcript.tool_called("c1", "look", "{}")
        transcript.tool_answered("c1", output)
    assert transcript.history() == tuple(ToolUsed("c1", "look", "{}", output) for output in ("one", "two"))


def test_a_pair_is_kept_or_left_out_as_a_whole_and_a_tool_that_runs_is_kept() -> None:
    transcript = Transcript()
    transcript.tool_called("runs", "look", '{"of":"' + "x" * 100 + '"}')
    for number in range(10):
        transcript.tool_called(f"c{number}", "look", '{"of":"' + "x" * 1_000 + '"}')
        transcript.tool_answered(f"c{number}", "y" * 3_000)
    history = transcript.history()
    assert [used.tool_call_id for used in history if isinstance(used, ToolUsed)] == [
        *("runs", "c6", "c7", "c8", "c9"),
    ]
    assert history[0] == ToolUsed("runs", "look", '{"of":"' + "x" * 100 + '"}', None)


def test_what_a_tool_took_and_gave_is_shortened_with_a_mark() -> None:
    transcript = Transcript()
    transcript.tool_called("c1", "look", '{"of":"' + "x" * 5_000 + '"}')
    transcript.tool_answered("c1", "y" * 30_000)
    (used,) = transcript.history()
    assert isinstance(used, ToolUsed)
    assert used.output == "y" * MOST_LETTERS_OF_TOOL + " … (shortened: it had 30000 characters)"
    arguments = json.decode(used.arguments)
    assert arguments.keys() == {"shortened"}
    assert arguments["shortened"].endswith("xxx … (shortened: it had 5009 characters)")


def _use_tool(transcript: Transcript, number: int) -> None:
    transcript.tool_called(f"c{number}", "book", "{}")
    transcript.tool_answered(f"c{number}", "done" * 10_000)


RUNAWAYS: dict[str, Callable[[Transcript, int], None]] = {
    "one reply without an end": lambda transcript, _: transcript.reply_said("a", "word " * 200),
    "replies without an end": lambda transcript, n: transcript.reply_said(f"a{n}", "word " * 200),
    "items without words": lambda transcript, n: transcript.reply_sounds(f"a{n}"),
    "pauses": lambda transcript, n: transcript.caller_paused(f"u{n}"),
    "one utterance, told anew": lambda transcript, n: transcript.caller_said("u", "word " * 200),
    "utterances": lambda transcript, n: transcript.caller_said(f"u{n}", "word " * 200),
    "cuts": lambda transcript, n: transcript.cut(f"a{n}", 0.0),
    "keys": lambda transcript, _: transcript.caller_typed("1234"),
    "built-in tools": lambda transcript, _: transcript.built_in_used("note", "n" * 10_000, "noted" * 10_000),
    "tools": _use_tool,
}


@pytest.mark.parametrize("runaway", RUNAWAYS.values(), ids=RUNAWAYS)
def test_whatever_an_assistant_says_what_is_kept_is_bounded(
    runaway: Callable[[Transcript, int], None],
) -> None:
    transcript = Transcript()
    for number in range(10_000):
        runaway(transcript, number)
    turns, letters = transcript.kept
    assert (turns <= 2 * MOST_TURNS + 1, letters <= 2 * MOST_LETTERS + MOST_LETTERS_OF_TURN) == (True, True)
    history = transcript.history()
    assert len(history) <= MOST_TURNS


def test_the_latest_words_are_told_after_much_was_forgotten() -> None:
    transcript = Transcript()
    transcript.tool_called("c1", "book", '{"day":"Monday"}')
    for number in range(5_000):
        transcript.reply_said(f"a{number}", f"Sentence {number}.")
    running, *said = transcript.history()
    assert running == ToolUsed("c1", "book", '{"day":"Monday"}')
    assert said[-1] == Said(ASSISTANT, "Sentence 4999.")
    assert MOST_LETTERS - 20 < sum(len(turn.text) for turn in said if isinstance(turn, Said)) <= MOST_LETTERS
    transcript.reply_said("a4999", " It goes on.")
    assert transcript.history()[-1] == Said(ASSISTANT, "Sentence 4999. It goes on.")
