"""Requests that may set a call up begin one at a time, in order, with room for the calls under way between them."""

import heapq
from collections.abc import Callable

from bridge.shell.setup_pace import GAP_S, SetupPace


class Loop:
    """Timers and a clock, as a loop has them."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now + delay_s, len(self._timers), call))

    def run(self) -> None:
        while self._timers:
            self.now, _, call = heapq.heappop(self._timers)
            call()


class Scene:
    def __init__(self, calls: int) -> None:
        self.loop = Loop()
        self.pace = SetupPace(lambda: calls, self.loop.call_later)
        self.begun: list[tuple[str, float]] = []

    def enter(self, name: str) -> Callable[[], None]:
        return self.pace.enter(lambda: self.begun.append((name, self.loop.now)))


def test_a_crowd_begins_one_by_one_while_calls_are_under_way() -> None:
    scene = Scene(calls=1)
    for name in "abc":
        scene.enter(name)
    assert scene.begun == [("a", 0.0)]
    scene.loop.run()
    assert scene.begun == [("a", 0.0), ("b", GAP_S), ("c", 2 * GAP_S)]


def test_without_calls_each_turn_of_the_loop_begins_one() -> None:
    scene = Scene(calls=0)
    for name in "abc":
        scene.enter(name)
    scene.loop.run()
    assert scene.begun == [("a", 0.0), ("b", 0.0), ("c", 0.0)]


def test_one_that_comes_alone_waits_for_nothing() -> None:
    scene = Scene(calls=1)
    scene.enter("a")
    scene.loop.run()
    scene.enter("b")
    assert [name for name, _ in scene.begun] == ["a", "b"]


def test_one_that_is_gone_before_its_turn_takes_none() -> None:
    scene = Scene(calls=1)
    scene.enter("a")
    withdraw = scene.enter("b")
    scene.enter("c")
    assert len(scene.pace) == 2
    withdraw()
    scene.loop.run()
    assert scene.begun == [("a", 0.0), ("c", GAP_S)]
    withdraw()  # late: nothing happens


def test_a_fault_of_one_keeps_none_of_the_others() -> None:
    scene = Scene(calls=1)

    def fail() -> None:
        raise ZeroDivisionError

    scene.enter("a")
    scene.pace.enter(fail)
    scene.enter("c")
    for _ in range(3):
        try:
            scene.loop.run()
        except ZeroDivisionError:  # the loop reports it and goes on
            continue
    assert [name for name, _ in scene.begun] == ["a", "c"]
