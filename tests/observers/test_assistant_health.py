"""Log and faults about assistants that cannot serve, as a person on call reads them."""

import pytest
import structlog

from bridge.core.circuit import CircuitRule
from bridge.observers.assistant_health import AssistantHealth, AssistantHealthObserver
from bridge.vocabulary.commands import CloseAssistant, OpenAssistant, RetryAssistant
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CloseRequested,
    LegLost,
    LegName,
    Opening,
    ReplyEnded,
    SpeechStopped,
    Word,
)
from telecodecs.format import PCMU_8K


def opened(name: str, opening: Opening = Opening.FIRST) -> OpenAssistant:
    return OpenAssistant("CA1", PCMU_8K, {}, name, opening)


def watched(*words: Word) -> tuple[dict[str, str], list[str]]:
    """The faults that /readyz names, and the lines of the log, in short."""
    health = AssistantHealth()
    observer = health.observer()
    with structlog.testing.capture_logs() as lines:
        for word in words:
            assert type(word) in AssistantHealthObserver.sees
            observer.saw(word, 0.0)
    return health.faults, [f"{line['event']}: {line.get('why', line.get('opening', ''))}" for line in lines]


def test_what_a_person_has_to_mend_is_named_until_it_is_mended() -> None:
    refused = LegLost(LegName.ASSISTANT, 1008, "HTTP 401: the key is not accepted")
    assert watched(opened("a"), refused) == (
        {"a": "HTTP 401: the key is not accepted"},
        ["< assistant lost: HTTP 401: the key is not accepted"],
    )
    faults, lines = watched(opened("a"), refused, opened("a"), AssistantReady(PCMU_8K, PCMU_8K))
    assert faults == {}
    assert lines[-1].startswith("= assistant is back")


def test_a_failure_for_good_is_one_too() -> None:
    faults, _ = watched(opened("a"), AssistantFailed("insufficient_quota", final=True))
    assert faults == {"a": "insufficient_quota"}


def test_a_broken_connection_is_only_logged() -> None:
    faults, lines = watched(
        opened("a"),
        LegLost(LegName.ASSISTANT, 1006),
        opened("a", Opening.RECOVERED),
        AssistantReportedError("a reply is incomplete"),
    )
    assert faults == {}
    assert lines == [
        "< assistant lost: code 1006",
        "= assistant opened again: recovered",
        "< assistant reported an error: a reply is incomplete",
    ]


def test_a_lost_carrier_says_nothing_of_the_assistant() -> None:
    assert watched(opened("a"), LegLost(LegName.CARRIER, 1008)) == ({}, [])


def test_a_try_that_will_follow_is_one_line_with_its_wait_and_its_reason() -> None:
    observer = AssistantHealth().observer()
    with structlog.testing.capture_logs() as lines:
        observer.saw(opened("a"), 0.0)
        observer.saw(RetryAssistant("a", 0.25, "HTTP 503"), 0.1)
    assert lines == [
        {
            "event": "= assistant will be tried again",
            "log_level": "info",
            "call_id": "CA1",
            "assistant": "a",
            "in_s": 0.25,
            "why": "HTTP 503",
        }
    ]


READY = AssistantReady(PCMU_8K, PCMU_8K)
BROKEN = LegLost(LegName.ASSISTANT, 1006)
REPLY = ReplyEnded("a-1")
ERROR = AssistantReportedError("no reply came within 20 s")
LATE = 31.0
"""Past the time in which an assistant has served."""

CALLS: list[tuple[str, list[tuple[float, Word]], int]] = [  # of one call, and the failures in a row after it
    ("refused at the start", [(0.0, BROKEN)], 2),
    (
        "replied with errors alone to the end of the call",
        [(0.1, READY), (5.0, ERROR), (LATE, CloseAssistant())],
        1,
    ),
    ("not ready in time", [(5.0, CloseAssistant("it was not ready in time"))], 2),
    ("lost in mid-call", [(0.1, READY), (9.0, BROKEN)], 2),
    (
        "failed, and closed by the bridge",
        [(0.1, READY), (LATE, AssistantFailed("silent")), (LATE, CloseAssistant())],
        2,
    ),
    (
        "a final refusal counts like others: it may concern this call",
        [(0.0, LegLost(LegName.ASSISTANT, 1008))],
        2,
    ),
    ("the caller hung up at once", [(0.1, READY), (3.0, CloseAssistant())], 1),
    ("the caller hung up before it was ready", [(LATE, CloseAssistant())], 1),
    ("the standby was lost", [(0.1, READY), (9.0, LegLost(LegName.STANDBY, 1006))], 1),
    ("the carrier was lost", [(0.1, READY), (9.0, LegLost(LegName.CARRIER, 1006))], 1),
    (
        "it hung up, and closed its connection",
        [(0.1, READY), (9.0, CloseRequested("done")), (9.1, BROKEN)],
        1,
    ),
    ("it replied", [(0.1, READY), (2.0, REPLY)], 0),
    ("it replied and was lost", [(0.1, READY), (2.0, REPLY), (9.0, BROKEN)], 1),
    ("an apology of the bridge's own", [(0.1, READY), (2.0, ERROR), (2.0, REPLY)], 1),
    ("an error, then a reply", [(0.1, READY), (2.0, ERROR), (3.0, SpeechStopped()), (4.0, REPLY)], 0),
    ("it listened", [(0.1, READY), (LATE, CloseAssistant())], 0),
]


@pytest.mark.parametrize(("_what", "words", "failures"), CALLS)
def test_what_counts_as_a_failure(_what: str, words: list[tuple[float, Word]], failures: int) -> None:
    health = AssistantHealth(CircuitRule(failures=1, calls=1))
    health.failed("a", "CA0", "503", 0.0)
    observer = health.observer()
    observer.saw(opened("a"), 0.0)
    for now, word in words:
        observer.saw(word, now)
    shown = health.open_circuits()
    assert bool(shown) is (failures > 0)
    if shown:
        assert shown["a"].why.startswith(f"{failures} failures")


def test_new_calls_go_to_the_fallback_while_the_circuit_is_open() -> None:
    health = AssistantHealth(CircuitRule(failures=2, calls=2, first_pause_s=5.0))
    names = ("a", "b")
    assert health.chain(names, 0.0) == names
    with structlog.testing.capture_logs() as lines:
        health.failed("a", "CA1", "503", 0.0)
        assert health.chain(names, 0.0) == names
        health.failed("a", "CA2", "503", 1.0)
        assert health.chain(names, 1.0) == ("b", "a"), "it is the last resort"
        assert health.chain(("a",), 1.0) == ("a",), "without a fallback nothing changes"
        assert health.open_circuits()["a"] == (1.0, "2 failures in a row, the last: 503")
        assert health.chain(names, 6.0, takes_call=False) == names, "a call that may come"
        assert health.chain(names, 6.0) == names, "the probe"
        assert health.chain(names, 6.1) == ("b", "a"), "one at a time"
        health.failed("a", "CA3", "503", 7.0)
        assert health.chain(names, 16.9) == ("b", "a")
        assert health.chain(names, 17.0) == names
        health.served("a")
        assert health.chain(names, 17.1) == names
    assert health.open_circuits() == {}
    assert [(line["event"], line["assistant"]) for line in lines] == [
        ("= circuit opened", "a"),
        ("= circuit closed", "a"),
    ]


def test_where_all_fail_the_order_stays() -> None:
    health = AssistantHealth(CircuitRule(failures=1, calls=1))
    health.failed("a", "CA1", "503", 0.0)
    health.failed("b", "CA1", "503", 0.0)
    assert health.chain(("a", "b"), 1.0) == ("a", "b")
    assert health.chain(("a", "b", "c"), 1.0) == ("c", "a", "b")
