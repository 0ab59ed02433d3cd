"""Events that the simulated server refuses as OpenAI's does: the code, the parameter, and that nothing changed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.simulators.openai.conftest import Peer

    Dial = Callable[..., Peer]


def heard(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", "audio": {"input": fields}}


def said(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", "audio": {"output": fields}}


NESTED_TOOL = {"type": "function", "function": {"name": "hang_up", "parameters": {}}}

SESSIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"instructions": "Hi."}, "missing_required_parameter", "session.type"),
    ({"type": "transcription"}, "invalid_value", "session.type"),
    ({"type": "realtime", "voice": "marin"}, "unknown_parameter", "session.voice"),
    (
        {"type": "realtime", "input_audio_format": "g711_ulaw"},
        "unknown_parameter",
        "session.input_audio_format",
    ),
    ({"type": "realtime", "temperature": 0.8}, "unknown_parameter", "session.temperature"),
    ({"type": "realtime", "modalities": ["audio", "text"]}, "unknown_parameter", "session.modalities"),
    (
        {"type": "realtime", "output_modalities": ["audio", "text"]},
        "invalid_value",
        "session.output_modalities",
    ),
    ({"type": "realtime", "tools": [NESTED_TOOL]}, "missing_required_parameter", "session.tools[0].name"),
    ({"type": "realtime", "tool_choice": "always"}, "invalid_value", "session.tool_choice"),
    ({"type": "realtime", "max_output_tokens": "all"}, "invalid_value", "session.max_output_tokens"),
    ({"type": "realtime", "max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
    ({"type": "realtime", "model": "another"}, "invalid_value", "session.model"),
    ({"type": "realtime", "instructions": 5}, "invalid_type", "session.instructions"),
    (
        heard(format={"type": "audio/pcmu", "rate": 8000}),
        "unknown_parameter",
        "session.audio.input.format.rate",
    ),
    (heard(format={"type": "audio/pcm", "rate": 16_000}), "invalid_value", "session.audio.input.format.rate"),
    (heard(format={"type": "g711_ulaw"}), "invalid_value", "session.audio.input.format.type"),
    (
        heard(turn_detection={"threshold": 0.5}),
        "missing_required_parameter",
        "session.audio.input.turn_detection.type",
    ),
    (
        heard(turn_detection={"type": "server_vad", "threshold": 1.5}),
        "invalid_value",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        heard(turn_detection={"type": "semantic_vad", "silence_duration_ms": 500}),
        "unknown_parameter",
        "session.audio.input.turn_detection.silence_duration_ms",
    ),
    (heard(noise_reduction={"type": "loud"}), "invalid_value", "session.audio.input.noise_reduction.type"),
    (
        said(format={"type": "audio/pcma", "rate": 8000}),
        "unknown_parameter",
        "session.audio.output.format.rate",
    ),
    (said(speed=3), "invalid_value", "session.audio.output.speed"),
]


@pytest.mark.parametrize(("session", "code", "param"), SESSIONS)
def test_a_session_is_refused_and_stays_as_it_was(
    peer: "Dial", session: dict[str, Any], code: str, param: str
) -> None:
    call = peer()
    before = repr(call.simulator.session.body)
    error = call.send("session.update", event_id="cfg_1", session=session).one("error")["error"]
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "cfg_1")
    assert error["type"] == "invalid_request_error"
    assert repr(call.simulator.session.body) == before


FULL = {
    "output_modalities": ["audio"],
    "instructions": "...",
    "audio": {
        "input": {
            "format": {"type": "audio/pcma"},
            "noise_reduction": {"type": "far_field"},
            "transcription": {"model": "gpt-transcribe", "language": "en"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "create_response": True,
                "interrupt_response": True,
                "idle_timeout_ms": None,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": {"id": "voice_1"}, "speed": 1.1},
    },
    "tools": [
        {"type": "function", "name": "hang_up", "description": "...", "parameters": {"type": "object"}}
    ],
    "tool_choice": {"type": "function", "name": "hang_up"},
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low"},
    "max_output_tokens": 4096,
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
    "tracing": {"workflow_name": "calls"},
    "prompt": {"id": "pmpt_1"},
    "include": ["item.input_audio_transcription.logprobs"],
}


def test_a_session_with_everything_is_accepted(peer: "Dial") -> None:
    session = peer().update(**FULL).one("session.updated")["session"]
    assert {key: session[key] for key in FULL} == FULL


def test_the_voice_cannot_be_changed_once_audio_was_sent(peer: "Dial") -> None:
    call = peer()
    assert call.update(audio={"output": {"voice": "marin"}}).one("session.updated")
    call.send("response.create")
    call.wait(1.0)
    assert call.update(audio={"output": {"voice": "marin"}}).one("session.updated")
    error = call.update(audio={"output": {"voice": "cedar"}}).one("error")["error"]
    assert error["code"] == "cannot_update_voice"


def message(role: str, kind: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": "hi"}]}


EVENTS: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("session.updated", {}, "invalid_value", "type"),
    ("session.update", {}, "missing_required_parameter", "session"),
    ("input_audio_buffer.append", {}, "missing_required_parameter", "audio"),
    ("input_audio_buffer.append", {"audio": "%%%"}, "invalid_value", "audio"),
    ("conversation.item.create", {}, "missing_required_parameter", "item"),
    ("conversation.item.create", {"item": {"type": "song"}}, "invalid_value", "item.type"),
    (
        "conversation.item.create",
        {"item": message("user", "output_text")},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        "conversation.item.create",
        {"item": message("assistant", "output_audio")},
        "invalid_value",
        "item.content[0].type",
    ),
    ("conversation.item.create", {"item": message("robot", "input_text")}, "invalid_value", "item.role"),
    (
        "conversation.item.create",
        {"item": message("user", "input_text"), "previous_item_id": "item_x"},
        "item_create_invalid_previous_item_id",
        "previous_item_id",
    ),
    (
        "conversation.item.create",
        {"item": {"type": "function_call_output", "call_id": "call_x", "output": "{}"}},
        "invalid_tool_call_id",
        "item.call_id",
    ),
    ("conversation.item.retrieve", {"item_id": "item_x"}, "item_retrieve_invalid_item_id", "item_id"),
    ("conversation.item.delete", {"item_id": "item_x"}, "item_delete_invalid_item_id", "item_id"),
    ("conversation.item.truncate", {"item_id": "x"}, "missing_required_parameter", "audio_end_ms"),
    ("response.create", {"response": {"modalities": ["audio"]}}, "unknown_parameter", "response.modalities"),
    ("response.create", {"response": {"conversation": "new"}}, "invalid_value", "response.conversation"),
    (
        "response.create",
        {"response": {"metadata": {str(n): "" for n in range(17)}}},
        "invalid_value",
        "response.metadata",
    ),
    ("response.create", {"response": {"metadata": {"n": 1}}}, "invalid_type", "response.metadata.n"),
]


@pytest.mark.parametrize(("kind", "fields", "code", "param"), EVENTS)
def test_an_event_is_refused(
    peer: "Dial", kind: str, fields: dict[str, Any], code: str, param: str | None
) -> None:
    error = peer().send(kind, **fields).one("error")["error"]
    assert (error["code"], error["param"], error["event_id"]) == (code, param, None)


def test_an_item_with_an_id_that_exists_is_refused(peer: "Dial") -> None:
    call = peer()
    item = message("user", "input_text") | {"id": "item_mine"}
    assert call.send("conversation.item.create", item=item).one("conversation.item.added")
    error = call.send("conversation.item.create", item=item).one("error")["error"]
    assert error["code"] == "item_create_duplicate_item_id"


@pytest.mark.parametrize("broken", ["", "{", "[]", "null", '"append"', b"{}", "[" * 100_000])
def test_other_messages_are_refused(peer: "Dial", broken: str | bytes) -> None:
    call = peer()
    (answer,) = call.simulator.hear(broken, call.now)
    assert isinstance(answer, str)
    assert '"code":"invalid_json"' in answer
