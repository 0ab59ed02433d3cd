"""First words: the greeting and its guard, what was said before, and the recovery."""

from typing import TYPE_CHECKING

import pytest

from bridge.vocabulary.commands import AppendAudio, ConfirmHeard, DropReply, EnterDigits, TruncateReply
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    Opening,
    ReplyEnded,
    Said,
    Speaker,
)
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Outcome, Row

READY = AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=True)
HELLO = 'create: Say exactly this and nothing else: "Hello."'
FRAME = AppendAudio(b"\xff" * 160)
HISTORY = (Said(Speaker.CALLER, "Hi."), Said(Speaker.ASSISTANT, "Good day."), Said(Speaker.CALLER, ""))
TOLD = ["item user: Hi.", "item assistant: Good day."]

FAILED = AssistantReportedError("a response failed: server_error")
SILENT = AssistantReportedError("a reply without audio")

GREETED: "list[Row]" = [
    (0.1, "created R1 ours", []),
    (0.2, "audio R1 A 1000", ["sound A 1000"]),
    (0.2, FRAME, []),
    (0.3, "done R1 ours", [ReplyEnded("A")]),
]

GUARDS: "dict[str, list[Row]]" = {
    "the server listens once the caller has heard the greeting": [
        *GREETED,
        (1.0, FRAME, []),
        (1.3, ConfirmHeard("A"), ["update listening"]),
        (1.3, FRAME, ["append 160"]),
    ],
    "all items of it": [
        (0.1, "created R1 ours", []),
        (0.2, "audio R1 A 1000", ["sound A 1000"]),
        (0.2, "audio R1 B 1000", ["sound B 1000"]),
        (0.3, "done R1 ours", [ReplyEnded("A"), ReplyEnded("B")]),
        (1.3, ConfirmHeard("A"), []),
        (2.3, ConfirmHeard("B"), ["update listening"]),
    ],
    "also if the mark comes before the response is done": [
        (0.1, "created R1 ours", []),
        (0.2, "audio R1 A 100", ["sound A 100"]),
        (0.2, "audio-done R1 A", [ReplyEnded("A")]),
        (0.4, ConfirmHeard("A"), []),
        (0.5, FRAME, []),
        (0.6, "done R1 ours", ["update listening"]),
    ],
    "it listens in any case 5 s after the greeting's sound": [
        *GREETED,
        (6.29, FRAME, []),
        (6.31, FRAME, ["update listening", "append 160"]),
    ],
    "a greeting without sound is tried again, and guarded again": [
        (0.1, "created R1 ours", []),
        (0.3, "done R1 ours", [SILENT, "delayed 0.5"]),
        (0.5, FRAME, []),
        (0.8, None, [HELLO]),
        (0.9, "created R2 ours", []),
        (1.0, "audio R2 A 20", ["sound A 20"]),
        (1.1, "done R2 ours", [ReplyEnded("A")]),
        (1.2, ConfirmHeard("A"), ["update listening"]),
    ],
    "a greeting without sound, twice": [
        (0.1, "created R1 ours", []),
        (0.3, "done R1 ours", [SILENT, "delayed 0.5"]),
        (0.8, None, [HELLO]),
        (0.9, "created R2 ours", []),
        (1.1, "done R2 ours", [AssistantFailed("a reply without audio")]),
    ],
    "a greeting that was cut, and whose end never comes": [
        (0.1, "created R1 ours", []),
        (0.2, "audio R1 A 1000", ["sound A 1000"]),
        (0.4, TruncateReply("A", 200), ["cancel R1", "truncate A 200"]),
        (5.3, FRAME, []),
        (5.4, None, [ReplyEnded("A"), "update listening"]),
    ],
    "a greeting that failed is tried again, and guarded again": [
        (0.1, "created R1 ours", []),
        (0.3, "done R1 failed server_error", [FAILED, "delayed 0.2"]),
        (0.5, FRAME, []),
        (0.8, None, [HELLO]),
        (0.9, "created R2 ours", []),
        (1.0, "audio R2 A 20", ["sound A 20"]),
        (1.1, "done R2 ours", [ReplyEnded("A")]),
        (1.2, ConfirmHeard("A"), ["update listening"]),
    ],
    "a greeting that fails for a while is tried again and again": [
        (0.1, "created R1 ours", []),
        (0.3, "done R1 failed server_error", [FAILED, "delayed 0.2"]),
        (0.8, None, [HELLO]),
        (0.9, "created R2 ours", []),
        (1.1, "done R2 failed server_error", [FAILED, "delayed 0.4"]),
        (1.4, FRAME, []),
        (1.65, None, [HELLO]),
        (2.2, "created R3 ours", []),
        (2.3, "audio R3 A 20", ["sound A 20"]),
        (2.4, "done R3 ours", [ReplyEnded("A")]),
        (2.5, ConfirmHeard("A"), ["update listening"]),
    ],
    "keys pressed into it": [
        (0.1, "created R1 ours", []),
        (0.2, "audio R1 A 1000", ["sound A 1000"]),
        (0.4, TruncateReply("A", 200), ["cancel R1", "truncate A 200"]),
        (0.5, "audio R1 A 1000", []),
        (0.6, "done R1 cancelled client_cancelled", [ReplyEnded("A"), "update listening"]),
        (1.4, EnterDigits("12"), ["item user: The caller typed on the keypad: 12", "create"]),
    ],
    "nothing of it was heard": [
        *GREETED,
        (0.4, DropReply("A"), ["delete A", "update listening"]),
    ],
}


@pytest.mark.parametrize("guard", GUARDS)
def test_the_greeting_is_guarded(dial: "Dial", guard: str) -> None:
    line = dial(greeting="Hello.")
    assert line.open() == [READY, HELLO]
    assert line.last("session.update")["session"]["audio"]["input"]["turn_detection"] is None
    line.play(GUARDS[guard])


def test_a_server_that_refuses_to_listen_again_is_of_no_use(dial: "Dial") -> None:
    line = dial(greeting="Hello.")
    line.open()
    line.play([*GREETED, (1.3, ConfirmHeard("A"), ["update listening"])])
    refusal = line.event("error invalid_value no")
    refusal["error"]["event_id"] = line.last("session.update")["event_id"]
    assert line.hear(refusal) == [AssistantFailed("it does not listen: invalid_value: no")]


def test_a_greeting_that_may_be_interrupted_is_not_guarded(dial: "Dial") -> None:
    line = dial(greeting={"say": "Hello.", "interruptible": True})
    assert line.open() == [READY, HELLO]
    assert line.last("session.update")["session"]["audio"]["input"]["turn_detection"]
    assert line.tell(FRAME) == ["append 160"]
    line.play([*GREETED[:2], (0.3, "done R1 ours", [ReplyEnded("A")]), (1.3, ConfirmHeard("A"), [])])


def test_without_turn_detection_there_is_nothing_to_switch_back_on(dial: "Dial") -> None:
    line = dial(greeting="Hello.", turn_detection="none")
    line.open()
    line.play([*GREETED, (1.3, ConfirmHeard("A"), []), (1.3, FRAME, ["append 160"])])


def test_a_greeting_by_instructions(dial: "Dial") -> None:
    line = dial(greeting={"instructions": "Greet the caller."})
    assert line.open() == [READY, "create: Greet the caller."]
    response = line.last("response.create")["response"]
    assert response["instructions"] == "Be kind.\n\nGreet the caller."
    assert "tool_choice" not in response


def test_without_a_character_the_sentence_stands_alone(dial: "Dial") -> None:
    line = dial(greeting="Hello.", instructions="")
    line.open()
    instructions = line.last("response.create")["response"]["instructions"]
    assert instructions == 'Say exactly this and nothing else: "Hello."'


def test_without_a_greeting_the_caller_has_the_first_word(dial: "Dial") -> None:
    line = dial()
    assert line.open() == [READY]
    assert line.tell(FRAME) == ["append 160"]


@pytest.mark.parametrize(
    ("opening", "outcome"),
    [
        (Opening.RENEWED, [*TOLD, READY]),
        (
            Opening.RECOVERED,
            [*TOLD, READY, 'create: Say exactly this and nothing else: "Sorry, could you repeat that?"'],
        ),
    ],
)
def test_what_was_said_before_is_told_again(dial: "Dial", opening: Opening, outcome: "list[Outcome]") -> None:
    line = dial(greeting="Hello.")
    assert line.open(opening=opening, history=HISTORY) == outcome
    assert line.last("session.update")["session"]["audio"]["input"]["turn_detection"]
    assert line.tell(FRAME) == ["append 160"]


def test_after_a_recovery_nothing_need_be_said(dial: "Dial") -> None:
    line = dial(greeting="Hello.", reconnect_say=False)
    assert line.open(opening=Opening.RECOVERED, history=HISTORY) == [*TOLD, READY]


def test_items_told_again_are_text_under_our_names_and_never_cut(dial: "Dial") -> None:
    line = dial()
    line.open(opening=Opening.RENEWED, history=HISTORY)
    items = [message["item"] for message in line.sent if message["type"] == "conversation.item.create"]
    assert [item["content"] for item in items] == [
        [{"type": "input_text", "text": "Hi."}],
        [{"type": "output_text", "text": "Good day."}],
    ]
    assert len({item["id"] for item in items}) == 2
    for item in items:
        assert item["id"].startswith("vb_")
        assert line.tell(TruncateReply(item["id"], 100)) == []
        assert line.tell(DropReply(item["id"])) == []
