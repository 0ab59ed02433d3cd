"""Servers that tell a function call in pieces, each in its own order."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.commands import AnswerTool
from bridge.vocabulary.events import ToolCalled

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial

CALLED = ToolCalled("c1", "weather", '{"city": "Rome"}')


ITEM = {"id": "F", "type": "function_call", "call_id": "c1", "name": "weather"}
ARGUMENTS = '{"city": "Rome"}'
ADDED = {"type": "response.output_item.added", "response_id": "R1", "item": ITEM | {"arguments": ""}}
ITEM_DONE = {
    "type": "response.output_item.done",
    "response_id": "R1",
    "item": ITEM | {"arguments": ARGUMENTS},
}
BARE = {
    "type": "response.function_call_arguments.done",
    "response_id": "R1",
    "item_id": "F",
    "arguments": ARGUMENTS,
}
EMPTY_DONE = ITEM_DONE | {"item": ITEM | {"arguments": ""}}
BARE_DONE = ITEM_DONE | {"item": ITEM}
DONE = {
    "type": "response.done",
    "response": {"id": "R1", "status": "completed", "output": [ITEM | {"arguments": ARGUMENTS}]},
}
MESSAGE = {"type": "response.output_item.added", "response_id": "R1", "item": {"id": "M", "type": "message"}}

PIECES: list[list[tuple[dict[str, Any], bool]]] = [
    [(ADDED, False), (BARE, True), (ITEM_DONE, False), (DONE, False)],
    [(MESSAGE, False), (BARE, False), (BARE_DONE, True), (DONE, False)],
    [(ADDED, False), (ITEM_DONE, True), (BARE, False), (DONE, False)],
    [(BARE | {"call_id": "", "name": ""}, False), (DONE, True)],
    [(EMPTY_DONE, False), (BARE, True), (DONE, False)],
    [(EMPTY_DONE, False), (DONE, True)],
    [(DONE, True)],
]


@pytest.mark.parametrize("pieces", PIECES)
def test_a_call_is_made_once_when_all_is_known_of_it(
    dial: "Dial", pieces: list[tuple[dict[str, Any], bool]]
) -> None:
    line = dial()
    line.open()
    for event, called in pieces:
        assert line.hear(event) == ([CALLED] if called else [])
    assert line.tell(AnswerTool("c1", "sunny")) == ["output c1: sunny", "create"]


def test_a_call_without_a_response_s_name_is_followed_up(dial: "Dial") -> None:
    line = dial()
    line.open()
    nameless = {name: value for name, value in BARE.items() if name != "response_id"}
    assert line.hear(nameless | {"call_id": "c1", "name": "weather"}) == [CALLED]
    assert line.tell(AnswerTool("c1", "sunny")) == ["output c1: sunny"]
    assert line.hear("done R1") == ["create"]
