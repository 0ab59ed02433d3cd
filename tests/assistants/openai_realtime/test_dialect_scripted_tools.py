"""Tools in scripted responses: `hang_up` is not offered where it makes no sense, and refused if it is called there."""

from typing import TYPE_CHECKING, Any

import pytest

from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.vocabulary.built_in_tools import HANG_UP, NOTE
from bridge.vocabulary.commands import ConfirmHeard
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantHangingUp,
    AssistantReportedError,
    CloseRequested,
    EntryRequested,
    NoteTaken,
    Opening,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
)

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial, RealtimeLine

GREET = {"instructions": "Greet the caller."}
REFUSED = "output c1: error: the call cannot be ended in this response; it goes on"
SILENT = AssistantReportedError("a reply without audio")
GOODBYE = "create: Say goodbye in one short sentence."


def opened(
    dial: "Dial", *tools: ToolSchema, opening: Opening = Opening.FIRST, **settings: Any
) -> "RealtimeLine":
    line = dial(**settings)
    line.dialect = RealtimeDialect(RealtimeSettings(instructions="Be kind.", **settings), tools)
    line.open(opening=opening)
    return line


def asked(line: "RealtimeLine") -> dict[str, Any]:
    response = line.last("response.create")["response"]
    assert isinstance(response, dict)
    return response


def names(tools: list[dict[str, Any]]) -> list[str]:
    return [tool["name"] for tool in tools]


OTHER = {"type": "function", "name": "other", "parameters": {}}
OFFERED: list[tuple[list[ToolSchema], dict[str, Any], dict[str, Any]]] = [
    ([HANG_UP.schema, NOTE.schema], {}, {"tools": ["note"]}),
    ([HANG_UP.schema], {}, {"tool_choice": "none"}),
    ([HANG_UP.schema], {"session": {"tools": [OTHER]}}, {"tools": ["other"]}),
    ([NOTE.schema], {}, {}),
    ([], {}, {}),
    (
        [HANG_UP.schema, NOTE.schema],
        {"tool_choice": {"type": "function", "name": "hang_up"}},
        {"tools": ["note"], "tool_choice": "auto"},
    ),
    (
        [HANG_UP.schema, NOTE.schema],
        {"tool_choice": {"type": "function", "name": "note"}},
        {"tools": ["note"]},
    ),
]


@pytest.mark.parametrize(("tools", "settings", "fields"), OFFERED)
def test_hang_up_is_not_offered_in_a_greeting_by_instructions(
    dial: "Dial", tools: list[ToolSchema], settings: dict[str, Any], fields: dict[str, Any]
) -> None:
    line = opened(dial, *tools, greeting=GREET, **settings)
    response = asked(line)
    sent = {key: response[key] for key in ("tools", "tool_choice") if key in response}
    assert sent | ({"tools": names(sent["tools"])} if "tools" in sent else {}) == fields
    session = line.last("session.update")["session"]
    offered = names(session.get("tools", []))
    assert ("hang_up" in offered) == (HANG_UP.schema in tools), "in the rest of the call it is"


def test_a_greeting_that_hangs_up_nevertheless_does_not(dial: "Dial") -> None:
    line = opened(dial, HANG_UP.schema, NOTE.schema, greeting=GREET)
    line.play(
        [
            (0.1, "created R1 ours", []),
            (0.2, "audio R1 A 500", ["sound A 500"]),
            (0.3, "call R1 c1 hang_up {}", [REFUSED]),
            (0.4, "done R1 ours", [ReplyEnded("A")]),
            (0.9, ConfirmHeard("A"), ["update listening"]),
            (2.0, "speech U1", [SpeechStarted()]),
            (3.0, "pause U1", [SpeechStopped("U1")]),
            (3.1, "created R2", []),
            (3.2, "audio R2 B 500", ["sound B 500"]),
            (3.3, "call R2 c2 hang_up {}", [AssistantHangingUp(), "output c2: the call ends now"]),
            (3.4, "done R2", [ReplyEnded("B"), CloseRequested("the assistant hung up", code=1000)]),
        ]
    )


def test_one_that_does_nothing_else_is_asked_for_once_more(dial: "Dial") -> None:
    line = opened(dial, HANG_UP.schema, greeting=GREET)
    line.play(
        [
            (0.1, "created R1 ours", []),
            (0.3, "call R1 c1 hang_up {}", [REFUSED]),
            (0.4, "done R1 ours", [SILENT, "delayed 0.5"]),
            (0.9, None, ["create: Greet the caller."]),
            (1.0, "created R2 ours", []),
            (1.1, "call R2 c2 hang_up {}", [REFUSED.replace("c1", "c2")]),
            (1.2, "done R2 ours", [AssistantFailed("a reply without audio")]),
        ]
    )


def test_also_where_only_the_end_of_the_response_tells_of_it(dial: "Dial") -> None:
    line = opened(dial, HANG_UP.schema, greeting=GREET)
    line.play([(0.1, "created R1 ours", []), (0.2, "audio R1 A 500", ["sound A 500"])])
    done = line.event("done R1 ours")
    item = {"id": "F", "type": "function_call", "call_id": "c1", "name": "hang_up", "arguments": "{}"}
    done["response"]["output"] = [item]
    assert line.hear(done) == [REFUSED, ReplyEnded("A")]


def test_other_tools_run_in_a_greeting(dial: "Dial") -> None:
    line = opened(dial, HANG_UP.schema, NOTE.schema, greeting=GREET)
    line.play(
        [
            (0.1, "created R1 ours", []),
            (0.2, 'call R1 c1 note {"text": "x"}', [NoteTaken("x"), "output c1: noted"]),
            (0.3, "done R1 ours", ["create", "update listening"]),
        ]
    )


# Scripted responses without tools, at a server that does not mind


def test_a_greeting_in_words(dial: "Dial") -> None:
    line = opened(dial, HANG_UP.schema, greeting="Hello.")
    assert asked(line)["tool_choice"] == "none"
    line.play([(0.1, "created R1 ours", []), (0.3, "call R1 c1 hang_up {}", [REFUSED])])


def test_the_words_after_a_lost_connection(dial: "Dial") -> None:
    line = opened(dial, HANG_UP.schema, opening=Opening.RECOVERED)
    line.play([(0.1, "created R1 ours", []), (0.3, "call R1 c1 hang_up {}", [REFUSED])])


def test_a_prompt(dial: "Dial") -> None:
    line = opened(dial, HANG_UP.schema)
    line.play(
        [
            (0.1, "created R1", []),
            (0.2, 'call R1 c9 collect_digits {"prompt": "Type."}', [EntryRequested("c9")]),
            (0.3, "done R1", ['create: Say exactly this and nothing else: "Type."']),
            (0.4, "created R2 ours", []),
            (0.5, "call R2 c1 hang_up {}", [REFUSED]),
        ]
    )


def test_a_goodbye_that_hangs_up_again_ends_the_call_once(dial: "Dial") -> None:
    line = opened(dial, HANG_UP.schema)
    line.play(
        [
            (0.1, "created R1", []),
            (0.2, "call R1 c9 hang_up {}", [AssistantHangingUp(), "output c9: the call ends now"]),
            (0.3, "done R1", [GOODBYE]),
            (0.4, "created R2 ours", []),
            (0.5, "call R2 c1 hang_up {}", [REFUSED]),
            (0.6, "done R2 ours", [CloseRequested("the assistant hung up", code=1000)]),
        ]
    )
