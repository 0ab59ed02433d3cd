"""Pauses between tries: how they grow, how chance moves them, and when an assistant is given up."""

from collections.abc import Callable, Iterator

import pytest

from bridge.core.retries import JITTER, LONGEST_PAUSE_S, SHORTEST_TRY_S, Retries


def middle() -> float:
    return 0.5


def refused_at_once(retries: Retries, at_once: bool = False) -> Iterator[float]:
    """The pauses before the tries, of which each is refused in the instant in which it is made."""
    now = 0.0
    retries.begin(now)
    while (pause_s := retries.pause_s(now, None, at_once=at_once)) is not None:
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


@pytest.mark.parametrize(("chance", "share"), [(0.0, 1 - JITTER), (0.5, 1.0), (1.0, 1 + JITTER)])
def test_chance_makes_a_pause_shorter_or_longer(chance: float, share: float) -> None:
    pauses = list(refused_at_once(Retries(15.0, lambda: chance)))
    assert pauses[:4] == [pytest.approx(pause * share) for pause in (0.25, 0.5, 1.0, 2.0)]
    assert sum(pauses) == pytest.approx(15.0)


def test_two_calls_do_not_come_back_in_the_same_instant() -> None:
    numbers = iter((0.1, 0.8))
    shared: Callable[[], float] = lambda: next(numbers)  # noqa: E731
    one, other = Retries(15.0, shared), Retries(15.0, shared)
    one.begin(0.0)
    other.begin(0.0)
    assert one.pause_s(0.0, None, at_once=False) != other.pause_s(0.0, None, at_once=False)


@pytest.mark.parametrize(
    ("asked_s", "chance", "at_once", "pause_s"),
    [
        (2.0, 0.0, False, 2.0),
        (2.0, 0.0, True, 2.0),
        (2.0, 1.0, False, 2.0 * (1 + JITTER)),
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
    retries.begin(0.0)
    assert retries.pause_s(0.0, asked_s, at_once=at_once) == pause_s


def test_only_the_time_without_the_assistant_counts() -> None:
    retries = Retries(10.0, middle)
    retries.begin(0.0)
    retries.ready(4.0)
    assert retries.left_s(100.0) == 6.0
    retries.lost(100.0)
    assert retries.left_s(105.0) == 1.0
    assert retries.left_s(110.0) == 0.0
    retries.begin(110.0)
    assert retries.left_s(110.0) == 10.0


def test_a_server_that_takes_the_call_and_drops_it_is_given_up_too() -> None:
    retries = Retries(15.0, middle)
    now, tries = 0.0, 0
    retries.begin(now)
    retries.ready(now)
    while True:
        retries.lost(now := now + 0.1)
        pause_s = retries.pause_s(now, None, at_once=True)
        if pause_s is None:
            break
        tries += 1
        retries.ready(now := now + pause_s)
    assert tries == 8
    assert now < 16


def test_a_try_may_last_to_the_end_of_the_bound() -> None:
    retries = Retries(8.0, middle)
    retries.begin(0.0)
    assert retries.limit_s(0.0, 10.0) == 10.0  # the first one is not a further try
    retries.pause_s(5.0, None, at_once=False)
    assert retries.limit_s(5.25, 2.5) == 2.5
    assert retries.limit_s(5.25, 5.0) == 2.75
    assert retries.limit_s(7.9, 5.0) == SHORTEST_TRY_S
    assert retries.limit_s(7.9, 0.3) == 0.3


def test_a_very_long_bound() -> None:
    pauses = list(refused_at_once(Retries(40_000.0, middle)))
    assert len(pauses) > 9_000
    assert max(pauses) == LONGEST_PAUSE_S
