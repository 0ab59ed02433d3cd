"""The assistant is lost in mid-call: it closes, falls silent, expires; the caller hears that the call goes on."""

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.realtime.conftest import Call


WORD_MS = 700
SORRY_WAV = "fixtures/pause.wav"
SORRY = "Sorry, could you repeat that?"
LONG = "Certainly, on which day would you like to come?"


def row(**fields: Any) -> pytest.MarkDecorator:
    """One call."""
    return pytest.mark.parametrize("call", [fields], indirect=True, ids=[""])


def rows(**named: dict[str, Any]) -> pytest.MarkDecorator:
    """Calls with their names."""
    return pytest.mark.parametrize("call", list(named.values()), indirect=True, ids=list(named))


CODES = (1001, 1006, 1011)


@rows(
    **{
        f"{code}": {
            "says": (0.9, 5.5),
            "script": {
                "heard": ("Good day.", "Do you hear me?"),
                "replies": [
                    {
                        "say": LONG,
                        "first_audio_s": 0.5,
                        "faults": {"close": code, "after_ms": 700, "connections": 1},
                    },
                ],
            },
        }
        for code in CODES
    }
)
def test_lost_in_mid_sentence(call: "Call") -> None:
    reply, sorry = call.hears(LONG, before_ms=5000), call.hears_all(SORRY)
    assert reply is not None
    assert reply.share < 0.5
    assert reply.until_ms < sorry.from_ms < reply.until_ms + 600
    reconnects(call)
    _hello, user, *assistant = call.items(2)
    assert user == "user: Good day."
    for words in assistant:  # of a connection that is cut off maybe not even one
        heard = words.removeprefix("assistant: ").removesuffix(" …")
        assert LONG.startswith(heard)
        assert len(heard) <= (reply.share + 0.2) * len(LONG)
    assert call.hears_all(LONG, after_ms=sorry.until_ms).share == 1


@rows(
    **{
        f"{code}": {
            "says": (0.9, 5.0),
            "assistant": {"tools": {"look": {"function": "clinic:look"}}},
            "script": {
                "replies": [
                    {"calls": [{"name": "look"}], "faults": {"close": code, "connections": 1}},
                ],
            },
        }
        for code in CODES
    }
)
def test_lost_in_the_middle_of_a_tool_call(call: "Call") -> None:
    assert call.hears_all(SORRY).from_ms < 900 + WORD_MS + 1200
    reconnects(call)
    assert not call.items(1)
    assert call.items(2)[-1] == "output: found"


ARGUMENTS = '{"day": "friday", "seconds": 1.0}'
BOOKS: dict[str, Any] = {
    "says": (0.9,),
    "plan": {"linger_s": 4.0},
    "assistant": {"tools": {"book": {"function": "clinic:book_once"}}, "greeting": None},
    "script": {
        "replies": [
            {"calls": [{"name": "book", "arguments": ARGUMENTS}]},
            {"on_output": "book", "say": "It is booked."},
        ],
        "faults": {"close": 1011, "close_after_s": 2.5, "connections": 1},
    },
}


@row(**BOOKS)
def test_lost_while_a_tool_runs(call: "Call") -> None:
    assert sys.modules["clinic"].BOOKED[call.report.call_sid] == 1
    reconnects(call)
    assert not call.items(1)
    assert call.items(2) == ["user: Good day.", f"call: book {ARGUMENTS}", "output: booked on friday"]
    called, output = (item for item in call.sent("conversation.item.create", 2) if "call_id" in item["item"])
    assert called["item"]["call_id"] == output["item"]["call_id"]
    call.hears_all("It is booked.")
    assert call.hears(SORRY) is None, "the caller need not repeat anything"
    assert len(call.sent("response.create", 2)) == 1


@row(**BOOKS)
def test_the_journal_tells_which_assistant_was_told_of_a_tool(call: "Call") -> None:
    words = ("ToolCalled", "RunTool", "LegLost", "OpenAssistant", "ToolAnswered", "AnswerTool")
    of_tool = [one for one in call.journal if one.what in words][1:]
    assert [one.what for one in of_tool] == list(words)
    tool_call_id = of_tool[0].fields["tool_call_id"]
    assert of_tool[3].fields["tools"] == [tool_call_id]
    assert of_tool[4].fields["output"] == "booked on friday"
    assert of_tool[5].fields["is_late"]
    (run,) = call.history.tools
    assert (run.tool, run.told_to) == ("book", "receptionist")
    assert call.counts["late_tool_answers"] == 1


@rows(
    **{
        f"{code}": {
            "says": (4.0,),
            "assistant": {"greeting": "Good morning, this is Example Dental."},
            "script": {
                "replies": [
                    {
                        "on_instructions": "Good morning",
                        "faults": {"close": code, "after_ms": 500, "connections": 1},
                    },
                    {"say": "Here I am."},
                ],
            },
        }
        for code in CODES
    }
)
def test_lost_in_the_greeting(call: "Call") -> None:
    greeting, sorry = call.hears("Good morning, this is Example Dental."), call.hears_all(SORRY)
    assert greeting is not None
    assert greeting.share < 0.7
    assert greeting.until_ms < sorry.from_ms < greeting.until_ms + 600
    reconnects(call)
    call.hears_all("Here I am.")


@row(
    says=(0.9,),
    assistant={"fallback": {"play": SORRY_WAV}},
    limits={"retry_s": 0.3},
    plan={"linger_s": 8.0},
    script={"replies": [{"say": LONG}], "faults": {"close": 1011, "close_after_s": 1.0}},
)
def test_lost_again_and_again_ends_the_call(call: "Call") -> None:
    assert set(call.upgrades) == {101}
    assert 3 <= len(call.upgrades) <= 5
    assert call.hears_recording(SORRY_WAV)
    assert call.report.close_code == 1011


@row(
    says=(1.2, 5.0),
    assistant={"fallback": "parrot", "greeting": None},
    limits={"retry_s": 0.3},
    script={"faults": {"close": 1011, "close_after_s": 0.6}},
)
def test_lost_again_and_again_another_assistant_takes_the_call(call: "Call") -> None:
    tries = len(call.upgrades)
    assert 3 <= tries <= 5
    assert [opened["assistant"] for opened in call.wrote("OpenAssistant")][tries:] == ["parrot"]
    assert not call.is_quiet(5000 + WORD_MS, call.ends_ms)


def reconnects(call: "Call") -> None:
    """Once, within a second, with the same settings."""
    assert call.upgrades == [101, 101]
    assert call.connections[1].opened_at - call.gone_at[0] < 1.0
    before, again = call.sent("session.update", 1)[0], call.sent("session.update", 2)[0]
    before["session"]["audio"]["input"].pop("turn_detection")
    assert again["session"]["audio"]["input"].pop("turn_detection")
    assert again["session"] == before["session"]
    assert call.connections[1].closed == (1000, "")
    assert call.counts["assistants_lost"] == 1
    assert "assistants" not in call.readyz


# It falls silent


@row(
    assistant={"reply_s": 0.6},
    says=(0.9, 5.0),
    script={"replies": [{"say": LONG, "faults": {"mute": True, "after_ms": 0, "connections": 1}}]},
)
def test_a_reply_that_does_not_begin_costs_the_assistant_its_slot(call: "Call") -> None:
    assert call.upgrades == [101, 101]
    assert call.hears(LONG, before_ms=5000) is None
    assert 900 + WORD_MS + 800 < call.hears_all(SORRY).from_ms < 900 + WORD_MS + 1600
    call.hears_all(LONG)


@row(
    assistant={"reply_s": 0.6},
    says=(0.9, 5.5),
    script={"replies": [{"say": LONG, "faults": {"mute": True, "after_ms": 800, "connections": 1}}]},
)
def test_a_server_that_falls_silent_in_mid_sentence_is_replaced(call: "Call") -> None:
    reply = call.hears(LONG, before_ms=5000)
    assert reply is not None
    assert reply.until_ms < call.hears_all(SORRY).from_ms < reply.until_ms + 1500
    call.hears_all(LONG, after_ms=5500)


@row(
    says=(0.9, 8.4),
    script={
        "faults": {"stall_s": 30, "stall_after_s": 1.0, "connections": 1},
        "replies": [{"say": "Here I am."}],
    },
)
def test_a_server_that_reads_nothing_any_more_is_replaced(call: "Call") -> None:
    assert call.hears_all(SORRY).from_ms < 8000
    call.hears_all("Here I am.")


# The session expires


@row(
    lasts_s=6,
    says=(0.9, 4.2),
    script={"heard": ("One.",), "replies": [{"say": "I see."}], "faults": {"expires_s": 6, "connections": 1}},
)
def test_a_session_that_expires_is_renewed_without_a_gap(call: "Call") -> None:
    assert call.upgrades == [101, 101]
    assert call.counts["renewals"] == 1
    assert "assistants_lost" not in call.counts
    assert call.connections[0].closed == (1000, "")
    assert call.hears(SORRY) is None
    assert call.items(2) == ["assistant: Hello.", "user: One.", "assistant: I see."]
    assert not call.sent("response.create", 2)
    call.hears_all("I see.", after_ms=4200 + WORD_MS)
    assert call.counts["turns"] == 2


@row(
    lasts_s=6,
    says=(0.9, 4.2),
    assistant={"tools": {"book": {"function": "clinic:book_once"}}},
    script={
        "heard": ("One.",),
        "replies": [
            {"calls": [{"name": "book", "arguments": '{"day": "friday"}'}]},
            {"on_output": "book", "say": "I see."},
        ],
        "faults": {"expires_s": 6, "connections": 1},
    },
)
def test_a_renewed_session_knows_what_a_tool_did(call: "Call") -> None:
    assert call.counts["renewals"] == 1
    assert call.items(2)[:5] == [
        "assistant: Hello.",
        "user: One.",
        'call: book {"day": "friday"}',
        "output: booked on friday",
        "assistant: I see.",
    ]
    assert "assistant_errors" not in call.counts
    assert call.upgrades == [101, 101]


@rows(
    **{
        name: {
            "lasts_s": 6,
            "says": (says,),
            "script": {
                "heard": ("One.",),
                "replies": [{"say": LONG, "speed": 1.0}],
                "faults": [{"expires_s": 14, "connections": 1}, {"stall_s": 1.5, "connections": [2]}],
            },
        }
        for name, says in (("in the caller's words", 4.0), ("in the reply", 3.2))
    }
)
def test_a_standby_that_is_late_does_not_cut_the_turn(call: "Call") -> None:
    call.hears_all(LONG)
    assert call.items(2) == ["assistant: Hello."]
    assert call.upgrades == [101, 101, 101], "it was not seated: it had missed the turn"
    assert call.items(3) == ["assistant: Hello.", "user: One.", f"assistant: {LONG}"]
