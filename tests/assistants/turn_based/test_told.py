"""What an operator tells an assistant that takes turns: a post over HTTP, and nothing over a WebSocket."""

import json
from typing import TYPE_CHECKING

import pytest

from bridge.assistants.registry import ASSISTANTS
from bridge.vocabulary.commands import TellAssistant
from bridge.vocabulary.contracts import Posted

if TYPE_CHECKING:
    from tests.assistants.turn_based.conftest import Dial, Open

URL = "http://assistant.example.com/turn"
ANSWER = Posted(200, "audio/basic", b"\x10" * 800)


@pytest.mark.parametrize("responds", [True, False])
def test_it_is_posted_and_answered_where_that_is_wanted(opened: "Open", responds: bool) -> None:
    line = opened()
    line.tell(TellAssistant("Offer a free month.", responds=responds))
    assert json.loads(line.posts[-1].body) == {"tell": {"text": "Offer a free month.", "respond": responds}}
    heard = line.hear(ANSWER)
    assert ("sound reply-1 100" in heard) is responds


def test_who_can_be_told(dial: "Dial") -> None:
    kind = ASSISTANTS["turn-based"]
    for url, can in ((URL, True), ("ws://assistant.example.com", False)):
        settings = kind.settings.model_validate({"kind": "turn-based", "url": url})
        assert kind.can_be_told(settings) is can
    assert not ASSISTANTS["echo"].can_be_told(ASSISTANTS["echo"].settings(kind="echo"))
