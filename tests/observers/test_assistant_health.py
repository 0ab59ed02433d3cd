"""Log and faults about assistants that cannot serve, as a person on call reads them."""

import structlog

from bridge.observers.assistant_health import AssistantHealth, AssistantHealthObserver
from bridge.vocabulary.commands import OpenAssistant, RetryAssistant
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    LegLost,
    LegName,
    Opening,
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
