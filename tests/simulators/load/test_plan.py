"""Options of a load test: what is refused, in which words; what is shown of them; shares of processes."""

from typing import Any

import pytest

from bridge.simulators.load.plan import LoadPlan
from bridge.vocabulary.errors import ConfigurationError

GOOD: dict[str, Any] = {"url": "http://127.0.0.1:8080/twilio/voice", "audio": ("a.wav",), "carrier": "twilio"}

REFUSED = [
    ({"calls": 1, "url": "127.0.0.1:8080"}, "expected a voice webhook"),
    ({"calls": 1, "url": "http://127.0.0.1:99999/x"}, "expected a voice webhook"),
    ({"calls": 1, "url": "ftp://example.com/x"}, "expected a voice webhook"),
    ({"calls": 1, "url": "http://[::1/x"}, "expected a voice webhook"),
    ({}, "--calls, --calls-per-second: expected one of them"),
    ({"calls": 5, "calls_per_second": 2.0}, "--calls, --calls-per-second: expected one of them"),
    ({"calls_per_second": 2.0, "hold_calls": True}, "--hold-calls: expected with --calls"),
    ({"calls": -1}, "--calls: -1 is out of range"),
    ({"calls": 10**9}, "--calls: 1e+09 is out of range"),
    ({"calls": 2, "processes": 3}, "--processes 3: expected at most as many as --calls, 2"),
    ({"calls": 2, "processes": 0}, "--processes: 0 is out of range"),
    ({"calls": 1, "duration_s": 0.0}, "--duration: 0 s is out of range"),
    ({"calls": 1, "duration_s": float("nan")}, "--duration: nan s is out of range"),
    ({"calls": 1, "duration_s": 5.0, "ramp_s": 5.0}, "--ramp 5 s: expected less than --duration, 5 s"),
    ({"calls": 1, "call_s": -1.0}, "--call-seconds: -1 s is out of range"),
    ({"calls": 1, "barge_in": 1.5}, "--barge-in: 1.5 is out of range"),
    ({"calls": 1, "loss": 0.7, "reorder": 0.7}, "their sum is more than 1"),
    ({"calls": 1, "delay_ms": -3.0}, "delay: -3 ms is out of range"),
    ({"calls": 1, "jitter_ms": 1e9}, "jitter: 1e+09 ms is out of range"),
    ({"calls": 1, "digits": "1 at 2"}, "--digits: '1 at 2' is not a key and a time"),
    ({"calls": 1, "measure": "magic"}, "--measure 'magic': expected auto, echo or turns"),
    ({"calls": 1, "late_ms": 0.0}, "--late-ms: 0 ms is out of range"),
]


@pytest.mark.parametrize(("options", "why"), REFUSED)
def test_it_is_refused_in_words(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        LoadPlan(**(GOOD | options))
    assert why in str(refused.value)


def test_the_ramp_is_twenty_calls_a_second_and_at_most_a_third_of_the_run() -> None:
    assert LoadPlan(**GOOD, calls=40).ramp_s == 2.0
    assert LoadPlan(**GOOD, calls=4000, duration_s=30).ramp_s == 10.0
    assert LoadPlan(**GOOD, calls=4000, ramp_s=7.0).with_calls(80).ramp_s == 4.0


def test_arriving_calls_have_a_length() -> None:
    assert LoadPlan(**GOOD, calls_per_second=2.0).call_s == 30.0
    assert LoadPlan(**GOOD, calls_per_second=2.0, call_s=2.0).call_s == 2.0
    assert LoadPlan(**GOOD, calls=2).call_s == 0.0


def test_processes_share_the_calls() -> None:
    plan = LoadPlan(**GOOD, calls=11, processes=3)
    assert [plan.part(number).calls for number in range(3)] == [4, 4, 3]
    assert {plan.part(number).ramp_s for number in range(3)} == {plan.ramp_s}
    arriving = LoadPlan(**GOOD, calls_per_second=9.0, processes=3)
    assert [arriving.part(number).calls_per_second for number in range(3)] == [3.0] * 3


def test_nothing_secret_is_shown() -> None:
    plan = LoadPlan(
        **GOOD | {"url": "https://user:hidden@example.com/v?token=hidden#hidden"},
        calls=1,
        auth_token="hidden",
        private_key="hidden",
    )
    assert plan.shown().url == "https://example.com/v"
    assert plan.shown().signed
    assert "hidden" not in repr(plan.shown())
    assert "auth_token" not in repr(plan)
