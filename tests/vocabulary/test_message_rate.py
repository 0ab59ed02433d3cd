"""Limits on what a peer may send and leave unread: tables of times in seconds, and what is allowed at each."""

import pytest

from bridge.vocabulary.message_rate import (
    CARRIER_AT_ONCE,
    BadMessages,
    MessageRate,
    Unread,
    carrier_rate,
)


def test_a_rate_allows_a_burst_then_so_many_a_second() -> None:
    rate = MessageRate(10.0, 3)
    came = [(100.0, 3), (100.0, 1), (100.15, 1), (100.15, 1), (101.0, 3), (101.0, 1), (500.0, 4), (500.0, 3)]
    assert [rate.take(messages, at) for at, messages in came] == [
        *(True, False, True, False),
        *(True, False, False, True),
    ]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    rate = MessageRate(1.0, 1)
    assert rate.take(1, 100.0)
    assert not rate.take(1, 50.0)


@pytest.mark.parametrize(("tracks", "stall_s"), [(1, 0.0), (2, 0.0), (1, 50.0), (2, 25.0)])
def test_no_stream_of_a_carrier_is_too_fast_after_a_stall_either(tracks: int, stall_s: float) -> None:
    """An hour of its messages, counted 16 at a time; every minute none come for a while, then all at once."""
    rate, per_s = carrier_rate(), tracks * 50 + 5
    for batch in range(3600 * per_s // 16):
        at = 1000.0 + batch * 16 / per_s
        assert rate.take(16, max(at, at // 60 * 60 + stall_s))


def test_a_peer_that_sends_five_times_as_fast_is_too_fast_before_long() -> None:
    rate, sent = carrier_rate(), 0
    while rate.take(16, 1000.0 + sent / 250):
        sent += 16
    assert CARRIER_AT_ONCE <= sent < 3 * CARRIER_AT_ONCE


@pytest.mark.parametrize(("every_s", "are_too_many"), [(0.0, True), (0.2, True), (0.21, False), (1.0, False)])
def test_fifty_bad_messages_in_ten_seconds_are_too_many(every_s: float, are_too_many: bool) -> None:
    bad = BadMessages(most=50, within_s=10.0)
    assert [bad.add(100.0 + every_s * n) for n in range(49)] == [False] * 49
    assert bad.add(100.0 + every_s * 49) is are_too_many
    assert bad.add(100.0 + every_s * 50) is are_too_many


@pytest.mark.parametrize(
    ("name", "looks", "expected"),  # each look: at, written, waiting
    [
        ("nothing was sent", [(0, 0, 0), (10, 0, 0)], [0, 0]),
        ("all is read", [(0, 100, 0), (10, 900, 0), (20, 900, 0)], [0, 0, 0]),
        ("it reads nothing", [(0, 100, 0), (2, 300, 50), (4, 500, 250), (12, 900, 650)], [0, 0, 2, 10]),
        ("it reads slowly", [(0, 100, 0), (2, 300, 50), (4, 500, 200), (6, 600, 250)], [0, 0, 0, 0]),
        ("it reads again", [(0, 300, 100), (9, 500, 300), (11, 500, 0), (12, 900, 100)], [0, 9, 0, 0]),
        ("headers are not counted", [(0, 300, 100), (5, 600, 412)], [0, 5]),
        ("it reads nothing from the start", [(0, 0, 0), (2, 100, 100), (12, 500, 500)], [0, 2, 12]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_how_long_a_peer_has_read_nothing(
    name: str, looks: list[tuple[int, int, int]], expected: list[float]
) -> None:
    unread = Unread()
    assert [unread.for_s(written, waiting, at) for at, written, waiting in looks] == expected
