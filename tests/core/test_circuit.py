"""The circuit of an assistant, row by row: when it opens, who probes, and when it closes."""

import pytest

from bridge.core.circuit import PROBE_S, Circuit, CircuitRule


def circuit(**rule: float) -> Circuit:
    return Circuit(CircuitRule(**rule), lambda: 1.0)  # type: ignore[arg-type]


def opened(**rule: float) -> Circuit:
    one = circuit(**rule)
    for call in ("a", "b", "c", "d"):
        assert not one.failed(call, "503", 0.0)
    assert one.failed("e", "502", 10.0)
    assert (one.opened_at, one.why, one.failures) == (10.0, "502", 5)
    return one


OPENS = [  # the calls in which it failed, one after the other; a dot is a success; whether that opens it
    ("abcde", True),
    ("aabbc", True),
    ("aaabc", True),
    ("abcd", False),
    ("aaaaabbbbb", False),  # two calls may be to blame themselves
    ("aaaaabbbbbc", True),
    ("abcd.e", False),
    ("abcd.abcde", True),
]


@pytest.mark.parametrize(("calls", "opens"), OPENS)
def test_it_opens_after_failures_in_a_row_over_many_calls(calls: str, opens: bool) -> None:
    one = circuit()
    for call in calls:
        if call == ".":
            assert not one.succeeded()
        else:
            one.failed(call, "503", 0.0)
    assert (one.opened_at is not None) is opens
    assert one.admits(0.0) is not opens


def test_without_a_number_it_never_opens() -> None:
    one = circuit(failures=0)
    assert not any(one.failed(str(call), "503", 0.0) for call in range(100))


def test_one_call_at_a_time_probes_after_a_pause_that_grows() -> None:
    one = opened(first_pause_s=5.0, longest_pause_s=15.0)
    now = 10.0
    for pause_s in (5.0, 10.0, 15.0, 15.0):
        assert not one.admits(now + pause_s - 0.1)
        now += pause_s
        assert one.admits(now)
        one.take(now)
        assert not one.admits(now + 1.0), "one call probes"
        now += 2.0
        assert not one.failed("f", "503", now), "it was open"
        one.failed("g", "503", now)  # a call from before it opened: the pause grows for probes alone
    assert one.succeeded()
    assert one.admits(now)
    assert one.opened_at is None


def test_a_probe_whose_caller_hung_up_is_followed_by_another() -> None:
    one = opened()
    one.take(20.0)
    assert not one.admits(20.0 + PROBE_S - 0.1)
    assert one.admits(20.0 + PROBE_S)


def test_after_it_closed_it_starts_anew() -> None:
    one = opened(longest_pause_s=60.0)
    one.take(15.0)
    one.failed("f", "503", 16.0)
    assert one.succeeded()
    for call in ("a", "b", "c", "d", "e"):
        one.failed(call, "503", 100.0)
    assert one.opened_at == 100.0
    assert one.admits(105.0), "the first pause again"


@pytest.mark.parametrize(("chance", "pause_s"), [(0.0, 2.5), (0.5, 3.75), (1.0, 5.0)])
def test_the_pause_is_jittered(chance: float, pause_s: float) -> None:
    one = Circuit(CircuitRule(failures=1, calls=1), lambda: chance)
    assert one.failed("a", "503", 0.0)
    assert not one.admits(pause_s - 0.01)
    assert one.admits(pause_s)
