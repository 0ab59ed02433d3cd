"""Being interrupted, told as sessions: what was heard of each item, who cancels, and what is late."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.commands import ConfirmHeard, DropReply, TruncateReply
from bridge.vocabulary.events import Ignored, ReplyEnded, ReplySaid, SpeechStarted, SpeechStopped

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, RealtimeLine, Row


def truncate_error(line: "RealtimeLine", message: str) -> dict[str, Any]:
    event_id = line.last("conversation.item.truncate")["event_id"]
    body = {"type": "invalid_request_error", "code": None, "message": message, "event_id": event_id}
    return {"type": "error", "error": body}


REPLY: "list[Row]" = [
    (1.0, "created R1", []),
    (1.1, "audio R1 A 700", ["sound A 700"]),
    (1.2, "audio R1 A 300", ["sound A 300"]),
]

SCENES: "dict[str, list[Row]]" = {
    "the server cancels what it makes; late audio is dropped by its response": [
        *REPLY,
        (1.5, "speech U1", [SpeechStarted()]),
        (1.5, TruncateReply("A", 400), ["truncate A 400"]),
        (1.6, "audio R1 A 200", []),
        (1.6, "words R1 A never heard", []),
        (1.6, "audio R1 B 200", []),
        (1.6, "audio-done R1 A", [ReplyEnded("A")]),
        (1.7, "done R1 cancelled turn_detected", []),
        (1.8, "audio R1 A 20", []),
    ],
    "a reply that was made before it was heard is only cut": [
        *REPLY,
        (1.3, "done R1", [ReplyEnded("A")]),
        (1.9, "speech U1", [SpeechStarted()]),
        (1.9, TruncateReply("A", 800), ["truncate A 800"]),
    ],
    "never more is heard than came in": [
        *REPLY,
        (3.0, "speech U1", [SpeechStarted()]),
        (3.0, TruncateReply("A", 1085), ["truncate A 1000"]),
    ],
    "each item is counted by itself": [
        *REPLY,
        (1.3, "audio-done R1 A", [ReplyEnded("A")]),
        (1.4, "audio R1 B 500", ["sound B 500"]),
        (1.4, "audio-done R1 B", [ReplyEnded("B")]),
        (1.4, "audio R1 C 500", ["sound C 500"]),
        (2.4, ConfirmHeard("A"), []),
        (2.6, "speech U1", [SpeechStarted()]),
        (2.6, TruncateReply("B", 700), ["truncate B 500"]),
        (2.6, DropReply("C"), ["delete C"]),
    ],
    "at 0 ms there is nothing to cut, and the item goes": [
        *REPLY,
        (1.3, "speech U1", [SpeechStarted()]),
        (1.3, TruncateReply("A", 0), ["delete A"]),
    ],
    "an item is cut once, and not after it was heard": [
        *REPLY,
        (1.3, "audio-done R1 A", [ReplyEnded("A")]),
        (1.4, "audio R1 B 500", ["sound B 500"]),
        (2.2, ConfirmHeard("A"), []),
        (2.3, "speech U1", [SpeechStarted()]),
        (2.3, TruncateReply("A", 900), []),
        (2.3, TruncateReply("B", 100), ["truncate B 100"]),
        (2.4, TruncateReply("B", 90), []),
        (2.4, DropReply("B"), []),
    ],
    "what we do not know is not cut": [
        (1.0, TruncateReply("old", 300), []),
        (1.0, DropReply("older"), []),
        (1.0, ConfirmHeard("oldest"), []),
    ],
    "an item of words alone has no sound to cut": [
        (1.0, "created R1", []),
        (1.1, "words R1 A Good", [ReplySaid("A", "Good")]),
        (1.2, "speech U1", [SpeechStarted()]),
        (1.2, TruncateReply("A", 40), ["delete A"]),
    ],
    "a response that nobody announced": [
        (1.0, "audio R1 A 500", ["sound A 500"]),
        (1.1, "speech U1", [SpeechStarted()]),
        (1.1, TruncateReply("A", 100), ["truncate A 100"]),
        (1.2, "audio R1 A 200", []),
        (1.3, "done R1 cancelled turn_detected", [ReplyEnded("A")]),
    ],
    "the next reply is heard": [
        *REPLY,
        (1.3, "speech U1", [SpeechStarted()]),
        (1.3, TruncateReply("A", 100), ["truncate A 100"]),
        (1.4, "done R1 cancelled turn_detected", [ReplyEnded("A")]),
        (2.0, "pause U1", [SpeechStopped("U1")]),
        (2.0, "committed U1", []),
        (2.2, "created R2", []),
        (2.3, "audio R2 B 200", ["sound B 200"]),
    ],
}


@pytest.mark.parametrize("scene", SCENES)
def test_interrupted_by_the_servers_turn_detection(dial: "Dial", scene: str) -> None:
    line = dial()
    line.open()
    line.play(SCENES[scene])


def test_who_does_not_interrupt_cuts_nothing(dial: "Dial") -> None:
    line = dial(turn_detection={"type": "server_vad", "interrupt_response": False})
    line.open()
    line.play(
        [
            *REPLY,
            (1.5, "speech U1", [SpeechStarted(interrupts=False)]),
            (1.6, "audio R1 A 200", ["sound A 200"]),
        ]
    )


def test_a_playback_cleared_for_another_reason_costs_the_response(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(
        [
            *REPLY,
            (1.5, TruncateReply("A", 300), ["cancel R1", "truncate A 300"]),
            (1.6, "audio R1 A 200", []),
            (1.7, "done R1 cancelled client_cancelled", [ReplyEnded("A")]),
            (1.8, "error response_cancel_not_active none", [Ignored("error: response_cancel_not_active")]),
        ]
    )


def test_the_cut_is_rounded_down_to_what_came(dial: "Dial") -> None:
    line = dial()
    line.open()
    delta = {"type": "response.output_audio.delta", "item_id": "A", "response_id": "R1"}
    line.hear(delta | {"delta": "//////////8="})  # 8 bytes, 1 ms
    line.hear(delta | {"delta": "/////////w=="})  # 7 more
    line.hear("speech U1")
    assert line.tell(TruncateReply("A", 2)) == ["truncate A 1"]


SHORTER = "Audio content of 950ms is already shorter than 1000ms"


def test_already_shorter_is_answered_once_with_the_servers_length(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(
        [
            *REPLY,
            (2.5, "speech U1", [SpeechStarted()]),
            (2.5, TruncateReply("A", 1000), ["truncate A 1000"]),
        ]
    )
    first = truncate_error(line, SHORTER)
    assert line.hear(first) == [Ignored("error: invalid_request_error"), "truncate A 950"]
    second = truncate_error(line, "Audio content of 900ms is already shorter than 950ms")
    assert line.hear(second) == [Ignored("error: invalid_request_error")]
    assert line.hear(first) == [Ignored("error: invalid_request_error")]


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("Audio content of 0ms is already shorter than 1000ms", ["delete A"]),
        ("it is already shorter", []),
        ("Only model output audio messages can be truncated", []),
    ],
)
def test_other_answers_to_a_cut(dial: "Dial", message: str, outcome: list[str]) -> None:
    line = dial()
    line.open()
    line.play([*REPLY, (2.5, "speech U1", [SpeechStarted()])])
    line.tell(TruncateReply("A", 1000))
    _, *rest = line.hear(truncate_error(line, message))
    assert rest == outcome


def test_a_server_that_names_no_responses_goes_on_after_an_interruption(dial: "Dial") -> None:
    line = dial()
    line.open()
    delta = {"type": "response.output_audio.delta", "delta": "//////////8="}
    assert line.hear(delta | {"item_id": "A"}) == ["sound A 1"]
    line.hear("speech U1")
    line.tell(TruncateReply("A", 1))
    assert line.hear(delta | {"item_id": "A"}) == []
    assert line.hear(delta | {"item_id": "B"}) == ["sound B 1"]
