"""The assistant's voice, told as transcripts: what is sent at once, what waits, and what becomes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.reply_audio import AHEAD_S, MOST_WAITING_S, Voice
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import (
    ClearPlayback,
    Command,
    ConfirmHeard,
    DropReply,
    PlayAudio,
    SendMark,
    TruncateReply,
)
from telecodecs.format import L16_24K, PCMU_8K

SECOND = bytes(range(200)) * 40
MINUTE = SECOND * 60


def voice() -> tuple[Voice, Timers]:
    voice, timers, _ = voice_and_cuts()
    return voice, timers


def voice_and_cuts() -> tuple[Voice, Timers, dict[str, float]]:
    """The last: the share that was heard of each item that was cut."""
    timers, shares = Timers(), dict[str, float]()
    voice = Voice(PCMU_8K, timers, shares.__setitem__)
    voice.open(PCMU_8K, 0.0)
    return voice, timers, shares


def played(commands: list[Command]) -> bytes:
    return b"".join(command.audio for command in commands if isinstance(command, PlayAudio))


def marks(commands: list[Command]) -> list[str]:
    return [command.name for command in commands if isinstance(command, SendMark)]


def test_a_short_reply_goes_out_at_once() -> None:
    speaking, timers = voice()
    commands = speaking.play("a", SECOND, 0.0) + speaking.end("a", 0.0)
    assert played(commands) == SECOND
    assert len(marks(commands)) == 5
    assert timers.next_due is None


def test_of_a_long_one_the_carrier_gets_a_few_seconds_and_the_rest_in_time() -> None:
    speaking, timers = voice()
    sent = [(0.0, speaking.play("a", MINUTE, 0.0) + speaking.end("a", 0.0))]
    while (due := timers.next_due) is not None:
        assert timers.fallen_due(due) is Timer.TOP_UP
        sent.append((due, speaking.top_up(due)))
    assert b"".join(played(commands) for _, commands in sent) == MINUTE
    total_s = 0.0
    for at, commands in sent:
        assert at <= total_s, "the caller hears no gap"
        total_s += len(played(commands)) / 8000
        assert total_s <= at + AHEAD_S
    assert len([name for _, commands in sent for name in marks(commands)]) == 300
    assert speaking.is_pending


def test_an_item_that_waited_is_confirmed_by_its_own_last_mark() -> None:
    speaking, timers = voice()
    first = speaking.play("a", SECOND * 4, 0.0) + speaking.end("a", 0.0)
    later = speaking.play("b", SECOND * 2, 0.0) + speaking.end("b", 0.0)
    assert len(played(later)) == 8000
    assert timers.next_due == 1.0
    rest = speaking.top_up(1.0)
    assert len(played(rest)) == 8000
    answers = [speaking.mark_reached(mark, 6.0) for mark in marks(first) + marks(later) + marks(rest)]
    assert [answer for answer in answers if answer] == [[ConfirmHeard("a")], [ConfirmHeard("b")]]
    assert not speaking.is_pending


def test_an_interruption_drops_what_waits_too() -> None:
    speaking, timers, shares = voice_and_cuts()
    for item in ("a", "b", "c"):
        speaking.play(item, SECOND * 4, 0.0)
        speaking.end(item, 0.0)
    assert speaking.left_s(0.9) == pytest.approx(
        11.8
    )  # no mark came back, so no more than the first is proved
    assert speaking.interrupt(0.9) == [
        ClearPlayback(5 * 8000 - 7200),
        TruncateReply("a", 900),
        DropReply("b"),
        DropReply("c"),
    ]
    assert timers.next_due is None
    assert not speaking.is_pending
    assert speaking.top_up(3.0) == []
    assert shares == {"a": 900 / 4000, "b": 0.0, "c": 0.0}
    assert played(speaking.play("d", SECOND, 3.0)) == SECOND


def test_an_item_that_is_half_out_is_cut_once() -> None:
    speaking, _ = voice()
    speaking.play("a", SECOND * 8, 0.0)
    assert speaking.interrupt(1.0) == [ClearPlayback(4 * 8000), TruncateReply("a", 1000)]
    assert speaking.play("a", SECOND, 1.1) == []
    assert speaking.late_pieces == 1


def test_the_end_waits_for_what_waits() -> None:
    speaking, timers = voice()
    speaking.play("a", SECOND * 6, 0.0)
    assert speaking.finish(0.5) == []
    assert speaking.mark_end() == []
    assert speaking.is_pending
    assert timers.next_due == 1.0
    last = speaking.top_up(1.0)
    assert len(played(last)) == 8000
    assert len(marks(last)) == 5


def test_more_than_anybody_listens_to_is_dropped_and_counted() -> None:
    speaking, _ = voice()
    for _ in range(15):
        speaking.play("a", MINUTE, 0.0)
    assert speaking.dropped_pieces == 4
    assert speaking.left_s(0.0) <= MOST_WAITING_S + AHEAD_S + 60


@given(st.lists(st.integers(1, 500), max_size=20), st.lists(st.floats(0, 2), max_size=20))
def test_however_it_comes_all_of_it_is_sent_in_order(pieces: list[int], waits_s: list[float]) -> None:
    speaking, timers = voice()
    now, heard, said = 0.0, b"", b""
    for number, length in enumerate(pieces):
        now += waits_s[number] if number < len(waits_s) else 0.0
        while (due := timers.next_due) is not None and due <= now:
            timers.fallen_due(due)
            heard += played(speaking.top_up(due))
        piece = bytes([number + 1]) * (length * 160)
        said += piece
        heard += played(speaking.play("a", piece, now))
    heard += played(speaking.end("a", now))
    while (due := timers.next_due) is not None:
        timers.fallen_due(due)
        heard += played(speaking.top_up(due))
    assert heard == said


def test_it_speaks_in_the_line_s_format() -> None:
    speaking, _ = voice()
    speaking.open(L16_24K, 0.0)
    sent = played(speaking.play("a", bytes(48_000), 0.0) + speaking.end("a", 0.0))
    assert 8000 <= len(sent) <= 8000 + 2 * 160  # the resampler's tail, in whole frames
