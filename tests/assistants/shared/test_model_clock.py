"""The server's clock of audio, and the caller's, where silence was put in."""

import pytest

from bridge.assistants.shared.model_clock import MOST_REMEMBERED, ModelClock
from telecodecs.format import L16_24K, PCMU_8K

SECOND = 8_000

# A second of the caller, 600 ms of silence, another second, 300 ms, and a last second.
TIMES = [
    (-5, 0),
    (0, 0),
    (999, 999),
    (1_000, 1_000),
    (1_001, 1_000),
    (1_300, 1_000),
    (1_600, 1_000),
    (1_601, 1_001),
    (2_600, 2_000),
    (2_700, 2_000),
    (2_900, 2_000),
    (2_950, 2_050),
    (3_900, 3_000),
    (9_999, 3_000),
]


def spoken_to() -> ModelClock:
    clock = ModelClock()
    clock.hears(PCMU_8K)
    for inserted_ms in (600, 300, 0):
        for _ in range(50):
            clock.append(160)
        if inserted_ms:
            clock.insert(8 * inserted_ms)
    return clock


@pytest.mark.parametrize(("at_ms", "own_ms"), TIMES)
def test_silence_before_inside_and_after(at_ms: int, own_ms: int) -> None:
    clock = spoken_to()
    assert clock.given_ms == 3_900
    assert clock.own_ms(at_ms) == own_ms


def test_two_insertions_in_a_row_are_one() -> None:
    clock = ModelClock()
    clock.hears(PCMU_8K)
    clock.append(SECOND)
    clock.insert(800)
    clock.insert(800)
    clock.append(SECOND)
    assert [clock.own_ms(ms) for ms in (1_000, 1_150, 1_200, 1_300)] == [1_000, 1_000, 1_000, 1_100]


def test_before_anything_was_given_there_is_no_time() -> None:
    assert ModelClock().own_ms(500) == 0


def test_another_format_goes_on_where_the_one_before_stopped() -> None:
    clock = spoken_to()
    clock.hears(L16_24K)
    clock.append(48_000)
    clock.insert(4_800)
    clock.append(48_000)
    assert clock.given_ms == pytest.approx(6_000)
    assert [clock.own_ms(ms) for ms in (1_300, 4_900, 5_000, 5_900)] == [1_000, 4_000, 4_000, 4_900]


def test_what_was_put_in_long_ago_still_counts() -> None:
    clock = ModelClock()
    clock.hears(PCMU_8K)
    for _ in range(3 * MOST_REMEMBERED):
        clock.append(SECOND)
        clock.insert(800)
    clock.append(SECOND)
    assert clock.own_ms(clock.given_ms) == (3 * MOST_REMEMBERED + 1) * 1_000
