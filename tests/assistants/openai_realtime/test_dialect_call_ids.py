"""Servers that give every function call the same `call_id`, or none: which call is new, and where its output goes."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.vocabulary.commands import AnswerTool, EnterDigits
from bridge.vocabulary.events import (
    AssistantHangingUp,
    CloseRequested,
    EntryEnd,
    EntryRequested,
    NoteTaken,
    ReplyEnded,
    SpeechStarted,
    ToolCalled,
)

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, RealtimeLine

ROME, PARIS = '{"city": "Rome"}', '{"city": "Paris"}'


def call(response: str, item: str, arguments: str = ROME, **fields: Any) -> dict[str, Any]:
    made = {"name": "weather", "call_id": "call_1"} | fields
    kind = "response.function_call_arguments.done"
    return {"type": kind, "response_id": response, "item_id": item, "arguments": arguments} | made


def done(response: str, *items: dict[str, Any]) -> dict[str, Any]:
    body = {"id": response, "status": "completed", "output": [_item(item) for item in items]}
    return {"type": "response.done", "response": body}


def _item(event: dict[str, Any]) -> dict[str, Any]:
    fields = {key: event[key] for key in ("call_id", "name", "arguments") if key in event}
    return {"id": event["item_id"], "type": "function_call"} | fields


def opened(dial: "Dial") -> "RealtimeLine":
    line = dial()
    line.open()
    return line


@pytest.mark.parametrize("has_items", [True, False])
@pytest.mark.parametrize("call_id", ["call_1", "", None])
def test_a_call_in_every_turn_runs_every_time(dial: "Dial", call_id: str | None, *, has_items: bool) -> None:
    """The arguments differ or not; the server says it twice, the second time in `response.done`."""
    line = opened(dial)
    names = []
    for turn, arguments in enumerate([ROME, ROME, PARIS, ROME], 1):
        one = call(f"R{turn}", f"F{turn}" if has_items else "", arguments, call_id=call_id)
        line.hear(f"created R{turn}")
        told = [*line.hear(one), *line.hear(done(f"R{turn}", one))]
        (called,) = told
        assert isinstance(called, ToolCalled)
        assert (called.tool, called.arguments) == ("weather", arguments)
        names.append(called.tool_call_id)
        assert line.tell(AnswerTool(called.tool_call_id, "sunny"))[-1] == "create"
        item = line.last("conversation.item.create")["item"]
        assert item["call_id"] == (call_id or called.tool_call_id)
        assert not has_items or line.hear(done(f"R{turn}", one)) == [], "the same once more"
        line.hear(f"created N{turn} ours")
        line.hear(f"audio N{turn} A{turn} 20")
        line.hear(f"done N{turn} ours")
    if call_id == "call_1":
        assert names == ["call_1"] * 4
    elif has_items:
        assert names == ["F1", "F2", "F3", "F4"]
    else:
        assert len(set(names)) == 4


def test_built_in_tools_too(dial: "Dial") -> None:
    line = opened(dial)
    for turn in ("1", "2"):
        note = call(f"R{turn}", f"F{turn}", '{"text": "x"}', name="note")
        line.hear(f"created R{turn}")
        assert line.hear(note) == [NoteTaken("x"), "output call_1: noted"]
        assert line.hear(done(f"R{turn}", note)) == ["create"]
        line.hear(f"created N{turn} ours")
        line.hear(f"audio N{turn} A{turn} 20")
        assert line.hear(f"done N{turn} ours") == [ReplyEnded(f"A{turn}")]
    hang_up = call("R3", "F3", "{}", name="hang_up")
    line.hear("created R3")
    line.hear("audio R3 A3 20")
    assert line.hear(hang_up) == [AssistantHangingUp(), "output call_1: the call ends now"]
    assert line.hear(done("R3", hang_up)) == [
        ReplyEnded("A3"),
        CloseRequested("the assistant hung up", code=1000),
    ]


def test_the_same_call_under_another_item_is_a_repeat_while_it_is_open(dial: "Dial") -> None:
    line = opened(dial)
    line.hear("created R1")
    assert line.hear(call("R1", "F1")) == [ToolCalled("call_1", "weather", ROME)]
    assert line.hear(done("R1", call("R1", "F9"))) == []
    line.hear("created R2")
    assert line.hear(call("R2", "F2")) == [], "in a later response"
    assert line.hear(done("R2")) == []
    assert line.tell(AnswerTool("call_1", "sunny")) == ["output call_1: sunny", "create"]


def test_other_calls_under_the_same_id_run_beside_it_and_each_output_follows_its_call(dial: "Dial") -> None:
    line = opened(dial)
    line.hear("created R1")
    assert line.hear(call("R1", "F1")) == [ToolCalled("call_1", "weather", ROME)]
    assert line.hear(call("R1", "F2", PARIS)) == [ToolCalled("call_1#2", "weather", PARIS)]
    assert line.hear(done("R1", call("R1", "F1"), call("R1", "F2", PARIS))) == []
    assert line.tell(AnswerTool("call_1#2", "rain")) == ["output call_1: rain (behind F2)"]
    assert line.tell(AnswerTool("call_1", "sunny")) == ["output call_1: sunny (behind F1)", "create"]


def test_a_call_while_an_entry_is_open_runs(dial: "Dial") -> None:
    """The caller is asked to type, and asks something else instead."""
    line = opened(dial)
    line.hear("created R1")
    ask = call("R1", "F1", "{}", name="collect_digits")
    assert line.hear(ask) == [EntryRequested("call_1")]
    line.hear(done("R1", ask))
    assert line.hear("speech U1") == [SpeechStarted()]
    line.hear("pause U1")
    line.hear("created R2")
    assert line.hear(call("R2", "F2")) == [ToolCalled("call_1#2", "weather", ROME)]
    line.hear(done("R2"))
    assert line.tell(AnswerTool("call_1#2", "sunny")) == ["output call_1: sunny (behind F2)"]
    typed = EnterDigits("12", EntryEnd.TERMINATOR, "#", request_id="call_1")
    assert line.tell(typed) == ['output call_1: {"digits":"12","reason":"terminator"} (behind F1)', "create"]


def test_a_call_that_was_interrupted_is_not_run_when_it_comes_again(dial: "Dial") -> None:
    line = opened(dial)
    line.hear("created R1")
    line.hear("speech U1")
    assert line.hear(call("R1", "F1")) == ["output call_1: error: interrupted"]
    assert line.hear(done("R1", call("R1", "F1"))) == []


def test_a_call_without_an_id_that_was_interrupted_is_answered(dial: "Dial") -> None:
    line = opened(dial)
    line.hear("created R1")
    line.hear("speech U1")
    assert line.hear(call("R1", "F1", call_id="")) == []
    assert line.hear(done("R1")) == ["output F1: error: interrupted"]
