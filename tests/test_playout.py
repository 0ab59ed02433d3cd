"""The ledger: what the caller has heard, told as transcripts of (when, what, what we say)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import ClearPlayback, Command, ConfirmHeard, DropReply, PlayAudio, SendMark, TruncateReply
from bridge.playout import MOST_MARKS, Playout
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
    assert not playout.pending


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
    playout.mark_reached(marks[0], 0.21)
    assert playout.interrupt(0.31) == [
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
    for wait, step, length in steps:
        now += wait
        match step:
            case "play":
                marks += names(playout.play(str(item), ms(20 * length), now))
                sent += 160 * length
            case "end":
                marks += names(playout.end_item(str(item)))
                item += 1
            case "mark" if marks:
                playout.mark_reached(marks.pop(0), now)
            case "barge":
                commands = playout.interrupt(now)
                cut = [command for command in commands if isinstance(command, TruncateReply)]
                assert len(cut) <= 1
                item += 1
        heard = playout.heard(now)
        assert before <= heard <= sent
        before = heard
