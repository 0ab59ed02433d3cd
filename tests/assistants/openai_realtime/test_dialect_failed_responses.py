"""Responses that fail: which are asked for again on the same session, when, as what, and for how long."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.commands import AnswerTool, EnterDigits, TruncateReply
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReportedError,
    CloseRequested,
    Opening,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
)

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Row

WHY = "a response failed: server_error"
FAILED = AssistantReportedError(WHY)
LIMITED = "done {} failed rate_limit_exceeded Rate limit reached. Please try again in {}."


def limited(wait: str) -> AssistantReportedError:
    text = f"Rate limit reached. Please try again in {wait}."
    return AssistantReportedError(f"a response failed: rate_limit_exceeded: {text}")


HELLO = 'create: Say exactly this and nothing else: "Hello."'
TYPED = "item user: The caller typed on the keypad: 12"
CALL = 'call R1 c1 weather {"city": "Rome"}'
CALLED = ToolCalled("c1", "weather", '{"city": "Rome"}')

SPOKE: "list[Row]" = [
    (1.0, "speech U1", [SpeechStarted()]),
    (2.0, "pause U1", [SpeechStopped("U1")]),
    (2.0, "committed U1", []),
    (2.1, "created R1", []),
]

SCENES: "dict[str, list[Row]]" = {
    "for two seconds: with growing pauses": [
        *SPOKE,
        (2.2, "done R1 failed server_error", [FAILED, "delayed 0.2"]),
        (2.4, None, []),
        (2.5, None, ["create"]),
        (2.5, "created R2 ours", []),
        (2.8, "done R2 failed server_error", [FAILED, "delayed 0.4"]),
        (3.2, None, []),
        (3.3, None, ["create"]),
        (3.9, "created R3 ours", []),
        (4.0, "audio R3 A 20", ["sound A 20"]),
        (4.1, "done R3 ours", [ReplyEnded("A")]),
        (99.0, None, []),
    ],
    "until the time is over, and no longer": [
        *SPOKE,
        (2.2, "done R1 failed server_error", [FAILED, "delayed 0.2"]),
        (2.5, None, ["create"]),
        (2.5, "created R2 ours", []),
        (2.5, "done R2 failed server_error", [FAILED, "delayed 0.4"]),
        (3.0, None, ["create"]),
        (3.0, "created R3 ours", []),
        (3.0, "done R3 failed server_error", [FAILED, "delayed 1.0"]),
        (4.1, None, ["create"]),
        (4.1, "created R4 ours", []),
        (4.1, "done R4 failed server_error", [FAILED, "delayed 2.5"]),
        (6.6, None, ["create"]),
        (6.6, "created R5 ours", []),
        (6.6, "done R5 failed server_error", [FAILED, "delayed 3.6"]),
        (10.2, None, ["create"]),
        (10.2, "created R6 ours", []),
        (10.3, "done R6 failed server_error", [AssistantFailed(WHY)]),
        (99.0, None, []),
    ],
    "the next reply has the whole time again": [
        *SPOKE,
        (2.2, "done R1 failed server_error", [FAILED, "delayed 0.2"]),
        (2.7, None, ["create"]),
        (2.7, "created R2 ours", []),
        (2.8, "audio R2 A 20", ["sound A 20"]),
        (2.9, "done R2 ours", [ReplyEnded("A")]),
        (20.0, EnterDigits("12"), [TYPED, "create"]),
        (20.1, "created R3 ours", []),
        (20.2, "done R3 failed server_error", [FAILED, "delayed 0.2"]),
    ],
    "what the server says about waiting counts": [
        *SPOKE,
        (2.2, LIMITED.format("R1", "2.400s"), [limited("2.400s"), "delayed 2.7"]),
        (4.59, None, []),
        (5.1, None, ["create"]),
        (5.2, "created R2 ours", []),
        (5.3, "audio R2 A 20", ["sound A 20"]),
        (5.4, "done R2 ours", [ReplyEnded("A")]),
    ],
    "in minutes, which is more than there are": [
        *SPOKE,
        (2.2, LIMITED.format("R1", "1m2s"), [AssistantFailed(limited("1m2s").why, retry_after_s=62.0)]),
    ],
    "more than is left, though less than there was": [
        *SPOKE,
        (2.2, LIMITED.format("R1", "5s"), [limited("5s"), "delayed 5.5"]),
        (8.3, None, ["create"]),
        (8.4, "created R2 ours", []),
        (8.5, LIMITED.format("R2", "5s"), [AssistantFailed(limited("5s").why, retry_after_s=5.0)]),
    ],
    "a caller who speaks in the pause is answered by the server": [
        *SPOKE,
        (2.2, LIMITED.format("R1", "4s"), [limited("4s"), "delayed 4.4"]),
        (2.5, "speech U2", [SpeechStarted()]),
        (4.0, "pause U2", [SpeechStopped("U2")]),
        (4.1, "created R2", []),
        (4.2, "audio R2 A 20", ["sound A 20"]),
        (4.3, "done R2", [ReplyEnded("A")]),
        (99.0, None, []),
    ],
    "a caller who speaks again and again does not wait for ever": [
        *SPOKE,
        (2.2, LIMITED.format("R1", "4s"), [limited("4s"), "delayed 4.4"]),
        (2.5, "speech U2", [SpeechStarted()]),
        (30.0, "pause U2", [SpeechStopped("U2")]),
        (30.1, "created R2", []),
        (30.2, LIMITED.format("R2", "4s"), [AssistantFailed(limited("4s").why, retry_after_s=4.0)]),
    ],
    "a reply to the output of a tool": [
        (1.0, "created R1", []),
        (1.1, CALL, [CALLED]),
        (1.2, "done R1", []),
        (1.3, AnswerTool("c1", "sunny"), ["output c1: sunny", "create"]),
        (1.4, "created R2 ours", []),
        (1.5, "done R2 failed server_error", [FAILED, "delayed 0.2"]),
        (2.0, None, ["create"]),
        (2.0, "created R3 ours", []),
        (2.1, "audio R3 A 20", ["sound A 20"]),
        (2.2, "done R3 ours", [ReplyEnded("A")]),
        (99.0, None, []),
    ],
    "one that has called a tool: its call is answered, and not made again": [
        (1.0, "created R1", []),
        (1.1, CALL, [CALLED]),
        (1.2, "done R1 failed server_error", [FAILED]),
        (1.9, None, []),
        (2.0, AnswerTool("c1", "sunny"), ["output c1: sunny", "create"]),
    ],
    "a quota that is used up is final, also after a call": [
        (1.0, "created R1", []),
        (1.1, CALL, [CALLED]),
        (
            1.2,
            "done R1 failed insufficient_quota",
            [AssistantFailed("a response failed: insufficient_quota", final=True)],
        ),
    ],
    "a model that is not known is final": [
        *SPOKE,
        (
            2.2,
            "done R1 failed model_not_found",
            [AssistantFailed("a response failed: model_not_found", final=True)],
        ),
    ],
    "a session that has expired is opened again at once": [
        *SPOKE,
        (2.2, "done R1 failed session_expired", [AssistantFailed("a response failed: session_expired")]),
    ],
    "an invalid request is made once more": [
        *SPOKE,
        (
            2.2,
            "done R1 failed invalid_value",
            [AssistantReportedError("a response failed: invalid_value"), "delayed 0.5"],
        ),
        (2.7, None, ["create"]),
        (2.8, "created R2 ours", []),
        (2.9, "done R2 failed invalid_value", [AssistantFailed("a response failed: invalid_value")]),
    ],
    "without a reason": [
        *SPOKE,
        (
            2.2,
            "done R1 failed",
            [AssistantReportedError("a response failed: no reason given"), "delayed 0.2"],
        ),
        (2.7, None, ["create"]),
    ],
    "a failure to say more after an entry: what is said is dropped, what was typed is answered": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "created R1 ours", []),
        (1.2, "done R1 failed server_error", [FAILED, "delayed 0.2"]),
        (1.3, EnterDigits("12"), [TYPED, "create"]),
        (1.4, "created R2 ours", []),
        (1.5, "audio R2 A 500", ["sound A 500"]),
        (1.6, "done R2 ours", [ReplyEnded("A")]),
        (1.7, TruncateReply("A", 100), ["truncate A 100"]),
        (99.0, None, []),
    ],
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_failed_response(dial: "Dial", scene: str) -> None:
    line = dial()
    line.open()
    line.play(SCENES[scene])


def test_a_greeting_keeps_its_words(dial: "Dial") -> None:
    line = dial(greeting={"instructions": "Greet the caller.", "interruptible": True})
    line.open()
    line.play(
        [
            (0.1, "created R1 ours", []),
            (0.2, LIMITED.format("R1", "350ms"), [limited("350ms"), "delayed 0.4"]),
            (0.54, None, []),
            (0.7, None, ["create: Greet the caller."]),
        ]
    )


def test_a_greeting_is_left_out_once_the_caller_has_spoken(dial: "Dial") -> None:
    """Also where speech does not interrupt: the server's response to the caller takes its place."""
    vad = {"type": "server_vad", "interrupt_response": False}
    line = dial(greeting={"say": "Hello.", "interruptible": True}, turn_detection=vad)
    line.open()
    line.play(
        [
            (0.1, "created R1 ours", []),
            (0.2, LIMITED.format("R1", "2s"), [limited("2s"), "delayed 2.2"]),
            (0.5, "speech U1", [SpeechStarted(interrupts=False)]),
            (1.0, "pause U1", [SpeechStopped("U1")]),
            (1.1, "created R2", []),
            (1.2, "audio R2 A 20", ["sound A 20"]),
            (1.3, "done R2", [ReplyEnded("A")]),
            (99.0, None, []),
        ]
    )


def test_a_goodbye_is_asked_for_once_more_and_then_left_out(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", [])])
    line.hear("call R1 c1 hang_up {}")
    goodbye = "create: Say goodbye in one short sentence."
    line.play(
        [
            (1.1, "done R1", [goodbye]),
            (1.2, "created R2 ours", []),
            (1.3, LIMITED.format("R2", "6s"), [limited("6s"), "delayed 0.5"]),
            (1.8, None, [goodbye]),
            (1.9, "created R3 ours", []),
            (2.0, LIMITED.format("R3", "6s"), [CloseRequested("the assistant hung up", code=1000)]),
        ]
    )


def test_after_a_lost_session_the_time_is_short_until_a_reply_has_come(dial: "Dial") -> None:
    line = dial()
    sorry = 'create: Say exactly this and nothing else: "Sorry, could you repeat that?"'
    line.open(opening=Opening.RECOVERED)
    line.play(
        [
            (0.1, "created R1 ours", []),
            (0.1, "done R1 failed server_error", [FAILED, "delayed 0.2"]),
            (0.6, None, [sorry]),
            (0.6, "created R2 ours", []),
            (0.7, "audio R2 A 20", ["sound A 20"]),
            (0.8, "done R2 ours", [ReplyEnded("A")]),
            (9.0, "created R3", []),
            (9.1, LIMITED.format("R3", "5s"), [limited("5s"), "delayed 5.1"]),
        ]
    )
    again = dial()
    again.open(opening=Opening.RECOVERED)
    again.play(
        [
            (0.1, "created R1 ours", []),
            (0.1, LIMITED.format("R1", "3s"), [AssistantFailed(limited("3s").why, retry_after_s=3.0)]),
        ]
    )


@pytest.mark.parametrize(
    ("retry_s", "outcome"), [(0, [AssistantFailed(WHY)]), (0.2, [FAILED, "delayed 0.2"])]
)
def test_the_time_is_a_setting(dial: "Dial", retry_s: float, outcome: list[Any]) -> None:
    line = dial(retry_s=retry_s)
    line.open()
    line.play([*SPOKE, (2.2, "done R1 failed server_error", outcome)])


def test_chance_differs_from_call_to_call_and_is_the_same_for_one(dial: "Dial") -> None:
    def again_at(call_id: str) -> float | None:
        line = dial()
        line.open(call_id=call_id)
        line.hear("created R1")
        line.hear("done R1 failed server_error")
        return line.dialect.deadline()

    found = [again_at(f"CA{number}") for number in range(20)]
    assert len(set(found)) > 10
    assert all(at is not None and 0.1875 <= at <= 0.3125 for at in found)
    assert found == [again_at(f"CA{number}") for number in range(20)]


# The `error` event


RATE = {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Please try again in 1s."}
REJECTED = AssistantReportedError("a response failed: rate_limit_exceeded: Please try again in 1s.")


def rejected(**fields: Any) -> dict[str, Any]:
    return {"type": "error", "error": RATE | fields}


@pytest.mark.parametrize("is_named", [True, False])
def test_a_request_that_is_rejected_for_a_moment_is_made_again(dial: "Dial", *, is_named: bool) -> None:
    line = dial(greeting={"say": "Hello.", "interruptible": True})
    line.open()
    event_id = line.last("response.create")["event_id"] if is_named else None
    assert line.hear(rejected(event_id=event_id)) == [REJECTED, "delayed 1.1"]
    line.play([(1.09, None, []), (1.2, None, [HELLO])])


def test_a_turn_that_the_server_cannot_answer_for_a_moment_is_asked_for(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(SPOKE[:3])
    assert line.hear(rejected()) == [REJECTED, "delayed 1.1"]
    line.play([(3.1, None, []), (3.3, None, ["create"])])


def test_it_is_not_asked_for_if_the_server_makes_it_all_the_same(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(SPOKE[:3])
    line.hear(rejected())
    line.play(
        [
            (2.5, "created R1", []),
            (2.6, "audio R1 A 20", ["sound A 20"]),
            (2.7, "done R1", [ReplyEnded("A")]),
            (99.0, None, []),
        ]
    )


@pytest.mark.parametrize("rows", [[], SPOKE])
def test_an_error_that_no_response_waits_for_is_reported(dial: "Dial", rows: "list[Row]") -> None:
    line = dial()
    line.open()
    line.play(rows)
    told = AssistantReportedError("rate_limit_exceeded: Please try again in 1s.")
    assert line.hear(rejected()) == [told]


# Incomplete


def test_an_incomplete_response_with_an_error_and_no_sound_is_one_that_failed(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", [])])
    details = {"type": "incomplete", "reason": "interrupted", "error": RATE}
    done = {"id": "R1", "status": "incomplete", "status_details": details}
    assert line.hear({"type": "response.done", "response": done}) == [REJECTED, "delayed 1.1"]
