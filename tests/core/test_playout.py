"""The ledger: what the caller has heard, told as transcripts of (when, what, what we say)."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.playout import MOST_MARKS, Playout
from bridge.vocabulary.commands import (
    ClearPlayback,
    Command,
    ConfirmHeard,
    DropReply,
    PlayAudio,
    SendMark,
    TruncateReply,
)
from telecodecs.format import PCMU_8K

SECOND = bytes(range(200)) * 40


def ms(length: int) -> bytes:
    return b"\x55" * (8 * length)


def names(commands: list[Command]) -> list[str]:
    return [command.name for command in commands if isinstance(command, SendMark)]


def test_a_short_piece_goes_out_as_it_came() -> None:
    audio = ms(20)
    (command,) = Playout(PCMU_8K).play("a", audio, 0.0)
    assert isinstance(command, PlayAudio)
    assert command.audio is audio


def test_a_second_goes_out_in_fifths_with_a_mark_behind_each() -> None:
    commands = Playout(PCMU_8K).play("a", SECOND, 0.0)
    kinds = [type(command) for command in commands]
    assert kinds == [PlayAudio, SendMark] * 5
    assert b"".join(command.audio for command in commands if isinstance(command, PlayAudio)) == SECOND
    assert len(set(names(commands))) == 5


def test_small_pieces_share_a_mark() -> None:
    playout = Playout(PCMU_8K)
    marks = [names(playout.play("a", ms(20), n * 0.02)) for n in range(25)]
    assert [n for n, mark in enumerate(marks) if mark] == [9, 19]
    assert len(names(playout.end_item("a"))) == 1  # the last 100 ms
    assert playout.end_item("a") == []


HEARD = [  # seconds sent at 1.0; marks returned as (when, which); asked at; ms heard
    ([], 1.0, 0),
    ([], 1.15, 150),
    ([], 1.9, 200),  # never past the next mark
    ([(1.25, 0)], 1.25, 200),
    ([(1.25, 0)], 1.35, 300),
    ([(1.25, 0)], 1.9, 400),
    ([(1.25, 0), (1.44, 1)], 1.5, 460),
    ([(1.25, 0), (1.66, 2)], 1.7, 640),  # the second got lost: the third stands for it
    ([(1.25, 0), (2.1, 4)], 3.0, 1000),  # never past what was sent
]


@pytest.mark.parametrize(("returned", "asked", "heard_ms"), HEARD)
def test_heard_between_marks(returned: list[tuple[float, int]], asked: float, heard_ms: int) -> None:
    playout = Playout(PCMU_8K)
    marks = names(playout.play("a", SECOND, 1.0))
    for when, which in returned:
        playout.mark_reached(marks[which], when)
    assert playout.heard(asked) == pytest.approx(heard_ms * 8, abs=1)
    assert playout.left_s(asked) == pytest.approx(1 - heard_ms / 1000, abs=0.001)


def test_an_empty_buffer_plays_from_when_it_is_filled_again() -> None:
    playout = Playout(PCMU_8K)
    playout.play("a", ms(100), 0.0)
    playout.play("a", ms(100), 5.0)  # the carrier has waited since 0.1
    assert playout.heard(5.05) == pytest.approx(8 * 150, abs=1)


def test_a_whole_reply_is_confirmed_by_its_last_mark() -> None:
    playout = Playout(PCMU_8K)
    marks = names(playout.play("a", SECOND, 0.0)) + names(playout.end_item("a"))
    answers = [playout.mark_reached(mark, 0.2 * n) for n, mark in enumerate(marks, 1)]
    assert answers == [[], [], [], [], [ConfirmHeard("a")]]
    assert not playout.is_pending


def test_an_end_that_comes_after_the_last_mark_confirms_at_once() -> None:
    playout = Playout(PCMU_8K)
    for mark in names(playout.play("a", SECOND, 0.0)):
        playout.mark_reached(mark, 1.0)
    assert playout.end_item("a") == [ConfirmHeard("a")]


def test_barge_in_cuts_what_plays_and_drops_what_waits() -> None:
    playout = Playout(PCMU_8K)
    marks = names(playout.play("a", SECOND, 0.0) + playout.end_item("a"))
    playout.play("b", SECOND, 0.1)
    playout.play("c", ms(40), 0.1)
    playout.mark_reached(marks[0], 0.2)
    assert playout.interrupt(0.3) == [
        ClearPlayback(unheard_samples=2 * 8000 + 320 - 2400),
        TruncateReply("a", heard_ms=300),
        DropReply("b"),
        DropReply("c"),
    ]
    assert playout.interrupt(0.32) == []


def test_barge_in_when_all_was_heard_says_nothing() -> None:
    playout = Playout(PCMU_8K)
    marks = names(playout.play("a", SECOND, 0.0) + playout.end_item("a"))
    for mark in marks:
        playout.mark_reached(mark, 1.0)
    assert playout.interrupt(1.1) == []


def test_barge_in_on_an_item_that_still_comes_in_stops_it_even_if_all_so_far_was_heard() -> None:
    playout = Playout(PCMU_8K)
    playout.play("a", ms(100), 0.0)
    assert playout.interrupt(0.5) == [ClearPlayback(0), TruncateReply("a", heard_ms=100)]


def test_barge_in_right_after_a_finished_reply_confirms_it_and_drops_the_next() -> None:
    playout = Playout(PCMU_8K)
    marks = names(playout.play("a", ms(200), 0.0) + playout.end_item("a"))
    playout.play("b", ms(200), 0.0)
    assert playout.interrupt(0.2) == [ClearPlayback(1600), ConfirmHeard("a"), DropReply("b")]
    assert playout.mark_reached(marks[0], 0.21) == []


def test_marks_of_an_older_generation_prove_nothing() -> None:
    playout = Playout(PCMU_8K)
    old = names(playout.play("a", SECOND, 0.0))
    playout.interrupt(0.1)
    new = names(playout.play("b", SECOND, 0.2))
    assert set(old).isdisjoint(new)
    for mark in old:  # the clear sends them all back
        assert playout.mark_reached(mark, 0.25) == []
    assert playout.heard(0.3) - 8000 == pytest.approx(800, abs=1)
    assert playout.stray_marks == 0
    for stray in ("nobody's", "9.1", "", "1.1.1"):
        playout.mark_reached(stray, 0.3)
    assert playout.stray_marks == 4


def test_marks_of_two_clears_are_no_strays() -> None:
    playout = Playout(PCMU_8K)
    cleared: list[str] = []
    for n in range(2):
        cleared += names(playout.play(str(n), SECOND, float(n)))
        playout.interrupt(n + 0.1)
    for mark in cleared:
        assert playout.mark_reached(mark, 2.0) == []
    assert playout.stray_marks == 0


def test_of_a_carrier_that_returns_no_marks_the_oldest_are_forgotten() -> None:
    playout = Playout(PCMU_8K)
    marks = [mark for n in range(2 * MOST_MARKS // 5) for mark in names(playout.play("a", SECOND, float(n)))]
    assert playout.mark_reached(marks[0], 1000.0) == []
    assert playout.stray_marks == 1
    assert playout.mark_reached(marks[-MOST_MARKS], 1000.0) == []
    assert playout.stray_marks == 1


LATENESSES = [  # by how many ms the mark behind each reply came back late; the round trip by then
    ([], None),
    ([150], 150),
    ([0], 0),
    ([-20], 0),  # a carrier that returns marks early
    ([5_000], 1_000),  # that is no line
    ([150, 900], 150),
    ([900, 150], 150),
    ([150, 152, 900, 148], 150),
    ([50, 50, 50, 150, 150, 150], 150),  # another way was found
]


@pytest.mark.parametrize(("late_ms", "round_trip_ms"), LATENESSES)
def test_the_line_is_learnt_from_the_marks(late_ms: list[int], round_trip_ms: int | None) -> None:
    playout = Playout(PCMU_8K)
    for n, late in enumerate(late_ms):
        (mark,) = names(playout.play(str(n), ms(100), n * 10.0) + playout.end_item(str(n)))
        playout.mark_reached(mark, n * 10.0 + 0.1 + late / 1000)
    assert playout.round_trip_ms == round_trip_ms


def test_only_marks_behind_an_empty_buffer_tell_of_the_line() -> None:
    playout = Playout(PCMU_8K)
    first, second, *cleared = names(playout.play("a", SECOND, 0.0))
    playout.mark_reached(first, 0.3)
    playout.mark_reached(second, 5.0)  # the carrier stopped to think
    playout.interrupt(5.0)
    for mark in cleared:
        playout.mark_reached(mark, 5.1)
    assert playout.round_trip_ms == 100


def test_a_pause_before_the_mark_is_not_the_line() -> None:
    playout = Playout(PCMU_8K)
    playout.play("a", ms(100), 0.0)
    (mark,) = names(playout.play("a", ms(100), 5.0))
    playout.mark_reached(mark, 5.15)
    assert playout.round_trip_ms == 50


def over_a_line(round_trip_s: float) -> Playout:
    playout = Playout(PCMU_8K)
    for mark in names(playout.play("hello", ms(200), 0.0) + playout.end_item("hello")):
        playout.mark_reached(mark, 0.2 + round_trip_s)
    return playout


SLOW_LINE = [  # a second sent at 10.0, marks 300 ms under way; returned as (when, which); interrupted at; ms heard
    ([], 10.0, 0),
    ([], 10.4, 400),  # before the first mark can be back
    ([], 10.45, 450),
    ([], 10.9, 500),  # it is overdue: the carrier may be stuck, though no nearer than this
    ([(10.5, 0)], 10.5, 500),
    ([(10.5, 0), (10.7, 1)], 10.75, 750),
    ([(10.6, 0)], 10.75, 650),  # the carrier began late
    ([(10.5, 0), (10.9, 2)], 10.95, 950),
    ([(10.5, 0), (10.7, 1), (10.9, 2)], 11.5, 1000),  # never past what was sent
]


@pytest.mark.parametrize(("returned", "interrupted", "heard_ms"), SLOW_LINE)
def test_a_clear_finds_more_heard_than_the_marks_say(
    returned: list[tuple[float, int]], interrupted: float, heard_ms: int
) -> None:
    playout = over_a_line(0.3)
    marks = names(playout.play("a", SECOND, 10.0))
    for when, which in returned:
        playout.mark_reached(marks[which], when)
    cleared, told = playout.interrupt(interrupted)
    assert cleared == ClearPlayback(8 * (1000 - heard_ms))
    assert told == (TruncateReply("a", heard_ms) if heard_ms else DropReply("a"))


def test_what_the_marks_say_runs_a_round_trip_behind() -> None:
    playout = over_a_line(0.3)
    (first, *_) = names(playout.play("a", SECOND, 10.0))
    assert playout.heard(10.4) - 1600 == pytest.approx(800, abs=1)
    playout.mark_reached(first, 10.5)
    assert playout.heard(10.6) - 1600 == pytest.approx(2400, abs=1)
    assert playout.left_s(10.6) == pytest.approx(0.7, abs=0.001)


def test_a_reply_that_ends_before_the_clear_can_arrive_is_left_to_end() -> None:
    playout = over_a_line(0.3)
    marks = names(playout.play("a", SECOND, 10.0) + playout.end_item("a"))
    playout.mark_reached(marks[0], 10.5)
    playout.mark_reached(marks[3], 11.1)
    assert playout.interrupt(11.1) == []
    assert playout.mark_reached(marks[4], 11.3) == [ConfirmHeard("a")]


def test_of_two_replies_the_one_that_ends_before_the_clear_arrives_was_heard() -> None:
    playout = over_a_line(0.3)
    (mark,) = names(playout.play("a", ms(200), 10.0) + playout.end_item("a"))
    playout.play("b", ms(200), 10.1)
    assert playout.interrupt(10.25) == [ClearPlayback(1200), ConfirmHeard("a"), TruncateReply("b", 50)]
    assert playout.mark_reached(mark, 10.5) == []


def test_the_next_reply_waits_for_the_one_whose_marks_are_late() -> None:
    playout = Playout(PCMU_8K)
    (mark,) = names(playout.play("a", ms(200), 0.0) + playout.end_item("a"))
    playout.mark_reached(mark, 0.2)
    (mark,) = names(playout.play("b", ms(200), 1.0) + playout.end_item("b"))
    playout.play("c", ms(200), 1.3)
    playout.mark_reached(mark, 1.5)  # so "c" did not begin before
    assert playout.interrupt(1.6)[1] == TruncateReply("c", 100)


NO_MARKS = [(0.9, 900), (1.2, 1200), (3.0, 1200)]  # interrupted at, ms heard of five seconds


@pytest.mark.parametrize(("interrupted", "heard_ms"), NO_MARKS)
def test_until_a_mark_is_back_the_line_may_be_long(interrupted: float, heard_ms: int) -> None:
    playout = Playout(PCMU_8K)
    playout.play("a", SECOND * 5, 0.0)
    assert playout.interrupt(interrupted)[1] == TruncateReply("a", heard_ms)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.5),
            st.sampled_from(["play", "end", "mark", "barge", "ask"]),
            st.integers(0, 60),
        ),
        max_size=60,
    )
)
def test_the_heard_position_never_runs_back_nor_past_what_was_sent(
    steps: list[tuple[float, str, int]],
) -> None:
    playout, now, item, sent, before = Playout(PCMU_8K), 0.0, 0, 0, 0
    marks: list[str] = []
    of_item: Counter[str] = Counter()
    for wait, step, length in steps:
        now += wait
        match step:
            case "play":
                marks += names(playout.play(str(item), ms(20 * length), now))
                sent += 160 * length
                of_item[str(item)] += 20 * length
            case "end":
                marks += names(playout.end_item(str(item)))
                item += 1
            case "mark" if marks:
                playout.mark_reached(marks.pop(0), now)
            case "barge":
                commands = playout.interrupt(now)
                cut = [command for command in commands if isinstance(command, TruncateReply)]
                assert len(cut) <= 1
                assert all(0 < told.heard_ms <= of_item[told.item] for told in cut)
                thrown_away = [
                    command.unheard_samples for command in commands if isinstance(command, ClearPlayback)
                ]
                assert all(0 <= samples <= sent - before for samples in thrown_away)
                item += 1
        heard = playout.heard(now)
        assert before <= heard <= sent
        before = heard
