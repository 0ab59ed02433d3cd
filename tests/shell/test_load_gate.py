"""The gate for new calls: rows of the load and the answer; places of announced calls on a clock of its own."""

from math import inf

import pytest

from bridge.shell.load_gate import CALL_DESCRIPTORS, SPARE_DESCRIPTORS, LoadGate, LoadLimits

NEEDED = SPARE_DESCRIPTORS + CALL_DESCRIPTORS
A, B = ("twilio", "CA1"), ("telnyx", "CA1")

ROWS: dict[str, tuple[LoadLimits, tuple[int, float, float], str]] = {
    # limits, (calls, lag in seconds, free descriptors), the refusal
    "no limit": (LoadLimits(), (100_000, 0.0, inf), ""),
    "room for one more": (LoadLimits(calls=5), (4, 0.0, inf), ""),
    "full": (LoadLimits(calls=5), (5, 0.0, inf), "there are 5 calls, and limits.max_calls is 5"),
    "overfull": (LoadLimits(calls=5), (9, 0.0, inf), "there are 9 calls, and limits.max_calls is 5"),
    "the loop is in time": (LoadLimits(), (0, 0.020, inf), ""),
    "the loop lags": (LoadLimits(), (0, 0.021, inf), "the event loop is 21 ms late, and limits.max_lag_ms is 20"),
    "the lag does not count": (LoadLimits(lag_ms=0), (0, 5.0, inf), ""),
    "descriptors for one call": (LoadLimits(), (0, 0.0, NEEDED), ""),
    "descriptors run short": (LoadLimits(), (0, 0.0, NEEDED - 1), "39 file descriptors are left; raise the limit (ulimit -n)"),
    "more open than may be": (LoadLimits(), (0, 0.0, -3), "0 file descriptors are left; raise the limit (ulimit -n)"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_why_no_call_is_taken(name: str) -> None:
    limits, load, refusal = ROWS[name]
    assert LoadGate(limits).why_refused(0.0, *load) == refusal


def test_a_call_that_was_announced_counts_until_its_socket_comes_or_its_token_dies() -> None:
    gate = LoadGate(LoadLimits(calls=2))
    gate.keep_place(A, 60.0)
    gate.keep_place(B, 60.0)
    full = "there are 2 calls, and limits.max_calls is 2"
    assert gate.why_refused(0.0, 0, 0.0, inf) == full
    gate.free_place(A)  # its socket came, and it is under way
    assert gate.why_refused(0.0, 1, 0.0, inf) == full
    assert gate.why_refused(59.9, 1, 0.0, inf) == full
    assert gate.why_refused(60.0, 1, 0.0, inf) == ""
    assert gate.places(60.0) == 0


def test_a_place_is_kept_for_as_long_as_the_last_announcement_says() -> None:
    gate = LoadGate(LoadLimits())
    gate.keep_place(A, 60.0)
    gate.keep_place(A, 120.0)
    gate.keep_place(A, 90.0)
    assert [gate.places(now) for now in (60.0, 119.0, 120.0)] == [1, 1, 0]
    gate.keep_place(A, 180.0)
    assert (gate.has_place(A, 179.0), gate.has_place(A, 180.0), gate.has_place(B, 0.0)) == (
        True,
        False,
        False,
    )


def test_calls_that_are_announced_take_descriptors_too() -> None:
    gate = LoadGate(LoadLimits())
    gate.keep_place(A, 60.0)
    assert gate.why_refused(0.0, 0, 0.0, NEEDED + CALL_DESCRIPTORS) == ""
    assert "file descriptors" in gate.why_refused(0.0, 0, 0.0, NEEDED + CALL_DESCRIPTORS - 1)


def test_so_many_calls_within_any_second() -> None:
    gate = LoadGate(LoadLimits(calls_per_s=2))
    taken = []
    for now in (0.0, 0.3, 0.6, 0.99, 1.0, 1.1, 1.3):
        refusal = gate.why_refused(now, 0, 0.0, inf)
        assert refusal in ("", "2 calls came within a second, the most that limits.max_calls_per_s allows")
        if not refusal:
            gate.take(now)
            taken.append(now)
    assert taken == [0.0, 0.3, 1.0, 1.3]


def test_what_is_kept_stays_small_however_many_calls_come_and_go() -> None:
    gate = LoadGate(LoadLimits())
    for n in range(1_000):
        gate.take(n / 10)
        gate.keep_place(("twilio", str(n)), n / 10 + 1)
        gate.places(n / 10)
    assert len(gate._taken) <= 11
    assert len(gate._places) <= 11
    assert len(gate._expiries) <= 11
