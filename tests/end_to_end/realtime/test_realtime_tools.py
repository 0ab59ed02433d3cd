"""Tools over real sockets: always answered, and never talking over the caller; and the tool that hangs up."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.realtime.conftest import Call


WORD_MS = 700
SORRY = "Sorry, could you repeat that?"
LONG = "Certainly, on which day would you like to come?"


def row(**fields: Any) -> pytest.MarkDecorator:
    """One call."""
    return pytest.mark.parametrize("call", [fields], indirect=True, ids=[""])


def rows(**named: dict[str, Any]) -> pytest.MarkDecorator:
    """Calls with their names."""
    return pytest.mark.parametrize("call", list(named.values()), indirect=True, ids=list(named))


BROKEN = [
    ("broken arguments", {"name": "book", "arguments": '{"day": "Fri'}, "arguments"),
    ("raises", {"name": "fail"}, "failed"),
    ("hangs", {"name": "hang", "arguments": '{"seconds": 60}'}, "0.4 s"),
    ("unknown", {"name": "fly"}, "no such tool"),
]
TOOLS = {
    "book": {"function": "clinic:book"},
    "fail": {"function": "clinic:fail"},
    "hang": {"function": "clinic:look", "timeout_s": 0.4},
}


@rows(
    **{
        name: {
            "says": (0.9,),
            "assistant": {"tools": TOOLS},
            "script": {"replies": [{"calls": [called]}, {"on_output": "", "say": "I am sorry, no."}]},
            "plan": {"linger_s": 2.0},
        }
        for name, called, why in BROKEN
    }
)
def test_a_failed_tool_is_answered_with_an_error(call: "Call") -> None:
    (output,) = call.items()
    assert output.startswith('output: {"error":')
    call.hears_all("I am sorry, no.")
    assert len(call.sent("response.create")) == 2


@row(
    says=(0.9,),
    plan={"linger_s": 2.0},
    assistant={"tools": {"look": {"function": "clinic:look"}, "book": {"function": "clinic:book"}}},
    script={
        "replies": [
            {"calls": [{"name": "look"}, {"name": "book", "arguments": '{"day": "Friday"}'}]},
            {"on_output": "", "say": "All done."},
        ]
    },
)
def test_calls_in_parallel_are_followed_by_one_response(call: "Call") -> None:
    assert call.items() == ["output: booked on Friday", "output: found"]
    _greeting, follow_up = call.connections[0].events("response.create")
    assert follow_up.at >= call.connections[0].events("conversation.item.create")[1].at
    call.hears_all("All done.")
    assert "assistant_errors" not in call.counts


@row(
    says=(0.9, 4.0),
    plan={"linger_s": 3.0},
    assistant={"tools": {"book": {"function": "clinic:book"}}},
    script={
        "faults": {"call_id": "call_1"},
        "replies": [
            {"calls": [{"name": "book", "arguments": '{"day": "Friday"}'}]},
            {"calls": [{"name": "book", "arguments": '{"day": "Monday"}'}]},
            {"on_output": "book", "say": "Done."},
        ],
    },
)
def test_calls_with_one_and_the_same_id_run_each_time(call: "Call") -> None:
    assert call.items() == ["output: booked on Friday", "output: booked on Monday"]
    assert {event["item"]["call_id"] for event in call.sent("conversation.item.create")} == {"call_1"}
    assert [ran["tool_call_id"] for ran in call.wrote("RunTool")] == ["call_1", "call_1"]
    assert all(run.answered_s is not None for run in call.history.tools)


@row(
    says=(3.0,),
    plan={"linger_s": 2.0},
    assistant={"greeting": {"instructions": "Greet the caller."}, "tools": {"hang_up": {}}},
    script={
        "replies": [
            {"on_instructions": "Greet", "say": "Good day.", "calls": [{"name": "hang_up"}]},
            {"say": "I am still here."},
        ]
    },
)
def test_a_greeting_does_not_end_the_call(call: "Call") -> None:
    call.hears_all("Good day.")
    call.hears_all("I am still here.")
    assert call.items() == ["output: error: the call cannot be ended in this response; it goes on"]
    assert call.sent("response.create")[0]["response"]["tool_choice"] == "none"


@row(
    says=(0.9,),
    plan={"linger_s": 2.5},
    assistant={
        "tools": {"look": {"function": "clinic:look"}},
        "filler": {"say": "Let me see.", "after_s": 0.4},
    },
    script={
        "replies": [
            {"calls": [{"name": "look", "arguments": '{"seconds": 2.0}'}]},
            {"on_output": "", "say": "All done."},
        ]
    },
)
def test_a_caller_who_waits_for_a_tool_is_told_so(call: "Call") -> None:
    filler = call.hears_all("Let me see.")
    assert 2000 < filler.from_ms < 3000
    assert call.hears_all("All done.").from_ms > filler.until_ms


@row(
    says=(0.9, 2.6),
    assistant={"tools": {"look": {"function": "clinic:look"}}},
    script={
        "replies": [
            {"calls": [{"name": "look", "arguments": '{"seconds": 1.0}'}]},
            {"on_output": "", "say": "All done."},
        ]
    },
)
def test_a_caller_who_speaks_while_a_tool_runs_is_not_talked_over(call: "Call") -> None:
    assert call.items() == ["output: found"]
    assert call.ms(call.connections[0].events("conversation.item.create")[0].at) < 2600 + WORD_MS
    assert call.is_quiet(2600, 2600 + WORD_MS + 300)
    call.hears_all("All done.")
    assert len(call.sent("response.create")) == 1
    assert "assistant_errors" not in call.counts


# The assistant hangs up

LEAVING: dict[str, Any] = {
    "says": (0.9,),
    "plan": {"linger_s": 6.0},
    "assistant": {"tools": {"hang_up": {}}, "reply_s": 0.6},
}


@rows(
    **{
        name: LEAVING
        | {
            "script": {
                "replies": [
                    {"calls": [{"name": "hang_up"}]},
                    {"on_instructions": "Say goodbye", "say": "Goodbye.", "faults": faults},
                ]
            }
        }
        for name, faults in {
            "fails": {"fail": "server_error", "after_ms": 0},
            "is never said": {"mute": True, "after_ms": 0},
            "is lost": {"close": 1011, "after_ms": 0, "connections": 1},
        }.items()
    }
)
def test_a_goodbye_that_does_not_come_ends_the_call_all_the_same(call: "Call") -> None:
    assert call.report.close_code == 1000
    assert call.ends_ms < 900 + WORD_MS + 2500
    assert call.hears(SORRY) is None
