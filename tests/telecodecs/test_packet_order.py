"""PacketOrder, as transcripts: (when, number, what is due then); a number stands for its packet, None for a lost one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telecodecs.packet_order import PacketOrder

Due = list[int | None]
Transcript = list[tuple[float, int, Due]]


def feed(order: PacketOrder, number: int, now: float) -> Due:
    return read(order.feed(number, str(number).encode(), now))


def read(due: list[bytes | None]) -> Due:
    return [None if packet is None else int(packet) for packet in due]


TRANSCRIPTS: dict[str, tuple[float, Transcript]] = {
    "in order": (0.1, [(0.00, 1, [1]), (0.02, 2, [2]), (0.04, 3, [3])]),
    "begins anywhere": (0.1, [(0.00, 70_000, [70_000]), (0.02, 70_001, [70_001])]),
    "two swapped": (0.1, [(0.00, 1, [1]), (0.02, 3, []), (0.03, 2, [2, 3]), (0.06, 4, [4])]),
    "reversed": (0.1, [(0.00, 1, [1]), (0.02, 4, []), (0.02, 3, []), (0.02, 2, [2, 3, 4])]),
    "two holes": (0.1, [(0.00, 1, [1]), (0.02, 3, []), (0.04, 5, []), (0.05, 2, [2, 3]), (0.06, 4, [4, 5])]),
    "lost, waited for": (0.1, [(0.00, 1, [1]), (0.02, 3, []), (0.119, 4, []), (0.121, 5, [None, 3, 4, 5])]),
    "lost, window full": (
        0.04,
        [(0.00, 1, [1]), (0.02, 3, []), (0.02, 4, []), (0.02, 5, [None, 3, 4, 5])],
    ),
    "lost, no window": (0.0, [(0.00, 1, [1]), (0.02, 3, [None, 3]), (0.04, 4, [4])]),
    "three lost": (0.0, [(0.00, 1, [1]), (0.02, 5, [None, None, None, 5])]),
    "two holes, the first given up": (
        0.1,
        [(0.00, 1, [1]), (0.02, 3, []), (0.08, 5, []), (0.121, 6, [None, 3]), (0.13, 4, [4, 5, 6])],
    ),
    "late": (0.0, [(0.00, 1, [1]), (0.02, 3, [None, 3]), (0.03, 2, []), (0.04, 4, [4])]),
    "before the first": (0.1, [(0.00, 2, [2]), (0.01, 1, []), (0.02, 3, [3])]),
    "repeated": (0.1, [(0.00, 1, [1]), (0.01, 1, []), (0.02, 2, [2]), (0.03, 1, [])]),
    "repeated while held": (0.1, [(0.00, 1, [1]), (0.02, 3, []), (0.03, 3, []), (0.04, 2, [2, 3])]),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str) -> None:
    window_s, transcript = TRANSCRIPTS[name]
    order = PacketOrder(window_s)
    for now, number, due in transcript:
        assert feed(order, number, now) == due, number


COUNTS = {  # transcript: late, repeated, holes, lost
    "in order": (0, 0, 0, 0),
    "two swapped": (0, 0, 0, 0),
    "lost, waited for": (0, 0, 1, 1),
    "three lost": (0, 0, 1, 3),
    "late": (1, 0, 1, 1),
    "before the first": (1, 0, 0, 0),
    "repeated": (0, 2, 0, 0),
    "repeated while held": (0, 1, 0, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    window_s, transcript = TRANSCRIPTS[name]
    order = PacketOrder(window_s)
    for now, number, _ in transcript:
        feed(order, number, now)
    assert (order.late, order.repeated, order.holes, order.lost) == COUNTS[name]


def test_names_the_deadline_and_keeps_it() -> None:
    order = PacketOrder(window_s=0.1)
    assert order.deadline() is None
    feed(order, 1, 10.0)
    assert order.deadline() is None
    assert order.release(99.0) == []
    feed(order, 5, 10.02)
    feed(order, 3, 10.05)
    deadline = order.deadline()
    assert deadline is not None
    assert deadline == pytest.approx(10.12)
    assert read(order.release(10.11)) == []
    assert read(order.release(deadline)) == [None, 3, None, 5], "both were missed when 5 came"
    assert order.deadline() is None


def test_each_hole_has_its_own_deadline() -> None:
    order = PacketOrder(window_s=0.1)
    feed(order, 1, 10.00)
    feed(order, 3, 10.02)
    feed(order, 5, 10.06)
    assert read(order.release(10.13)) == [None, 3]
    assert order.deadline() == pytest.approx(10.16)


def test_the_end_of_the_stream_returns_all_that_is_held() -> None:
    order = PacketOrder(window_s=0.1)
    feed(order, 1, 10.0)
    feed(order, 3, 10.0)
    assert read(order.release(math.inf)) == [None, 3]
    assert feed(order, 4, 10.1) == [4]


@pytest.mark.parametrize(("packet_ms", "a_second"), [(20, 50), (60, 16), (2000, 1)])
def test_a_hole_wider_than_a_second_is_skipped(packet_ms: int, a_second: int) -> None:
    order = PacketOrder(window_s=0.0, packet_ms=packet_ms)
    feed(order, 0, 0.0)
    assert feed(order, 1 + a_second, 0.0) == [None] * a_second + [1 + a_second]
    assert (order.holes, order.lost, order.skipped) == (1, a_second, 0)
    assert feed(order, 3 + 2 * a_second, 0.0) == [3 + 2 * a_second]
    assert (order.holes, order.lost, order.skipped) == (1, a_second, a_second + 1)


def test_after_a_sender_restarts_packets_are_late_for_one_second_only() -> None:
    order = PacketOrder()
    for n in range(100):
        feed(order, 60_000 + n, n / 50)
    heard = [feed(order, n, 2 + n / 50) for n in range(100)]
    assert heard == [[]] * 50 + [[n] for n in range(50, 100)]
    assert order.late == 50


def test_a_sender_that_restarts_behind_a_hole_loses_nothing_held() -> None:
    order = PacketOrder(window_s=9.0)
    feed(order, 60_000, 0.0)
    feed(order, 60_002, 0.0)
    heard = [feed(order, n, 0.0) for n in range(52)]
    assert heard == [[]] * 50 + [[None, 60_002, 50], [51]]


def test_scattered_late_packets_are_not_a_restart() -> None:
    order = PacketOrder(window_s=0.0)
    feed(order, 10_000, 0.0)
    for n in range(1, 200):
        assert feed(order, 10_000 + n, 0.0) == [10_000 + n]
        assert feed(order, n, 0.0) == []


@pytest.mark.parametrize(("window_s", "packet_ms"), [(-0.1, 20), (0.1, 0)])
def test_refuses(window_s: float, packet_ms: int) -> None:
    with pytest.raises(ValueError, match=f"window_s {window_s}, packet_ms {packet_ms}"):
        PacketOrder(window_s, packet_ms)


@given(delays=st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_any_order_within_the_window_gives_the_order_sent(delays: list[int]) -> None:
    """Each packet but the first is overtaken by up to five."""
    arrival = sorted(range(len(delays)), key=lambda n: (n + delays[n] if n else -1, n))
    order = PacketOrder(window_s=0.12)
    heard = [number for tick, n in enumerate(arrival) for number in feed(order, n, tick / 50)]
    assert heard == list(range(len(delays)))
    assert order.deadline() is None
    assert (order.late, order.repeated, order.holes, order.lost) == (0, 0, 0, 0)


@given(
    arrivals=st.lists(st.tuples(st.integers(0, 300), st.floats(0, 0.2)), min_size=1, max_size=50),
    window_s=st.floats(0, 0.3),
)
def test_nothing_is_given_twice_or_lost_uncounted(arrivals: list[tuple[int, float]], window_s: float) -> None:
    order, now = PacketOrder(window_s), 0.0
    heard: Due = []
    for number, pause in arrivals:
        now += pause
        heard += feed(order, number, now)
        deadline = order.deadline()
        assert deadline is None or now < deadline <= now + window_s
    heard += read(order.release(math.inf))
    given_numbers = [number for number in heard if number is not None]
    assert given_numbers == sorted(set(given_numbers))
    assert len(given_numbers) + order.late + order.repeated == len(arrivals)
    assert heard.count(None) == order.lost
    assert order.deadline() is None
