"""The budget of a leg in virtual time: what a good assistant sends is never held up, a flood is, and not for ever."""

import pytest

from bridge.shell.leg_budget import BYTES, MESSAGES, MOST_SHORT_S, LegBudget


def spend(budget: LegBudget, now: float, size: int) -> float:
    """Send one message at the earliest; returns when the leg is read again."""
    budget.messages -= 1
    budget.bytes -= size
    return now + budget.wait_s(now) if min(budget.messages, budget.bytes) < 0 else now


@pytest.mark.parametrize(
    ("count", "size", "every_s"),
    [
        pytest.param(15_000, 160, 0.0, id="five minutes of a reply at once, in frames"),
        pytest.param(1, 4_194_304, 0.0, id="a whole reply in one message"),
        pytest.param(180_000, 160, 0.02, id="an hour of frames in real time"),
        pytest.param(
            72_000, 6_400, 0.05, id="an hour of 16-bit audio in base64, twice as fast as it is spoken"
        ),
    ],
)
def test_a_good_assistant_is_never_held_up(count: int, size: int, every_s: float) -> None:
    budget = LegBudget(0.0)
    for number in range(count):
        assert spend(budget, number * every_s, size) == number * every_s
    assert not budget.is_exceeded


@pytest.mark.parametrize("size", [30, 1_000, 100_000])
def test_a_flood_is_read_at_its_rate_and_given_up(size: int) -> None:
    budget, now, count = LegBudget(0.0), 0.0, 0
    while not budget.is_exceeded:
        now, count = spend(budget, now, size), count + 1
    assert MOST_SHORT_S / 2 < now < 2 * MOST_SHORT_S
    assert count <= MESSAGES.burst + now * MESSAGES.per_s
    assert count * size <= BYTES.burst + now * BYTES.per_s + size


def test_a_burst_now_and_then_is_not_given_up() -> None:
    budget, now = LegBudget(0.0), 0.0
    for _ in range(100):
        for _ in range(20_000):
            now = spend(budget, now, 160)
        now += 20.0
    assert not budget.is_exceeded
