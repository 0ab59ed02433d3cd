"""Pauses between tries: how they grow, how chance moves them, and when a thing is given up."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.vocabulary.retries import FIRST_PAUSE_S, JITTER, LEAST_S, LONGEST_PAUSE_S, SHORTEST_TRY_S, Retries


def middle() -> float:
    return 0.5


def refused_at_once(
    retries: Retries, at_once: bool = False, asked_s: float | None = None, now: float = 0.0
) -> Iterator[float]:
    """The pauses before the tries, of which each is refused in the instant in which it is made."""
    retries.start(now)
    while (pause_s := retries.pause_s(now, asked_s, at_once=at_once)) is not None:
        yield pause_s
        now += pause_s


@pytest.mark.parametrize(
    ("bound_s", "at_once", "pauses"),
    [
        (0.0, False, []),
        (0.0, True, []),
        (0.1, False, [0.1]),
        (0.1, True, [0.0, 0.1]),
        (1.0, False, [0.25, 0.5, 0.25]),
        (15.0, False, [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 3.25]),
        (15.0, True, [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 3.25]),
    ],
)
def test_pauses_grow_to_the_end_of_the_bound_and_not_beyond(
    bound_s: float, at_once: bool, pauses: list[float]
) -> None:
    assert list(refused_at_once(Retries(bound_s, middle), at_once)) == pauses


@given(st.randoms(use_true_random=False), st.floats(0.0, 1e6), st.floats(0.1, 120.0))
def test_whatever_chance_says_they_grow_and_fill_the_bound(
    random: object, now: float, bound_s: float
) -> None:
    chance: Callable[[], float] = random.random  # type: ignore[attr-defined]
    *pauses, last = refused_at_once(Retries(bound_s, chance), now=now)
    assert sum(pauses) + last == pytest.approx(bound_s, abs=LEAST_S)
    assert all(later > one for one, later in pairwise(pauses[:4]))
    for number, pause_s in enumerate(pauses):
        whole_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number)
        assert (1 - JITTER) * whole_s <= pause_s <= (1 + JITTER) * whole_s


@pytest.mark.parametrize(("chance", "share"), [(0.0, 1 - JITTER), (0.5, 1.0), (1.0, 1 + JITTER)])
def test_chance_makes_a_pause_shorter_or_longer(chance: float, share: float) -> None:
    pauses = list(refused_at_once(Retries(15.0, lambda: chance)))
    assert pauses[:4] == [pytest.approx(pause * share) for pause in (0.25, 0.5, 1.0, 2.0)]
    assert sum(pauses) == pytest.approx(15.0, abs=LEAST_S)


def test_two_calls_do_not_come_back_in_the_same_instant() -> None:
    numbers = iter((0.1, 0.8))
    shared: Callable[[], float] = lambda: next(numbers)  # noqa: E731
    one, other = Retries(15.0, shared), Retries(15.0, shared)
    assert one.pause_s(0.0) != other.pause_s(0.0)


@pytest.mark.parametrize(
    ("asked_s", "chance", "at_once", "pause_s"),
    [
        (2.0, 0.0, False, 2.0),
        (2.0, 0.0, True, 2.0),
        (2.0, 1.0, False, 2.0 * (1 + JITTER)),
        (0.02, 0.5, False, 0.25),
        (9.5, 1.0, False, 10.0),
        (10.0, 0.5, False, 10.0),
        (10.1, 0.0, False, None),
        (0.0, 0.5, False, 0.25),
        (0.0, 0.5, True, 0.0),
        (None, 0.5, True, 0.0),
    ],
)
def test_a_wait_that_is_asked_for_is_kept_or_not_waited_for_at_all(
    asked_s: float | None, chance: float, at_once: bool, pause_s: float | None
) -> None:
    retries = Retries(10.0, lambda: chance)
    retries.start(0.0)
    assert retries.pause_s(0.0, asked_s, at_once=at_once) == pause_s


def test_pauses_grow_also_where_the_other_side_asks_for_short_ones() -> None:
    pauses = list(refused_at_once(Retries(15.0, middle), asked_s=1.0))
    assert pauses == [1.125, 1.125, 1.125, 2.0, 4.0, 4.0, 1.625]


def test_only_the_time_in_which_the_caller_waits_counts() -> None:
    retries = Retries(10.0, middle)
    retries.start(0.0)
    retries.start(1.0)  # it counts already
    retries.stop(4.0)
    retries.stop(5.0)
    assert retries.left_s(100.0) == 6.0
    retries.start(100.0)
    assert retries.left_s(105.0) == 1.0
    assert retries.left_s(110.0) == 0.0
    retries.reset()
    assert retries.left_s(110.0) == 10.0


def test_a_shorter_bound_holds_until_a_success() -> None:
    retries = Retries(8.0, middle)
    retries.reset(2.0)
    assert sum(refused_at_once(retries, now=100.0)) == pytest.approx(2.0)
    retries.reset()
    assert sum(refused_at_once(retries, now=200.0)) == pytest.approx(8.0)
    retries.reset(20.0)
    assert retries.left_s(300.0) == 8.0, "it is never longer than the whole"


def test_a_server_that_takes_the_call_and_drops_it_is_given_up_too() -> None:
    retries = Retries(15.0, middle)
    now, tries = 0.0, 0
    while True:
        retries.start(now := now + 0.1)
        pause_s = retries.pause_s(now, at_once=True)
        if pause_s is None:
            break
        tries += 1
        retries.stop(now := now + pause_s)
    assert tries == 8
    assert now < 16


def test_a_try_may_last_to_the_end_of_the_bound() -> None:
    retries = Retries(8.0, middle)
    retries.start(0.0)
    assert retries.limit_s(0.0, 10.0) == 10.0  # the first one is not a further try
    retries.pause_s(5.0)
    assert retries.limit_s(5.25, 2.5) == 2.5
    assert retries.limit_s(5.25, 5.0) == 2.75
    assert retries.limit_s(7.9, 5.0) == SHORTEST_TRY_S
    assert retries.limit_s(7.9, 0.3) == 0.3


def test_a_very_long_bound() -> None:
    pauses = list(refused_at_once(Retries(40_000.0, middle)))
    assert len(pauses) > 9_000
    assert max(pauses) == LONGEST_PAUSE_S
