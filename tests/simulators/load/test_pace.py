"""When calls are placed and when frames are sent, in virtual time."""

import pytest

from bridge.simulators.load.arrivals import Arrivals
from bridge.simulators.load.pacer import Pacer


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Call:
    def __init__(self, clock: Clock, takes_s: float = 0.0) -> None:
        self.dues: list[float] = []
        self._clock = clock
        self._takes_s = takes_s

    def frame(self, due: float) -> None:
        self.dues.append(round(due - 50.0, 6))
        self._clock.now += self._takes_s


def run(pacer: Pacer, clock: Clock, until: float) -> list[float]:
    lags: list[float] = []
    while clock.now < 50.0 + until:
        clock.now += 0.001
        pacer.run(lags)
    return lags


def test_a_call_sends_every_twenty_ms_by_absolute_deadlines() -> None:
    clock = Clock()
    pacer, call = Pacer(clock), Call(clock)
    pacer.add(call)
    run(pacer, clock, 0.1)
    assert call.dues == [0.0, 0.02, 0.04, 0.06, 0.08, 0.1]


def test_forty_calls_are_spread_evenly() -> None:
    clock = Clock()
    pacer, calls = Pacer(clock), [Call(clock) for _ in range(40)]
    for call in calls:
        pacer.add(call)
    run(pacer, clock, 0.019)
    assert sorted(call.dues[0] for call in calls) == [n // 2 / 1000 for n in range(40)]


def test_a_stall_delays_no_deadline_and_is_counted_as_lag() -> None:
    clock = Clock()
    pacer, call = Pacer(clock), Call(clock)
    pacer.add(call)
    run(pacer, clock, 0.041)
    clock.now += 0.5
    lags: list[float] = []
    pacer.run(lags)
    assert len(call.dues) == 4, "one frame of each call at a time"
    for _ in range(30):
        pacer.run(lags)
    assert call.dues == [round(n * 0.02, 6) for n in range(28)]
    assert max(lags) == pytest.approx(482)


def test_a_tool_that_is_too_slow_is_late_and_still_comes_to_read() -> None:
    clock = Clock()
    pacer, call = Pacer(clock), Call(clock, takes_s=0.03)
    pacer.add(call)
    lags = run(pacer, clock, 1.0)
    assert lags[-1] > 300


def test_a_call_that_was_removed_sends_nothing() -> None:
    clock = Clock()
    pacer, call, other = Pacer(clock), Call(clock), Call(clock)
    pacer.add(call)
    pacer.add(other)
    pacer.remove(call)
    run(pacer, clock, 0.05)
    assert (call.dues, len(other.dues)) == ([], 3)


def placed(arrivals: Arrivals, until: float, held: int = 0) -> list[float]:
    times: list[float] = []
    for step in range(round(until * 100) + 1):
        times += [round(due, 3) for due in arrivals.due(step / 100, held)]
    return times


def test_calls_begin_evenly_over_the_ramp_and_are_not_replaced() -> None:
    assert placed(Arrivals(calls=4, ramp_s=2.0), 10.0) == [0.0, 0.5, 1.0, 1.5]


def test_the_second_process_begins_between_the_calls_of_the_first() -> None:
    assert placed(Arrivals(calls=2, ramp_s=2.0, first_s=0.5), 10.0) == [0.5, 1.5]


def test_arrivals_come_at_their_rate_after_a_ramp_of_half_of_it() -> None:
    times = placed(Arrivals(calls_per_second=10.0, ramp_s=2.0), 5.0)
    assert sum(at < 2.0 for at in times) == 10
    assert sum(2.0 <= at < 4.0 for at in times) == 20
    assert times == sorted(times)


def test_a_call_that_ends_is_replaced_and_one_that_is_held_is_not() -> None:
    arrivals = Arrivals(calls=4, ramp_s=1.0, hold=True)
    assert len(placed(arrivals, 0.9)) == 4
    assert [*arrivals.due(3.0, held=4)] == []
    assert [*arrivals.due(3.5, held=2)] == [3.5, 3.5]
    assert [*arrivals.due(3.5, held=4)] == []


def test_a_server_that_refuses_everything_is_not_flooded() -> None:
    arrivals = Arrivals(calls=4, ramp_s=1.0, hold=True)
    assert len(placed(arrivals, 11.0)) == pytest.approx(4 + 4 * 10, abs=4), (
        "four a second, as many as are held"
    )
