"""The account of a call with a runaway assistant: everything is counted, and the latest of it is kept."""

from bridge.observers.journal_line import LONGEST_TEXT, encode
from bridge.observers.turn_waits import MOST_TURNS
from bridge.observers.usage import MOST_ITEMS, Accounting
from bridge.vocabulary.events import CallerSaid, NoteTaken, ReplyAudio, SpeechStopped

EVENTS = 20_000


def test_turns_are_all_counted_and_the_latest_are_kept() -> None:
    accounting = Accounting()
    for number in range(EVENTS):
        accounting.saw(SpeechStopped(f"u{number}"), float(number))
    account = accounting.account({})
    assert (account.counts["turns"], len(account.turns)) == (EVENTS, MOST_TURNS)


def test_replies_are_all_counted_and_the_latest_items_are_remembered() -> None:
    accounting = Accounting()
    for number in range(EVENTS):
        accounting.saw(ReplyAudio(f"a{number}", b"\xff"), 0.0)
        accounting.saw(ReplyAudio(f"a{number}", b"\xff"), 0.0)
    assert accounting.account({}).counts["replies"] == EVENTS
    assert len(accounting._items) == MOST_ITEMS


def test_a_text_in_the_journal_is_cut_with_a_mark_and_not_within_a_number() -> None:
    line = encode(CallerSaid("u", "x" * (LONGEST_TEXT - 6) + " +15550199 and more")).decode()
    assert f"x … ({LONGEST_TEXT + 13} characters)" in line
    assert "1555" not in line
    assert len(encode(NoteTaken("n" * 1_000_000))) < LONGEST_TEXT + 100
