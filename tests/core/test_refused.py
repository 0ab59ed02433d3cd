"""An assistant that refuses the call for a while, or is lost and comes back, as call transcripts: when, what came, what we do."""

from collections.abc import Sequence

import pytest

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FINAL_CLOSES, FailoverPlan
from bridge.core.timers import Limits
from bridge.vocabulary.commands import (
    CloseAssistant,
    ConfirmHeard,
    HangUp,
    PlayAudio,
    SendMark,
)
from bridge.vocabulary.events import (
    AssistantFailed,
    Event,
    LegLost,
    LegName,
    MarkReached,
    ReplyAudio,
)
from telecodecs.format import PCMU_8K
from tests.core.lost_assistants import (
    LOST,
    PASSED,
    READY,
    REFUSED,
    REPLY,
    START,
    Row,
    again,
    opened,
    refusal,
    retry,
)

SENTENCE = b"\x41" * 160
ENDED = HangUp(1011, "the assistant was lost")


def call(*names: str, retry_s: float = 15.0, sentence: bytes = b"") -> Call:
    return Call(
        0.0,
        Limits(retry_s=retry_s, silent_s=10_000),
        DialogueRules(reorder_ms=0),
        plan=FailoverPlan(names or ("a",), sentence, spoken=PCMU_8K),
    )


def follow(call: Call, transcript: Sequence[Row]) -> None:
    for when, event, commands in transcript:
        assert call.handle(event, when) == list(commands), f"at {when}: {event}"


def talking(call: Call, *then: Row) -> None:
    """The assistant has the call from 0.5 s on, and is lost at 1 s; it is opened again at once, and refuses."""
    follow(
        call,
        [
            (0.0, START, [opened("a")]),
            (0.5, READY, []),
            (1.0, LOST, [again("a")]),
            (1.0, REFUSED, [retry(0.25)]),
            *then,
        ],
    )


# What may pass

PASSING = {
    "HTTP 429 or 503, connection refused": LegLost(LegName.ASSISTANT, 1013, "HTTP 503"),
    "no connection": LegLost(LegName.ASSISTANT, 1006, "HTTP 503"),
    **{f"close {code}": LegLost(LegName.ASSISTANT, code, "HTTP 503") for code in (1000, 1001, 1005, 1011, 1012, 1014)},
}  # fmt: skip


@pytest.mark.parametrize("passing", PASSING.values(), ids=list(PASSING))
def test_what_may_pass_is_tried_again_after_a_pause(passing: LegLost) -> None:
    assert passing.code not in FINAL_CLOSES
    refused = call("a", "b")
    follow(
        refused,
        [
            (0.0, START, [opened("a")]),
            (0.0, passing, [retry(0.25)]),
            (0.2, PASSED, []),
            (0.25, PASSED, [opened("a")]),  # never ready, so the caller is still greeted
            (0.25, passing, [retry(0.5)]),
            (0.75, PASSED, [opened("a")]),
            (0.8, READY, []),
        ],
    )
    assert refused.counts() == {"assistants_lost": 2, "assistant_retries": 2}


def test_a_failure_that_the_assistant_reports_may_pass_too() -> None:
    follow(
        call("a", "b"),
        [
            (0.0, START, [opened("a")]),
            (0.5, AssistantFailed("overloaded"), [CloseAssistant(), retry(0.25, "overloaded")]),
            (0.75, PASSED, [opened("a")]),
            (0.8, READY, []),
            (0.9, AssistantFailed("busy", retry_after_s=3.0), [CloseAssistant(), retry(3.375, "busy")]),
        ],
    )


@pytest.mark.parametrize(
    "final", [*(LegLost(LegName.ASSISTANT, code) for code in sorted(FINAL_CLOSES)), AssistantFailed("", final=True), LegLost(LegName.ASSISTANT, 1011, final=True)]
)  # fmt: skip
def test_what_would_come_again_is_not_tried_again(final: Event) -> None:
    refused = call("a", "b")
    refused.handle(START, 0.0)
    assert refused.handle(REFUSED, 0.0) == [retry(0.25)]
    assert refused.handle(PASSED, 0.25) == [opened("a")]
    assert refused.handle(final, 0.3)[-1] == opened("b")
    assert refused.counts()["assistant_retries"] == 1


def test_one_drop_in_mid_call_is_mended_at_once_and_then_with_pauses() -> None:
    follow(
        call(),
        [
            (0.0, START, [opened("a")]),
            (0.5, READY, []),
            (1.0, LOST, [again("a")]),
            (1.2, REFUSED, [retry(0.25)]),
            (1.45, PASSED, [again("a")]),
            (1.5, READY, []),
            (5.0, LOST, [retry(0.5, LOST.reason)]),  # it did not serve for long
            (5.5, PASSED, [again("a")]),
            (5.6, READY, []),
        ],
    )


def test_a_server_that_is_back_after_a_second_and_a_half_has_the_call() -> None:
    """It closed with 1012 or 1013 in mid-call."""
    talking(
        call("a", "b"),
        (1.25, PASSED, [again("a")]),
        (1.25, REFUSED, [retry(0.5)]),
        (1.75, PASSED, [again("a")]),
        (1.75, REFUSED, [retry(1.0)]),
        (2.75, PASSED, [again("a")]),
        (2.8, READY, []),
        (2.9, ReplyAudio("r", REPLY), [PlayAudio(REPLY)]),
    )


# The bound


def test_the_next_in_line_has_the_call_when_the_bound_is_used_up_and_has_its_own() -> None:
    follow(
        call("a", "b", retry_s=1.0),
        [
            (0.0, START, [opened("a")]),
            (0.0, REFUSED, [retry(0.25)]),
            (0.25, PASSED, [opened("a")]),
            (0.25, REFUSED, [retry(0.5)]),
            (0.75, PASSED, [opened("a")]),
            (0.75, REFUSED, [retry(0.25)]),
            (1.0, PASSED, [opened("a")]),
            (1.0, REFUSED, [opened("b")]),
            (1.1, REFUSED, [retry(0.25, name="b")]),
            (1.36, PASSED, [opened("b")]),
            (1.4, READY, []),
        ],
    )


@pytest.mark.parametrize("event", [REFUSED, LOST])
def test_without_a_bound_there_is_no_further_try(event: LegLost) -> None:
    at_opening = call("a", "b", retry_s=0.0)
    follow(at_opening, [(0.0, START, [opened("a")]), (0.1, event, [opened("b")]), (0.2, event, [ENDED])])
    in_mid_call = call("a", "b", retry_s=0.0)
    follow(in_mid_call, [(0.0, START, [opened("a")]), (0.1, READY, []), (0.2, event, [again("b")])])


def test_a_try_that_hangs_uses_the_bound_and_cannot_pass_it() -> None:
    late = "it was not ready in time"
    follow(
        call("a", "b", retry_s=8.0),
        [
            (0.0, START, [opened("a")]),
            (5.0, PASSED, [CloseAssistant(late), retry(0.25, late)]),
            (5.25, PASSED, [opened("a")]),
            (5.3, REFUSED, [retry(0.5)]),
            (5.8, PASSED, [opened("a")]),
            (7.9, PASSED, []),
            (8.0, PASSED, [CloseAssistant(late), opened("b")]),
            (12.9, PASSED, []),
            (13.0, PASSED, [CloseAssistant(late), retry(0.25, late, "b")]),
        ],
    )


def test_every_try_may_be_ready_within_a_second() -> None:
    follow(
        call("a", "b", retry_s=0.5),
        [
            (0.0, START, [opened("a")]),
            (0.1, REFUSED, [retry(0.25)]),
            (0.35, PASSED, [opened("a")]),
            (1.3, READY, []),
        ],
    )


# What the other side asks for


def test_a_wait_that_is_asked_for_is_waited_for() -> None:
    follow(
        call("a", "b"),
        [
            (0.0, START, [opened("a")]),
            (0.1, refusal(2.0), [retry(2.25, "HTTP 429")]),  # and a little more, by chance
            (2.34, PASSED, []),
            (2.36, PASSED, [opened("a")]),
            (2.4, READY, []),
            (3.0, refusal(2.0), [retry(2.25, "HTTP 429")]),  # in mid-call as well, in place of at once
        ],
    )


def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    follow(
        call("a", "b", sentence=SENTENCE),
        [
            (0.0, START, [opened("a")]),
            (0.0, refusal(14.0), [retry(15.0, "HTTP 429")]),
            (15.0, PASSED, [opened("a")]),
            (15.0, refusal(1.0), [opened("b")]),
            (15.1, refusal(15.0), [PlayAudio(SENTENCE), SendMark("0.1")]),
            (15.2, MarkReached("0.1"), [ConfirmHeard("sentence"), ENDED]),
        ],
    )
