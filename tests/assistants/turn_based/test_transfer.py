"""Transfer over HTTP: an answer asks for it, and a post says what became of it."""

import json
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.vocabulary.commands import ReportTransfer
from bridge.vocabulary.contracts import Posted
from bridge.vocabulary.events import Opening, ToolUsed
from bridge.vocabulary.people import Outcome, TransferRequested

if TYPE_CHECKING:
    from tests.assistants.turn_based.conftest import Dial, Open

URL = "http://assistant.example.com/turn"
BUSY = ReportTransfer("transfer-1", "billing", Outcome.BUSY, "the line is busy")


def answer(**fields: object) -> Posted:
    return Posted(200, "application/json", json.dumps(fields).encode())


def test_an_answer_asks_for_it_and_a_post_says_what_became_of_it(opened: "Open", sentence: bytes) -> None:
    line = opened()
    line.says(sentence)
    asked = line.hear(answer(transfer="billing", why="an invoice", summary="Ann"))
    assert asked == [TransferRequested("billing", "an invoice", "Ann", "transfer-1")]
    line.tell(BUSY)
    told = json.loads(line.posts[-1].body)
    assert told == {"transfer": {"person": "billing", "outcome": "busy", "text": "the line is busy"}}
    assert line.posts[-1].headers["X-Voicebridge-Turn"] == "2"


def test_a_caller_who_is_back_is_a_post(dial: "Dial") -> None:
    line = dial(URL)
    used = ToolUsed("", "transfer", "{}", "billing has left.")
    line.open(opening=Opening.RETURNED, history=(used,))
    assert [json.loads(post.body) for post in line.posts] == [{"transfer": {"text": "billing has left."}}]


@pytest.mark.parametrize(
    ("url", "tools", "told"),
    [
        ("ws://assistant", {"transfer": {"people": ["billing"]}}, "no answer can ask for it"),
        (URL, {"transfer": {}}, "transfer should have the names of people"),
        (URL, {"hang_up": {}}, "the only tool that is ever called here"),
    ],
)
def test_where_no_answer_can_ask_for_it(url: str, tools: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TurnBasedSettings.model_validate({"kind": "turn-based", "url": url, "tools": tools})
    TurnBasedSettings.model_validate(
        {"kind": "turn-based", "url": URL, "tools": {"transfer": {"people": ["billing"]}}}
    )
