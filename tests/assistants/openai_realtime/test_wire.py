"""The wire: text to server event, and the client's messages, from tables."""

import json
from typing import Any

import pytest

from bridge.assistants.openai_realtime import server_events as event
from bridge.assistants.openai_realtime import wire
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import Said, Speaker, ToolUsed

READS: list[tuple[str, object]] = [
    (
        '{"type":"response.output_audio.delta","event_id":"event_9","response_id":"R","item_id":"A",'
        '"output_index":0,"content_index":0,"delta":"//8="}',
        event.AudioDelta("A", b"\xff\xff", "R"),
    ),
    (
        '{"delta":"","item_id":"A","response_id":"R","type":"response.audio.delta"}',
        event.BetaAudioDelta("A", b"", "R"),
    ),
    (
        '{"type":"input_audio_buffer.speech_started","audio_start_ms":100,"item_id":"U"}',
        event.InputSpeechStarted("U", 100),
    ),
    (
        '{"type":"input_audio_buffer.speech_stopped","audio_end_ms":900,"item_id":"U"}',
        event.InputSpeechStopped("U", 900),
    ),
    ('{"type":"input_audio_buffer.speech_stopped"}', event.InputSpeechStopped(None)),
    (
        '{"type":"conversation.item.added","previous_item_id":null,"item":{"id":"A","type":"message","content":[]}}',
        event.ItemAdded(event.Item("A", "message")),
    ),
    (
        '{"type":"response.created","response":{"id":"R","status":"in_progress","metadata":{"client_event_id":"x"}}}',
        event.ResponseCreated(event.ResponseBody("R", "in_progress", metadata={"client_event_id": "x"})),
    ),
    (
        '{"type":"error","error":{"type":"t","code":null,"message":"m","param":null,"event_id":"vb_1"}}',
        event.Error({"type": "t", "code": None, "message": "m", "param": None, "event_id": "vb_1"}),
    ),
    ('{"type":"session.updated","session":{"audio":null}}', event.SessionUpdated(event.SessionBody())),
    ('{"type":"novelty","delta":7}', wire.UnknownEvent("novelty")),
]

REFUSES = [
    ("", "not a JSON object"),
    ("{}", "not a JSON object"),
    ("[]", "not a JSON object"),
    ('{"type":7}', "not a JSON object"),
    ("[" * 20_000, "not a JSON object"),
    ('{"type":"response.output_audio.delta","item_id":"A","delta":"%%%%"}', r"delta: .*base64"),
    ('{"type":"response.output_audio.delta","item_id":"A","delta":7}', r"response\.output_audio\.delta: "),
    ('{"type":"response.output_audio.delta","delta":"//8="}', "`item_id`"),
    ('{"type":"response.audio.delta","item_id":"A"}', r"response\.audio\.delta: .*`delta`"),
    ('{"type":"response.created"}', "`response`"),
    ('{"type":"response.done","response":7}', r"response\.done: "),
    ('{"type":"session.updated","session":"s3cret"}', r"session\.updated: "),
    ('{"type":"error"}', "`error`"),
]

WRITES: list[tuple[str, dict[str, Any]]] = [
    (wire.append(b"\xff\xff"), {"type": "input_audio_buffer.append", "audio": "//8="}),
    (wire.append(b""), {"type": "input_audio_buffer.append", "audio": ""}),
    (wire.commit(), {"type": "input_audio_buffer.commit"}),
    (
        wire.session_update({"type": "realtime"}, "e"),
        {"type": "session.update", "event_id": "e", "session": {"type": "realtime"}},
    ),
    (
        wire.create_said(Said(Speaker.CALLER, 'say "hi"\n'), "i"),
        {
            "type": "conversation.item.create",
            "item": {
                "id": "i",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": 'say "hi"\n'}],
            },
        },
    ),
    (
        wire.create_said(Said(Speaker.ASSISTANT, "Hi."), "i"),
        {
            "type": "conversation.item.create",
            "item": {
                "id": "i",
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi."}],
            },
        },
    ),
    (
        wire.create_call(ToolUsed("t1", "book", '{"day":"friday"}', "booked"), "c1", "i"),
        {
            "type": "conversation.item.create",
            "item": {
                "id": "i",
                "type": "function_call",
                "call_id": "c1",
                "name": "book",
                "arguments": '{"day":"friday"}',
            },
        },
    ),
    (
        wire.create_output("c1", '{"ok":true}', "i"),
        {
            "type": "conversation.item.create",
            "item": {"id": "i", "type": "function_call_output", "call_id": "c1", "output": '{"ok":true}'},
        },
    ),
    (
        wire.truncate("A", 1340, "e"),
        {
            "type": "conversation.item.truncate",
            "event_id": "e",
            "item_id": "A",
            "content_index": 0,
            "audio_end_ms": 1340,
        },
    ),
    (wire.delete("A", "e"), {"type": "conversation.item.delete", "event_id": "e", "item_id": "A"}),
    (
        wire.create_response({"tool_choice": "none"}, "e"),
        {
            "type": "response.create",
            "event_id": "e",
            "response": {"tool_choice": "none", "metadata": {"client_event_id": "e"}},
        },
    ),
    (
        wire.cancel_response("R", "e"),
        {"type": "response.cancel", "event_id": "e", "response_id": "R"},
    ),
]


@pytest.mark.parametrize(("message", "read"), READS)
def test_reads(message: str, read: object) -> None:
    assert wire.read(message) == read


RESPONSES: list[tuple[str, object]] = [
    ('{"id":null}', ("", None, None, [], None)),
    ('{"id":"R","status_details":"ok","metadata":[],"output":{}}', ("R", None, None, [], None)),
    ('{"id":"R","status":{},"status_details":{"reason":[]},"output":[7]}', ("R", None, None, [], None)),
    (
        '{"id":"R","status_details":{"reason":"x","error":"boom"},"metadata":{"client_event_id":"e"}}',
        ("R", "x", event.ErrorBody(message="boom"), [], "e"),
    ),
    (
        '{"id":"R","output":[{"id":"F","type":"function_call","call_id":7,"name":null,"arguments":{"a":1}}]}',
        ("R", None, None, [event.Item("F", "function_call", "7", None, '{"a":1}')], None),
    ),
]


@pytest.mark.parametrize(("response", "read"), RESPONSES)
def test_a_surprise_in_a_response_costs_itself(response: str, read: object) -> None:
    done = wire.read(f'{{"type":"response.done","response":{response}}}')
    assert isinstance(done, event.ResponseDone)
    body = done.response
    assert (body.id, body.reason, body.error, body.items, body.client_event_id) == read


ERRORS = [
    ('"text"', event.ErrorBody(message="text")),
    ("null", event.ErrorBody()),
    ("[]", event.ErrorBody()),
    ('{"code":429,"message":{},"param":[],"event_id":true}', event.ErrorBody(code="429")),
]


@pytest.mark.parametrize(("error", "body"), ERRORS)
def test_a_surprise_in_an_error_costs_itself(error: str, body: event.ErrorBody) -> None:
    read = wire.read(f'{{"type":"error","error":{error}}}')
    assert isinstance(read, event.Error)
    assert read.body == body


@pytest.mark.parametrize(("message", "why"), REFUSES)
def test_refuses_without_quoting(message: str, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why) as refused:
        wire.read(message)
    assert "%%" not in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_megabyte_in_one_delta() -> None:
    message = '{"type":"response.output_audio.delta","item_id":"A","delta":"' + "////" * 350_000 + '"}'
    read = wire.read(message)
    assert isinstance(read, event.AudioDelta)
    assert len(read.delta) == 1_050_000


@pytest.mark.parametrize("kind", sorted(wire.UNNEEDED))
def test_what_is_not_needed_is_not_read(kind: str) -> None:
    assert wire.read(json.dumps({"type": kind})) == wire.UnknownEvent(kind)


@pytest.mark.parametrize(("message", "body"), WRITES)
def test_writes(message: str, body: dict[str, Any]) -> None:
    assert json.loads(message) == body
