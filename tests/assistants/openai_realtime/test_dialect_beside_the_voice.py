"""What comes beside the voice: the caller's words, the price, and what is not needed."""

from typing import TYPE_CHECKING

import pytest

from bridge.vocabulary.commands import CloseAssistant, TypeDigit
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantReportedError,
    CallerSaid,
    Ignored,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
    TokensUsed,
)

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial


def test_a_turn_of_the_caller(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.play(
        [
            (1.0, "speech U1", [SpeechStarted()]),
            (2.0, "pause U1", [SpeechStopped("U1")]),
            (2.0, "committed U1", []),
            (2.1, "created R1", []),
            (2.2, "audio R1 A 500", ["sound A 500"]),
            (2.3, "transcribed U1 Where are you?", [CallerSaid("U1", "Where are you?")]),
        ]
    )


USAGE = {
    "total_tokens": 410,
    "input_token_details": {"text_tokens": 200, "audio_tokens": 110, "cached_tokens": 128},
    "output_token_details": {"text_tokens": 25, "audio_tokens": 0},
}


def test_what_a_reply_costs(dial: "Dial") -> None:
    line = dial()
    line.open()
    done = {"type": "response.done", "response": {"id": "R1", "status": "completed", "usage": USAGE}}
    tokens = {"input_text": 200, "input_audio": 110, "input_cached": 128, "output_text": 25}
    assert line.hear(done) == [TokensUsed(tokens)]


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (
            {
                "type": "tokens",
                "input_token_details": {"audio_tokens": 30, "text_tokens": 0},
                "output_tokens": 7,
            },
            {"transcription_input_audio": 30, "transcription_output_text": 7},
        ),
        ({"type": "duration", "seconds": 2.2}, {"transcription_seconds": 3}),
    ],
)
def test_what_writing_down_the_caller_costs(dial: "Dial", usage: object, tokens: dict[str, int]) -> None:
    line = dial()
    line.open()
    event = line.event("transcribed U1 Hello") | {"usage": usage}
    assert line.hear(event) == [CallerSaid("U1", "Hello"), TokensUsed(tokens)]


@pytest.mark.parametrize("usage", [None, [], "7", {"input_token_details": 7}, {"input_token_details": None}])
def test_a_price_that_makes_no_sense_costs_nothing_else(dial: "Dial", usage: object) -> None:
    line = dial()
    line.open()
    line.play([(1.0, "created R1", []), (1.1, "audio R1 A 20", ["sound A 20"])])
    done = {"type": "response.done", "response": {"id": "R1", "usage": usage}}
    assert line.hear(done) == [ReplyEnded("A")]


def test_what_could_not_be_written_down_is_an_error_report(dial: "Dial") -> None:
    line = dial()
    line.open()
    event = {
        "type": "conversation.item.input_audio_transcription.failed",
        "error": {"code": "audio_unintelligible"},
    }
    (error_report,) = line.hear(event)
    assert isinstance(error_report, AssistantReportedError)
    assert "audio_unintelligible" in error_report.why


@pytest.mark.parametrize("kind", ["vendor.novelty", "mcp_list_tools.completed"])
def test_an_unknown_kind_is_ignored(dial: "Dial", kind: str) -> None:
    line = dial()
    line.open()
    assert line.hear({"type": kind, "delta": 7}) == [Ignored(kind)]


@pytest.mark.parametrize("kind", ["rate_limits.updated", "response.content_part.added"])
def test_a_known_kind_without_news_is_not_told(dial: "Dial", kind: str) -> None:
    line = dial()
    line.open()
    assert line.hear({"type": kind}) == []


@pytest.mark.parametrize("message", [b"{}", "", "[]", '{"type":"response.output_audio.delta","item_id":"A"}'])
def test_refuses(dial: "Dial", message: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        dial().dialect.decode(message, 0.0)


def test_a_key_alone_is_not_told_and_the_end_needs_no_words(dial: "Dial") -> None:
    line = dial()
    line.open()
    assert line.tell(TypeDigit("5")) == []
    assert line.tell(CloseAssistant()) == []
    assert line.dialect.deadline() is None
