"""Whose turn it is: responses asked for and not, digits, our own turn detection, and replies that do not come."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReportedError,
    Ignored,
    ReplyEnded,
    ReplySaid,
    SpeechStarted,
    SpeechStopped,
)

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, Row

FIXTURES = Path(__file__).parents[3] / "fixtures"

TYPED = "item user: The caller typed on the keypad: 12"
REFUSED = Ignored("error: conversation_already_has_active_response")
NOT_ACTIVE = Ignored("error: response_cancel_not_active")
REFUSED_LATE = "error conversation_already_has_active_response in progress"
FAILED = AssistantReportedError("a response failed: server_error")
SILENT = AssistantReportedError("a reply without audio")
LISTENS = SpeechStarted(interrupts=False)
NO_REPLY = AssistantFailed("no reply within 10 s")

SPOKE: "list[Row]" = [
    (1.0, "speech U1", [SpeechStarted()]),
    (2.0, "pause U1", [SpeechStopped("U1")]),
    (2.0, "committed U1", []),
]

SCENES: "dict[str, list[Row]]" = {
    # Digits
    "an entry becomes an item and a request": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "added", []),
        (1.2, "created R1 ours", []),
        (1.3, "audio R1 A 20", ["sound A 20"]),
        (1.4, "done R1 ours", [ReplyEnded("A")]),
    ],
    "an entry during a reply cancels it, and is answered after its end": [
        (1.0, "created R1", []),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, EnterDigits("12"), ["cancel R1", TYPED]),
        (1.3, "audio R1 A 500", []),
        (1.4, "done R1 cancelled client_cancelled", [ReplyEnded("A"), "create"]),
    ],
    "an entry while a request is in flight: its response is not wanted any more": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, EnterDigits("12"), [TYPED]),
        (1.2, "created R1 ours", ["cancel R1"]),
        (1.3, "audio R1 A 20", []),
        (1.4, "done R1 cancelled client_cancelled", ["create"]),
    ],
    "an entry while the caller speaks is covered by the turn's own response": [
        (1.0, "speech U1", [SpeechStarted()]),
        (1.5, EnterDigits("12"), [TYPED]),
        (1.6, "added", []),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (2.0, "committed U1", []),
        (2.2, "created R1", []),
        (2.3, "audio R1 A 20", ["sound A 20"]),
        (2.4, "done R1", [ReplyEnded("A")]),
    ],
    "an entry that the turn's response did not know is answered after it": [
        (1.0, "speech U1", [SpeechStarted()]),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (2.0, "committed U1", []),
        (2.1, EnterDigits("12"), [TYPED]),
        (2.2, "created R1", []),
        (2.2, "added", []),
        (2.3, "audio R1 A 20", ["sound A 20"]),
        (2.4, "done R1", [ReplyEnded("A"), "create"]),
    ],
    # The gate against the server's own turn detection
    "refused, for the server was faster: kept until that response is done": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "created R1", []),
        (1.1, "refused", [REFUSED]),
        (1.2, "added", []),
        (1.4, "audio R1 A 20", ["sound A 20"]),
        (1.5, "done R1", [ReplyEnded("A"), "create"]),
    ],
    "refused, but the server's own response knew the entry": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "added", []),
        (1.1, "created R1", []),
        (1.1, "refused", [REFUSED]),
        (1.4, "audio R1 A 20", ["sound A 20"]),
        (1.5, "done R1", [ReplyEnded("A")]),
    ],
    "refused, and the response in the way was never announced": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "refused", [REFUSED]),
        (1.5, "done R0", ["create"]),
    ],
    "a request that overlaps with the caller's speech is not talked over": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (1.1, "speech U1", [SpeechStarted()]),
        (1.2, "created R1 ours", ["cancel R1"]),
        (1.3, "audio R1 A 20", []),
        (1.4, "done R1 cancelled client_cancelled", []),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (2.2, "created R2", []),
        (2.3, "audio R2 B 20", ["sound B 20"]),
    ],
    "a response that was cancelled, and had ended already": [
        (1.0, "created R1", []),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, EnterDigits("12"), ["cancel R1", TYPED]),
        (1.3, "not-active", [NOT_ACTIVE, ReplyEnded("A"), "create"]),
        (1.4, "created R2 ours", []),
        (1.5, "done R1", []),
        (1.6, "audio R2 B 20", ["sound B 20"]),
    ],
    "a response that was cancelled, and whose end never comes": [
        (1.0, "created R1", []),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, EnterDigits("12"), ["cancel R1", TYPED]),
        (6.1, None, []),
        (6.2, None, [ReplyEnded("A"), "create"]),
    ],
    "a response that the server cut, and whose end never comes": [
        (1.0, "created R1", []),
        (1.1, "audio R1 A 500", ["sound A 500"]),
        (1.2, "speech U1", [SpeechStarted()]),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (6.2, None, [ReplyEnded("A")]),
        (12.0, None, ["create"]),
    ],
    # No dead air
    "a turn that is never said to be committed": [
        (1.0, "speech U1", [SpeechStarted()]),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (12.0, None, ["create"]),
    ],
    "a reply without audio is asked for once more": [
        *SPOKE,
        (2.1, "created R1", []),
        (2.2, "words R1 A Hm", [ReplySaid("A", "Hm")]),
        (2.3, "done R1", [SILENT, "delayed 0.5"]),
        (2.8, None, ["create"]),
        (2.9, "created R2 ours", []),
        (3.0, "done R2 ours", [AssistantFailed("a reply without audio")]),
    ],
    "a reply without audio to a caller who speaks again": [
        *SPOKE,
        (2.1, "created R1", []),
        (2.2, "speech U2", [SpeechStarted()]),
        (2.3, "done R1", []),
        (9.0, None, []),
    ],
    "a request without an answer is made once more, then given up": [
        (1.0, EnterDigits("12"), [TYPED, "create"]),
        (5.9, None, []),
        (6.0, None, ["create"]),
        (11.0, None, [AssistantFailed("it makes no response, though asked twice")]),
        (60.0, None, []),
    ],
    "a turn that the server does not answer is asked for, once": [
        *SPOKE,
        (11.9, None, []),
        (12.0, None, ["create"]),
        (12.5, "created R1 ours", []),
        (12.6, "audio R1 A 20", ["sound A 20"]),
        (12.7, "done R1 ours", [ReplyEnded("A")]),
        (99.0, None, []),
    ],
    "a turn that is never answered": [
        *SPOKE,
        (12.0, None, ["create"]),
        (17.0, None, ["create"]),
        (21.9, None, []),
        (22.0, None, [NO_REPLY]),
        (99.0, None, []),
    ],
    "a response of which nothing comes": [
        *SPOKE,
        (2.1, "created R1", []),
        (12.0, None, []),
        (12.1, None, [NO_REPLY]),
    ],
    "a reply that stops in its middle": [
        *SPOKE,
        (2.1, "created R1", []),
        (3.0, "audio R1 A 20", ["sound A 20"]),
        (6.0, "audio R1 A 20", ["sound A 20"]),
        (15.9, None, []),
        (16.0, None, [NO_REPLY]),
    ],
    "a caller who speaks again waits for nothing": [
        *SPOKE,
        (3.0, "speech U2", [SpeechStarted()]),
        (30.0, "pause U2", [SpeechStopped("U2")]),
        (30.0, "committed U2", []),
        (30.1, "created R1", []),
        (30.2, "audio R1 A 20", ["sound A 20"]),
    ],
    "a reply cut short by the server is told": [
        (1.0, "created R1", []),
        (
            1.1,
            "done R1 incomplete max_output_tokens",
            [AssistantReportedError("a reply is incomplete: max_output_tokens"), "delayed 0.5"],
        ),
        (1.6, None, ["create"]),
        (1.7, "created R2 ours", []),
        (1.8, "audio R2 A 20", ["sound A 20"]),
        (
            1.9,
            "done R2 incomplete max_output_tokens",
            [ReplyEnded("A"), AssistantReportedError("a reply is incomplete: max_output_tokens")],
        ),
        (9.0, None, []),
    ],
    "an end without a beginning": [(1.0, "done R1 cancelled turn_detected", []), (1.1, "done R1", [])],
}


@pytest.mark.parametrize("scene", SCENES)
def test_with_the_servers_turn_detection(dial: "Dial", scene: str) -> None:
    line = dial()
    line.open()
    line.play(SCENES[scene])


UNINTERRUPTED: "dict[str, list[Row]]" = {
    "the server's own response is refused": [
        (2.1, REFUSED_LATE, [REFUSED]),
        (3.0, "done R1", [ReplyEnded("A"), "create"]),
        (3.1, "created R2 ours", []),
        (3.2, "audio R2 B 20", ["sound B 20"]),
        (3.3, "done R2 ours", [ReplyEnded("B")]),
        (99.0, None, []),
    ],
    "the server tells nothing": [
        (3.0, "done R1", [ReplyEnded("A")]),
        (12.9, None, []),
        (13.0, None, ["create"]),
    ],
    "the server answers after it": [
        (3.0, "done R1", [ReplyEnded("A")]),
        (3.1, "created R2", []),
        (3.2, "audio R2 B 20", ["sound B 20"]),
        (3.3, "done R2", [ReplyEnded("B")]),
        (99.0, None, []),
    ],
    "the caller speaks again": [
        (2.1, REFUSED_LATE, [REFUSED]),
        (2.5, "speech U2", [LISTENS]),
        (3.0, "done R1", [ReplyEnded("A")]),
        (20.0, "pause U2", [SpeechStopped("U2")]),
        (20.1, "created R2", []),
        (20.2, "audio R2 B 20", ["sound B 20"]),
    ],
}


@pytest.mark.parametrize("scene", UNINTERRUPTED)
def test_a_turn_that_comes_into_a_reply_which_it_does_not_interrupt(dial: "Dial", scene: str) -> None:
    line = dial(turn_detection={"type": "server_vad", "interrupt_response": False})
    line.open()
    line.play(
        [
            (1.0, "created R1", []),
            (1.1, "audio R1 A 500", ["sound A 500"]),
            (1.2, "speech U1", [LISTENS]),
            (2.0, "pause U1", [SpeechStopped("U1")]),
            (2.0, "committed U1", []),
            *UNINTERRUPTED[scene],
        ]
    )


def test_a_request_that_the_server_rejects_is_made_once_more(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.tell(EnterDigits("12"))
    rejected = line.event("error invalid_value no")
    rejected["error"]["event_id"] = line.last("response.create")["event_id"]
    assert line.hear(rejected) == [
        AssistantReportedError("a response failed: invalid_value: no"),
        "delayed 0.5",
    ]
    assert line.pass_to(0.5) == ["create"]
    rejected["error"]["event_id"] = line.last("response.create")["event_id"]
    assert line.hear(rejected) == [AssistantFailed("a response failed: invalid_value: no")]


def test_if_the_server_detects_turns_but_does_not_answer_we_ask(dial: "Dial") -> None:
    line = dial(turn_detection={"type": "server_vad", "create_response": False})
    line.open()
    line.play(
        [
            (1.0, "speech U1", [SpeechStarted()]),
            (1.5, EnterDigits("12"), [TYPED]),
            (2.0, "pause U1", [SpeechStopped("U1")]),
            (2.0, "committed U1", ["create"]),
            (2.2, "created R1 ours", []),
            (2.3, "audio R1 A 20", ["sound A 20"]),
            (2.4, "done R1 ours", [ReplyEnded("A")]),
        ]
    )
