"""A conversation that begins with what was said and done before: the simulated server takes it as the real one does."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.simulators.openai.conftest import Peer

    Dial = Callable[..., Peer]

HISTORY = """
[[replies]]
say = "Plain."

[[replies]]
on_output = "book"
say = "It is booked."
"""
CALLED = {"type": "function_call", "call_id": "vb_1", "name": "book", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "vb_1", "output": "booked"}
TOLD = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is booked."}]}


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([CALLED, OUTPUT], "It is booked."),
        ([CALLED, OUTPUT, TOLD], "Plain."),
        ([TOLD, CALLED, OUTPUT], "It is booked."),
    ],
    ids=["an output", "one that was spoken of", "one since then"],
)
def test_a_history_with_calls_and_their_outputs_is_taken(
    peer: "Dial", items: list[dict[str, Any]], says: str
) -> None:
    call = peer(HISTORY)
    for item in items:
        assert call.send("conversation.item.create", item=item).one("conversation.item.added")
    call.send("response.create")
    assert call.wait(3.0).words() == says


def test_an_output_comes_after_its_call(peer: "Dial") -> None:
    call = peer(HISTORY)
    refused = call.send("conversation.item.create", item=OUTPUT).one("error")["error"]
    assert refused["code"] == "invalid_tool_call_id"
    call.send("conversation.item.create", item=CALLED)
    assert call.send("conversation.item.create", item=OUTPUT).one("conversation.item.added")
