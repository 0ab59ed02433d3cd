"""What an operator tells the model: an item of the system's, and a response where one is wanted."""

from typing import TYPE_CHECKING

from bridge.vocabulary.commands import TellAssistant

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, RealtimeLine


def asked(line: "RealtimeLine") -> int:
    """How many responses were asked for."""
    return sum(message["type"] == "response.create" for message in line.sent)


def test_it_is_told_and_answers(dial: "Dial") -> None:
    line = dial()
    line.open()
    before = asked(line)
    line.tell(TellAssistant("Offer a free month."))
    item = line.last("conversation.item.create")["item"]
    assert item["role"] == "system"
    assert item["content"] == [{"type": "input_text", "text": "Offer a free month."}]
    assert asked(line) == before + 1


def test_it_is_told_and_goes_on(dial: "Dial") -> None:
    line = dial()
    line.open()
    before = asked(line)
    line.tell(TellAssistant("Offer a free month.", responds=False))
    assert line.last("conversation.item.create")["item"]["role"] == "system"
    assert asked(line) == before


def test_an_answer_waits_for_what_it_is_saying(dial: "Dial") -> None:
    line = dial()
    line.open()
    line.hear("created R1")
    before = asked(line)
    line.tell(TellAssistant("Offer a free month."))
    assert line.last("conversation.item.create")["item"]["role"] == "system"
    assert asked(line) == before
    line.hear("done R1")
    assert asked(line) == before + 1
