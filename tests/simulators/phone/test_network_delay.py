"""A slow network, message by message; no sockets, no clock."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulators.phone.network_delay import Delay, DelayLine
from bridge.vocabulary.errors import ConfigurationError


def test_each_message_is_delayed() -> None:
    line: DelayLine[str] = DelayLine(Delay(50), seed=1)
    assert line.deadline() is None
    line.put("one", 1.0)
    line.put("two", 1.01)
    assert line.deadline() == pytest.approx(1.05)
    assert line.arrived(1.049) == []
    assert line.arrived(1.051) == ["one"]
    assert line.deadline() == pytest.approx(1.06)
    line.put("three", 1.1)
    assert line.arrived(2.0) == ["two", "three"]
    assert line.deadline() is None


def test_messages_under_way_can_be_dropped() -> None:
    line: DelayLine[str] = DelayLine(Delay(50), seed=1)
    line.put("one", 1.0)
    line.cut()
    assert line.deadline() is None
    assert line.arrived(2.0) == []


def journeys(delay: Delay, waits: list[float], seed: int = 1) -> list[tuple[int, float]]:
    """Messages sent one after another: each as it arrived, and how long it took in ms."""
    line: DelayLine[tuple[int, float]] = DelayLine(delay, seed)
    taken, now = [], 0.0
    for n, wait in enumerate(waits):
        now += wait
        line.put((n, now), now)
    while (at := line.deadline()) is not None:
        taken += [(n, (at - sent) * 1000) for n, sent in line.arrived(at)]
    return taken


@given(
    st.floats(0, 300),
    st.floats(0, 100),
    st.lists(st.floats(0, 0.1), max_size=50),
    st.integers(),
)
def test_none_overtakes_another_and_none_is_lost(
    ms: float, jitter_ms: float, waits: list[float], seed: int
) -> None:
    taken = journeys(Delay(ms, jitter_ms), waits, seed)
    assert [n for n, _ in taken] == list(range(len(waits)))
    assert all(max(ms - jitter_ms, 0) - 1e-6 <= took <= ms + jitter_ms + 1e-6 for _, took in taken)


def test_the_same_seed_gives_the_same_jitter() -> None:
    delay, waits = Delay(50, 20), [0.1] * 200
    taken = [took for _, took in journeys(delay, waits)]
    assert sum(taken) / 200 == pytest.approx(50, abs=5)
    assert min(taken) < 35
    assert max(taken) > 65
    assert journeys(delay, waits) == journeys(delay, waits)
    assert journeys(delay, waits) != journeys(delay, waits, seed=2)


@pytest.mark.parametrize("ms", [-1, -0.001, 10_001, inf, nan])
@pytest.mark.parametrize("name", ["delay", "jitter"])
def test_a_delay_out_of_range_is_refused(name: str, ms: float) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: .* expected 0 to 10000 ms each way$"):
        Delay(**{{"delay": "ms", "jitter": "jitter_ms"}[name]: ms})


def test_a_delay_of_zero_is_false() -> None:
    assert not Delay()
    assert Delay(1)
    assert Delay(0, 1)
