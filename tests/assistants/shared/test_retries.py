"""When a reply that failed is asked for again: the pauses and the bound."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.assistants.shared.retries import FIRST_S, LEAST_S, LONGEST_S, Retries


def all_pauses(retries: Retries, now: float, told_s: float | None = None) -> list[float]:
    """Each try fails at once."""
    pauses = []
    while (pause_s := retries.pause_s(now, told_s)) is not None:
        pauses.append(pause_s)
        assert len(pauses) < 100, "it does not end"
        now += pause_s
    return pauses


@given(st.text(max_size=8), st.floats(0.0, 1e6), st.floats(0.1, 120.0))
def test_the_pauses_grow_and_fill_the_bound(call_id: str, now: float, bound_s: float) -> None:
    retries = Retries(bound_s)
    retries.call_id = call_id
    *pauses, last = all_pauses(retries, now)
    assert sum(pauses) + last == pytest.approx(bound_s, abs=LEAST_S)
    for number, pause_s in enumerate(pauses):
        most_s = min(LONGEST_S, FIRST_S * 2**number)
        assert 0.75 * most_s <= pause_s <= most_s
    assert all(later > one for one, later in pairwise(pauses[:4])), "they grow whatever chance says"


def test_a_wait_that_is_told_is_kept_and_the_pauses_grow_all_the_same() -> None:
    pauses = all_pauses(Retries(20.0), 0.0, told_s=1.0)
    assert all(1.0 <= pause_s <= LONGEST_S for pause_s in pauses[:-1])
    assert pauses[0] <= 1.1
    assert pauses[3] >= 0.75 * LONGEST_S


@pytest.mark.parametrize(("told_s", "is_tried"), [(8.0, True), (8.1, False), (62.0, False)])
def test_a_wait_beyond_the_bound_ends_it_at_once(told_s: float, *, is_tried: bool) -> None:
    assert (Retries(8.0).pause_s(100.0, told_s) is not None) is is_tried


def test_the_bound_counts_from_the_first_failure() -> None:
    retries = Retries(8.0)
    assert retries.pause_s(100.0) is not None
    assert retries.pause_s(107.9) == pytest.approx(0.1)
    assert retries.pause_s(107.99) is None
    assert retries.pause_s(108.0) is None


def test_what_was_spent_before_the_caller_spoke_counts_until_a_reply_comes() -> None:
    retries = Retries(8.0)
    assert retries.pause_s(100.0, 6.0) is not None
    retries.interrupted()
    retries.interrupted()
    assert retries.pause_s(200.0, 6.0) is None
    retries.succeeded()
    assert retries.pause_s(300.0, 6.0) is not None


def test_a_bound_of_nothing_allows_nothing() -> None:
    assert Retries(0.0).pause_s(1.0) is None


def test_a_shorter_bound_holds_until_a_reply_has_come() -> None:
    retries = Retries(8.0)
    retries.shorten(2.0)
    assert sum(all_pauses(retries, 100.0)) == pytest.approx(2.0)
    retries.succeeded()
    assert sum(all_pauses(retries, 200.0)) == pytest.approx(8.0)
    retries.shorten(20.0)
    retries.interrupted()
    assert retries.pause_s(300.0) is None, "it is never longer than the whole"
