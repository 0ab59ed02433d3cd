"""The first and the last line of a call in the log: rows of what happened to a real call, and what the lines say."""

from collections.abc import Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.engine import COMMANDS, CallEngine
from bridge.core.timers import Limits
from bridge.observers.call_log import CallLog
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    Event,
    LegLost,
    LegName,
    TimePassed,
)
from telecodecs.format import PCMU_8K

SID = "CA" + "0123456789abcdef" * 2
START = CallStarted(SID, "MZ1", PCMU_8K)
LISTENED_TO = CallStarted(SID, "MZ1", PCMU_8K, one_way=True)
READY = AssistantReady(PCMU_8K, PCMU_8K)
TALKING: list[tuple[float, Event]] = [(0.0, START), (1.0, READY), (2.0, CallerAudio(b"\xff" * 160, 0))]
ACCOUNT = Account({"turns": 3}, {}, 1.0, 2.0, [])
LIMITS = Limits(silent_s=60.0, longest_s=600.0)
RETURNING = Limits(resume_s=10.0)


def lines_of(
    happened: Iterable[tuple[float, Event]],
    *,
    limits: Limits = LIMITS,
    expected: str | None = None,
    **told: Any,
) -> list[dict[str, Any]]:
    """What the log says of a call to which this happened, which is over two seconds after its last event."""
    call = Call(0.0, limits, DialogueRules(reorder_ms=0), expected=expected)
    observer, now = CallLog("twilio", **told), 0.0
    engine = CallEngine(call, [observer])
    engine.perform_with(dict.fromkeys(COMMANDS, lambda _command, _now: None))
    with capture_logs() as lines:
        for now, event in happened:
            engine.handle(event, now)
        observer.close(now + 2.0, ACCOUNT)
    return [dict(line) for line in lines]


def lost(code: int, reason: str = "") -> LegLost:
    return LegLost(LegName.CARRIER, code, reason)


def test_a_call_has_a_first_and_a_last_line() -> None:
    begun, over = lines_of([*TALKING, (9.0, CallEnded())], direction="inbound", route=lambda _: "routes[2]")
    assert begun == {
        "event": "= call started",
        "log_level": "info",
        "call_id": SID,
        "stream_id": "MZ1",
        "carrier": "twilio",
        "direction": "inbound",
        "route": "routes[2]",
    }
    assert over == {
        "event": "= call over",
        "log_level": "info",
        "call_id": SID,
        "carrier": "twilio",
        "duration_s": 11.0,
        "ended_by": "caller_or_carrier",
        "reason": "the carrier said that the call is over",
        "turns": 3,
        "caller_s": 1.0,
        "assistant_s": 2.0,
    }


def test_a_call_that_is_only_listened_to_has_no_assistant() -> None:
    begun, over = lines_of(
        [(0.0, LISTENED_TO), (1.0, CallerAudio(b"\xff" * 160, 0)), (2.0, CallEnded())], direction="inbound"
    )
    assert (begun["direction"], "assistant" in begun) == ("listened_to", False)
    assert over["ended_by"] == "caller_or_carrier"


def test_the_route_is_asked_with_the_start() -> None:
    begun, _ = lines_of(TALKING, route=lambda event: f"of {event.stream}")
    assert begun["route"] == "of MZ1"


ENDS: list[tuple[list[tuple[float, Event]], str, str]] = [
    ([(9.0, CallEnded())], "caller_or_carrier", "the carrier said that the call is over"),
    ([(9.0, lost(1000))], "caller_or_carrier", "the carrier closed its stream with code 1000"),
    ([(9.0, lost(1006, "it reads too slowly"))], "fault", "it reads too slowly"),
    ([(9.0, lost(1006, "the server is closing"))], "server_closing", "the server is closing"),
    ([(9.0, CloseRequested("the server is closing"))], "server_closing", "the server is closing"),
    ([(9.0, CloseRequested("all is settled", 1000))], "assistant", "all is settled"),
    ([(9.0, CloseRequested("start: no such codec", 1003))], "fault", "start: no such codec"),
    ([(61.0, TimePassed()), (63.0, TimePassed())], "fault", "the carrier sends nothing any more"),
    ([(9.0 + n * 50, CallerAudio(b"\xff" * 160, n)) for n in range(13)], "bridge", "the call reached its longest duration"),
    ([(9.0, AssistantFailed("no", final=True))], "fault", "the assistant was lost"),
]  # fmt: skip


@pytest.mark.parametrize(("end", "who", "why"), ENDS, ids=[f"{who}: {why}" for _, who, why in ENDS])
def test_the_last_line_says_who_ended_the_call(end: list[tuple[float, Event]], who: str, why: str) -> None:
    over = lines_of([*TALKING, *end])[-1]
    assert (over["event"], over["ended_by"], over["reason"]) == ("= call over", who, why)


REFUSED = [(START, "CA2", "bridge", "the token was made for another call"), (None, None, "fault", "the carrier never said start")]  # fmt: skip


@pytest.mark.parametrize(("start", "expected", "who", "why"), REFUSED)
def test_a_call_that_never_began_has_a_last_line_alone(
    start: Event | None, expected: str | None, who: str, why: str
) -> None:
    happened = [(0.0, start)] if start else [(11.0, TimePassed())]
    (over,) = lines_of(happened, expected=expected)
    assert (over["event"], over["ended_by"], over["reason"]) == ("= call over", who, why)


def test_a_stream_that_came_back_did_not_end_the_call() -> None:
    back: list[tuple[float, Event]] = [
        (9.0, lost(1006, "broke")),
        (10.0, CallStarted(SID, "MZ2", PCMU_8K)),
        (12.0, CallEnded()),
    ]
    lines = lines_of([*TALKING, *back], limits=RETURNING)
    assert [line["event"] for line in lines] == ["= call started", "= call over"]
    assert (lines[-1]["ended_by"], lines[-1]["duration_s"]) == ("caller_or_carrier", 14.0)


def test_a_call_that_ends_without_a_sign_ended_by_a_fault() -> None:
    over = lines_of(TALKING)[-1]
    assert (over["ended_by"], over["reason"]) == ("fault", "a fault in the bridge")
