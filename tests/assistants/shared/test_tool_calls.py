"""Tool calls of a vendor whose calls arrive whole, as Gemini Live's and ElevenLabs' do: what each leads to."""

import pytest

from bridge.assistants.shared.hang_up_sequence import HangUpSequence, Step
from bridge.assistants.shared.pending_calls import PendingCalls
from bridge.assistants.shared.tool_calls import ToolCall, ToolCalls, ToolOutput
from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.events import (
    AssistantHangingUp,
    EntryEnd,
    EntryRequested,
    NoteTaken,
    PressRequested,
    ToolCalled,
)

CALLS = [
    ("weather", '{"city": "Rome"}', [ToolCalled("f1", "weather", '{"city": "Rome"}')]),
    ("note", '{"text": "x"}', [NoteTaken("x"), ToolOutput("f1", "noted")]),
    ("note", "{}", [ToolOutput("f1", 'error: the arguments should be {"text": "..."}')]),
    ("hang_up", "", [AssistantHangingUp(), ToolOutput("f1", "the call ends now", wants_reply=False)]),
    ("send_digits", '{"digits": "1"}', [PressRequested("1"), ToolOutput("f1", '{"sent":"1"}')]),
    ("collect_digits", '{"length": 4}', [EntryRequested("f1", 4)]),
]


class Session:
    def __init__(self, filler_s: float | None = 2.0) -> None:
        self.pending = PendingCalls(filler_s)
        self.hang_up = HangUpSequence()
        self.calls = ToolCalls(self.pending, self.hang_up)

    def call(self, name: str, arguments: str = "", call_id: str = "f1", *, turn: str = "") -> list[object]:
        return [*self.calls.call(ToolCall(call_id, name, arguments, turn), now=0.0)]


@pytest.mark.parametrize(("name", "arguments", "outcome"), CALLS)
def test_each_tool(name: str, arguments: str, outcome: list[object]) -> None:
    assert Session().call(name, arguments) == outcome


def test_a_tool_that_runs_is_answered_once() -> None:
    session = Session()
    session.call("weather")
    assert session.pending.any_running
    assert session.calls.answer("f1", "sunny") == [ToolOutput("f1", "sunny")]
    assert session.calls.answer("f1", "rain") == []
    assert not session.pending.any_open


def test_an_entry_answers_the_call_that_requested_it() -> None:
    session = Session()
    session.call("collect_digits", '{"prompt": "Your PIN, please."}')
    assert session.pending.any_open
    assert not session.pending.any_running, "no filler is said over an entry"
    entry = EnterDigits("12", EntryEnd.QUIET, request_id="f1")
    assert session.calls.is_requested(entry)
    assert session.calls.enter(entry) == ToolOutput("f1", '{"digits":"12","reason":"quiet"}')
    assert not session.calls.is_requested(entry)
    assert not session.pending.any_open


def test_of_a_sensitive_entry_the_model_gets_the_placeholder() -> None:
    session = Session()
    session.call("collect_digits", '{"sensitive": true}')
    output = session.calls.enter(EnterDigits("4111", request_id="f1", placeholder="entry-1")).output
    assert output.startswith('{"entry":"entry-1","length":4,')
    assert "4111" not in output


def test_an_entry_cut_short_by_the_callers_hanging_up_wants_no_reply() -> None:
    session = Session()
    session.call("collect_digits")
    assert session.calls.enter(EnterDigits("1", EntryEnd.HANGUP, request_id="f1")).wants_reply is False


def test_asked_again_in_a_later_turn_the_entry_answers_the_later_call() -> None:
    session = Session()
    session.call("collect_digits", turn="t1")
    assert session.call("collect_digits", '{"length": 4}', call_id="f2", turn="t2") == [
        ToolOutput("f1", "error: asked again since", wants_reply=False),
        EntryRequested("f1", 4),
    ]
    assert session.calls.enter(EnterDigits("1234", request_id="f1")).tool_call_id == "f2"


def test_asked_twice_in_one_turn_there_are_two_entries() -> None:
    session = Session()
    session.call("collect_digits", turn="t1")
    assert session.call("collect_digits", call_id="f2", turn="t1") == [EntryRequested("f2")]


def test_an_interrupted_call_is_refused_and_wants_no_reply() -> None:
    assert Session().calls.refuse(ToolCall("f1", "weather", "{}")) == ToolOutput(
        "f1", "error: interrupted", wants_reply=False
    )


PROMPT = "Please type your PIN, then press hash."

SAID = [
    ("", PROMPT),
    ("One moment.", PROMPT),
    ("Could you type your PIN now, please?", ""),
    (PROMPT.upper(), ""),
    (None, ""),
]


@pytest.mark.parametrize(("said", "left"), SAID)
def test_a_prompt_is_taken_once_unless_the_model_has_said_it(said: str | None, left: str) -> None:
    session = Session()
    session.call("collect_digits", f'{{"prompt": "{PROMPT}"}}')
    assert session.calls.take_prompt(said) == left
    assert session.calls.take_prompt("") == ""


def test_hang_up_starts_the_sequence() -> None:
    session = Session()
    session.call("hang_up", turn="t1")
    assert session.hang_up.intended
    assert session.hang_up.response_done("t1", spoke=False, is_farewell=False) is Step.SAY_GOODBYE


FILLER = [
    # when asked, whether it is quiet, whether the caller is told to wait
    (1.9, True, False),
    (2.0, False, False),  # somebody speaks: put off by as long again
    (3.9, True, False),
    (4.0, True, True),
    (9.0, True, False),
]


def test_the_filler_is_taken_once_and_in_a_silence() -> None:
    session = Session()
    session.call("weather")
    assert [(now, quiet, session.pending.take_filler(now, quiet=quiet)) for now, quiet, _ in FILLER] == FILLER
    assert session.pending.deadline() is None


def test_without_a_filler_nothing_falls_due() -> None:
    session = Session(filler_s=None)
    session.call("weather")
    assert session.pending.deadline() is None


def test_no_filler_once_the_tool_has_answered() -> None:
    session = Session()
    session.call("weather")
    assert session.pending.deadline() == 2.0
    session.calls.answer("f1", "sunny")
    assert session.pending.deadline() is None
