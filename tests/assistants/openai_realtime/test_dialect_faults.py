"""Errors of the server and rubbish on the wire: what each costs."""

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    TruncateReply,
)
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReportedError,
    CloseRequested,
    Ignored,
    Opening,
    ToolCalled,
    Word,
)
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial

HARMLESS = [
    ("response_cancel_not_active", "Cancellation failed: no active response found"),
    ("conversation_already_has_active_response", "in progress: resp_x"),
    ("input_audio_buffer_commit_empty", "Expected at least 100ms of audio, but buffer only has 0.00ms"),
    ("item_create_duplicate_item_id", ""),
    ("item_retrieve_invalid_item_id", ""),
    ("item_truncate_invalid_item_id", "Item not found"),
    ("item_delete_invalid_item_id", "Item not found"),
    ("unsupported_content_type", "Only model output audio messages can be truncated"),
    ("strange", "Conversation already has an active response in progress"),
]


@pytest.mark.parametrize(("code", "text"), HARMLESS)
def test_a_harmless_error_is_counted_and_that_is_all(dial: "Dial", code: str, text: str) -> None:
    line = dial()
    line.open()
    assert line.hear(f"error {code} {text}") == [Ignored(f"error: {code}")]
    assert line.dialect.deadline() is None


FATAL = [
    "invalid_api_key",
    "insufficient_quota",
    "credit_balance_exhausted",
    "account_deactivated",
    "billing_hard_limit_reached",
    "model_not_found",
    "beta_api_shape_disabled",
]


@pytest.mark.parametrize("place", ["code", "type"])
@pytest.mark.parametrize("name", FATAL)
def test_a_fatal_error_is_final_wherever_it_is_named(dial: "Dial", name: str, place: str) -> None:
    line = dial()
    line.open()
    (failed,) = line.hear({"type": "error", "error": {place: name, "message": "no"}})
    assert failed == AssistantFailed(f"{name}: no", final=True)
    assert line.hear({"type": "error", "error": {place: name}}) == [], "told once"


@pytest.mark.parametrize(
    ("message", "seconds"), [("Please try again in 2.400s. Visit …", 2.4), ("Please try again later.", None)]
)
def test_a_refused_session_says_when_to_come_again(dial: "Dial", message: str, seconds: float | None) -> None:
    line = dial()
    line.tell(OpenAssistant("CA1", PCMU_8K))
    (failed,) = line.hear({"type": "error", "error": {"code": "rate_limit_exceeded", "message": message}})
    assert failed == AssistantFailed(f"rate_limit_exceeded: {message}", retry_after_s=seconds)


def test_an_expired_session_can_be_had_again(dial: "Dial") -> None:
    line = dial()
    line.open()
    assert line.hear("error session_expired 60 minutes") == [AssistantFailed("session_expired: 60 minutes")]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            {"code": "invalid_value", "message": "no", "param": "session.voice"},
            "invalid_value: no (session.voice)",
        ),
        ({"code": None, "type": "server_error"}, "server_error"),
        ({"code": 500}, "500"),
        ({}, "error"),
    ],
)
def test_any_other_error_is_told(dial: "Dial", body: dict[str, Any], why: str) -> None:
    line = dial()
    line.open()
    assert line.hear({"type": "error", "error": body}) == [AssistantReportedError(why)]


@pytest.mark.parametrize(
    "secret", ["sk-proj-Ab1_x-9", "sk-ab***********cd", "ek_12-ab", "Bearer abc.def", "0123456789abcdef" * 2]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_keys_in_errors_are_masked(dial: "Dial", secret: str, when: str) -> None:
    line = dial()
    if when == "after":
        line.open()
    else:
        line.tell(OpenAssistant("CA1", PCMU_8K))
    (told,) = line.hear(f"error odd Incorrect key: {secret}, see your account")
    assert isinstance(told, AssistantFailed | AssistantReportedError)
    assert secret not in told.why
    assert told.why == "odd: Incorrect key: ***, see your account"


def test_an_error_that_goes_on_and_on_is_cut(dial: "Dial") -> None:
    line = dial()
    line.open()
    (told,) = line.hear("error odd " + "x" * 10_000)
    assert isinstance(told, AssistantReportedError)
    assert len(told.why) <= 300


# Rubbish


NAMES = ["", "R1", "R2", "A", "F", "c1", "vb_1", "vb_2", "vb_3"]
KINDS = [
    *("session.created", "session.updated", "error", "novelty"),
    *("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"),
    *("input_audio_buffer.committed", "conversation.item.added", "conversation.item.created"),
    "conversation.item.input_audio_transcription.completed",
    *("response.created", "response.done", "response.output_item.added", "response.output_item.done"),
    *("response.output_audio.delta", "response.output_audio.done", "response.audio.delta"),
    *("response.output_audio_transcript.delta", "response.output_audio_transcript.done"),
    "response.function_call_arguments.done",
]
CODES = [code for code, _ in HARMLESS] + ["invalid_value", "server_error"]

names = st.sampled_from(NAMES)
odd: st.SearchStrategy[Any] = st.sampled_from([None, "ok", [], 7, {}])
metadata = st.none() | st.fixed_dictionaries({"client_event_id": names})
errors = st.fixed_dictionaries(
    {
        "code": st.sampled_from(CODES),
        "message": st.sampled_from(["", "950ms is already shorter", "resp_x"]),
        "event_id": st.none() | names,
    }
)
items = st.fixed_dictionaries(
    {
        "id": names,
        "type": st.sampled_from(["message", "function_call"]),
        "call_id": st.none() | names,
        "name": st.sampled_from(["", "note", "hang_up", "weather"]),
        "arguments": st.sampled_from(["", "{}", "{", '{"text":"x"}']),
    }
)
responses = st.fixed_dictionaries(
    {
        "id": names,
        "status": st.sampled_from(["completed", "cancelled", "failed", "incomplete", None]),
        "status_details": odd | st.fixed_dictionaries({"error": errors}),
        "output": odd | st.lists(items, max_size=2),
        "metadata": odd | metadata,
    }
)
server_events = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={
        "session": st.sampled_from([{}, {"input_audio_format": "pcm16"}, {"output_audio_format": "pcm16"}]),
        "item": items,
        "item_id": names,
        "response_id": names,
        "response": responses,
        "call_id": names,
        "name": st.sampled_from(["", "note", "hang_up", "weather"]),
        "arguments": st.sampled_from(["", "{}", "{"]),
        "delta": st.sampled_from(["", "//8=", "////", "%"]),
        "transcript": st.none() | st.text(max_size=3),
        "error": odd | errors,
    },
)
commands: st.SearchStrategy[Any] = st.one_of(
    st.builds(TruncateReply, names, st.integers(0, 500)),
    st.builds(DropReply, names),
    st.builds(ConfirmHeard, names),
    st.builds(AnswerTool, names, st.just("output")),
    st.sampled_from([EnterDigits("1"), AppendAudio(b"\xff" * 160)]),
)
moments = st.tuples(st.sampled_from([0.0, 0.1, 1.0, 7.0]), server_events | commands)

VADS: list[dict[str, Any]] = [
    {"type": "server_vad"},
    {"type": "semantic_vad", "interrupt_response": False},
    {"type": "server_vad", "create_response": False},
    {"type": "none"},
]


@given(
    st.sampled_from(VADS),
    st.sampled_from([None, "Hello."]),
    st.sampled_from(list(Opening)),
    st.lists(moments, max_size=40),
)
def test_any_order_of_events_costs_at_most_itself(
    vad: dict[str, Any], greeting: str | None, opening: Opening, moments: list[tuple[float, Any]]
) -> None:
    settings = RealtimeSettings(turn_detection=vad, greeting=greeting)
    dialect = RealtimeDialect(settings, ())
    now = 0.0
    told: list[Any] = [*dialect.encode(OpenAssistant("CA1", PCMU_8K, opening=opening), now)]
    told += dialect.decode('{"type":"session.updated","session":{}}', now)
    for pause, moment in moments:
        now += pause
        told += woken(dialect, now)
        if isinstance(moment, Word):
            told += dialect.encode(moment, now)  # type: ignore[arg-type]
            continue
        with contextlib.suppress(MalformedMessage):
            told += dialect.decode(json.dumps(moment), now)
    told += woken(dialect, now + 60)
    assert_sound([json.loads(message) for message in told if isinstance(message, str)], told)


def woken(dialect: RealtimeDialect, now: float) -> list[Any]:
    told: list[Any] = []
    for _ in range(100):
        due = dialect.deadline()
        if due is None or due > now:
            return told
        told += dialect.due(max(due, 0.0))
    raise AssertionError("a deadline that never ends")


def assert_sound(messages: list[dict[str, Any]], told: list[Any]) -> None:
    """Whatever came: no item is cut twice but by the retry, no call is made twice, and the end comes once."""
    cut = [message["item_id"] for message in messages if message["type"].startswith("conversation.item.del")]
    assert len(cut) == len(set(cut))
    calls = [event.tool_call_id for event in told if isinstance(event, ToolCalled)]
    assert len(calls) == len(set(calls))
    assert sum(isinstance(event, AssistantFailed | CloseRequested) for event in told) <= 1
    ids = [message["item"]["id"] for message in messages if message["type"] == "conversation.item.create"]
    assert len(ids) == len(set(ids))


@given(st.one_of(st.text(), st.binary()))
def test_what_is_no_event_is_refused_and_nothing_else(message: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        RealtimeDialect(RealtimeSettings(), ()).decode(message, 0.0)


@given(
    st.sampled_from(KINDS),
    st.dictionaries(
        st.sampled_from(
            ["session", "item", "item_id", "response", "delta", "error", "arguments", "transcript"]
        ),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=3),
    ),
)
def test_a_known_kind_in_any_shape_is_read_or_refused(kind: str, fields: dict[str, Any]) -> None:
    dialect = RealtimeDialect(RealtimeSettings(), ())
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    with contextlib.suppress(MalformedMessage):
        dialect.decode(json.dumps({"type": kind} | fields), 0.0)
    assert dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0), "it goes on"
