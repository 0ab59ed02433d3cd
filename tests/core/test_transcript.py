"""The transcript, as the next assistant gets it."""

from bridge.core.transcript import CUT, LETTER_MS, MOST_LETTERS, Transcript
from bridge.vocabulary.events import Said, Speaker

CALLER, ASSISTANT = Speaker.CALLER, Speaker.ASSISTANT


def test_utterances_stand_where_they_were_spoken_though_their_words_come_later() -> None:
    transcript = Transcript()
    transcript.reply_said("a", "Hello")
    transcript.reply_said("a", " there.")
    transcript.caller_paused("u")
    transcript.reply_said("b", "Certainly.")
    transcript.caller_said("u", " Can I book? ")
    assert transcript.said() == (
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
    assert transcript.said() == (Said(ASSISTANT, "one two" + CUT),)


def test_of_a_reply_that_broke_off_the_words_without_audio_are_left_out() -> None:
    transcript = Transcript()
    transcript.reply_sounds("a")
    transcript.reply_said("a", "Certainly, on which day?")
    transcript.reply_said("b", "It never sounded.")
    transcript.break_off("a", 10 * LETTER_MS)
    assert transcript.said() == (Said(ASSISTANT, "Certainly," + CUT),)
    transcript.reply_said("a", "Yes.")  # another assistant's
    transcript.reply_sounds("a")
    transcript.break_off(None, 0)
    assert transcript.said()[-1] == Said(ASSISTANT, "Yes.")


def test_a_reply_that_was_not_heard_is_left_out() -> None:
    transcript = Transcript()
    transcript.reply_said("a", "one two three four")
    transcript.cut("a", 0.0)
    transcript.cut("b", 0.0)
    transcript.reply_said("b", "never")
    assert transcript.said() == ()


def test_a_reply_heard_to_its_end_stays_whole() -> None:
    transcript = Transcript()
    transcript.reply_said("a", "one two")
    transcript.cut("a", 1.0)
    assert transcript.said() == (Said(ASSISTANT, "one two"),)


def test_an_entry_is_kept_and_an_utterance_without_words_is_left_out() -> None:
    transcript = Transcript()
    transcript.caller_paused("u")
    transcript.caller_paused("")
    transcript.caller_typed("12")
    transcript.caller_typed("12")
    transcript.caller_typed("entry-1")
    transcript.caller_typed("")
    typed = ("[keypad: 12]", "[keypad: 12]", "[keypad: entry-1]")
    assert transcript.said() == tuple(Said(CALLER, text) for text in typed)


def test_of_a_long_call_the_latest_is_kept() -> None:
    transcript = Transcript()
    for number in range(30):
        transcript.caller_said(f"u{number}", f"{number:02}" + "x" * (MOST_LETTERS // 10))
    said = transcript.said()
    assert len(said) == 9
    assert said[-1].text.startswith("29")
