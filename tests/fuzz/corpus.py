"""Good messages of every kind: those of the recorded calls, of the simulated carrier, and tables."""

import base64
import json
from pathlib import Path
from typing import Any

from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream

FIXTURES = Path(__file__).parents[2] / "fixtures"


def recorded() -> list[Any]:
    """A few of each kind of Twilio's messages, from the recorded calls."""
    found: dict[str, list[Any]] = {}
    for path in sorted(FIXTURES.glob("call-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry["to"] == "bridge" and path.name == "call-parrot.jsonl":
                found.setdefault(entry["message"]["event"], []).append(entry["message"])
    return [message for kind in found.values() for message in kind[:20]]


TWILIO = recorded()
TWILIO_OPENING = [next(one for one in TWILIO if one["event"] == "start")]


def telnyx_corpus() -> list[Any]:
    stream = SimulatedTelnyxStream(call_control_id="v3:1", parameters={"plan": "gold"})
    texts = [
        *stream.opening(),
        *(stream.media("inbound", bytes(160), n * 20) for n in range(10)),
        *(stream.digit(digit, n * 100) for n, digit in enumerate("123*#A")),
        *(stream.mark(name) for name in ("0.1", "0.2")),
        stream.closing(),
    ]
    error = {"event": "error", "payload": {"code": 100003, "title": "malformed_frame", "detail": "not JSON"}}
    return [*map(json.loads, texts), error]


TELNYX = telnyx_corpus()


STREAM: list[Any] = [
    {
        "type": "hello",
        "version": 1,
        "hears": {"encoding": "l16", "rate_hz": 8000},
        "turns": "assistant",
        "keys": "both",
    },
    {"type": "audio", "audio": base64.b64encode(bytes(320)).decode()},
    {"type": "reply", "item": "i1"},
    {"type": "reply_end"},
    {"type": "said", "who": "assistant", "text": "Good day.", "item": "i1"},
    {"type": "said", "who": "caller", "text": "Hello."},
    {"type": "interrupt", "at_ms": 100},
    {"type": "speech_stopped", "at_ms": 900},
    {
        "type": "collect_digits",
        "id": "d1",
        "length": 4,
        "terminator": "#",
        "timeout_s": 10,
        "sensitive": True,
    },
    {"type": "send_digits", "keys": "12w#"},
    {"type": "call_tool", "id": "t1", "tool": "look", "arguments": {"a": 1}},
    {"type": "note", "text": "a line"},
    {"type": "hang_up", "why": "done"},
    {"type": "error", "why": "a fault"},
]

RESPONSE: dict[str, Any] = {"id": "R1", "status": "in_progress", "output": [], "metadata": None}
ITEM: dict[str, Any] = {
    "id": "A1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [],
}
CALL = {
    "id": "F1",
    "type": "function_call",
    "call_id": "c1",
    "name": "look",
    "arguments": "{}",
    "status": "completed",
}
AUDIO = {"response_id": "R1", "item_id": "A1", "output_index": 0, "content_index": 0}

REALTIME: list[Any] = [
    {"type": "session.created", "session": {"id": "s", "type": "realtime", "model": "m"}},
    {
        "type": "session.updated",
        "session": {
            "id": "s",
            "type": "realtime",
            "model": "m",
            "audio": {"output": {"format": {"type": "audio/pcmu"}}},
        },
    },
    {"type": "response.created", "response": RESPONSE},
    {"type": "response.output_item.added", "response_id": "R1", "output_index": 0, "item": ITEM},
    {"type": "response.output_audio.delta", "delta": base64.b64encode(bytes(160)).decode(), **AUDIO},
    {"type": "response.output_audio.done", **AUDIO},
    {"type": "response.output_audio_transcript.delta", "delta": "Good", **AUDIO},
    {"type": "response.output_audio_transcript.done", "transcript": "Good day.", **AUDIO},
    {
        "type": "response.function_call_arguments.delta",
        "response_id": "R1",
        "item_id": "F1",
        "call_id": "c1",
        "delta": "{",
        "output_index": 0,
    },
    {
        "type": "response.function_call_arguments.done",
        "response_id": "R1",
        "item_id": "F1",
        "call_id": "c1",
        "name": "look",
        "arguments": "{}",
        "output_index": 0,
    },
    {"type": "response.output_item.done", "response_id": "R1", "output_index": 0, "item": CALL},
    {
        "type": "response.done",
        "response": RESPONSE | {"status": "completed", "output": [ITEM, CALL], "usage": {"total_tokens": 5}},
    },
    {
        "type": "response.done",
        "response": RESPONSE
        | {
            "status": "failed",
            "status_details": {
                "type": "failed",
                "error": {
                    "type": "server_error",
                    "code": "rate_limit_exceeded",
                    "message": "Try again in 2s.",
                },
            },
        },
    },
    {"type": "input_audio_buffer.speech_started", "item_id": "U1", "audio_start_ms": 100},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "U1", "audio_end_ms": 900},
    {"type": "input_audio_buffer.committed", "item_id": "U1", "previous_item_id": None},
    {
        "type": "conversation.item.added",
        "item": ITEM | {"id": "U1", "role": "user"},
        "previous_item_id": None,
    },
    {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "U1",
        "content_index": 0,
        "transcript": "Hello.",
    },
    {"type": "conversation.item.truncated", "item_id": "A1", "content_index": 0, "audio_end_ms": 100},
    {
        "type": "error",
        "error": {"type": "invalid_request_error", "code": "a_code", "message": "a fault", "event_id": "e1"},
    },
    {"type": "rate_limits.updated", "rate_limits": []},
]


FORMS: list[Any] = [
    {
        "CallSid": "CA1",
        "From": "+15550199",
        "To": "+15550100",
        "CallStatus": "ringing",
        "Direction": "inbound",
    },
    {"CallSid": "CA1", "CallStatus": "completed", "CallDuration": "9"},
    {"CallSid": "CA1", "StreamSid": "MZ1", "StreamEvent": "stream-started", "StreamName": "a"},
    {
        "CallSid": "CA1",
        "StreamSid": "MZ1",
        "StreamEvent": "stream-error",
        "StreamError": "31920 wss://a.example/x",
    },
    {"CallSid": "CA1", "StreamSid": "MZ1", "StreamEvent": "stream-stopped"},
]

PAYLOAD = {
    "call_control_id": "v3:1",
    "direction": "incoming",
    "to": "+15550100",
    "from": "+15550199",
    "client_state": "YQ==",
}
EVENTS: list[Any] = [
    {
        "data": {
            "event_type": f"call.{kind}",
            "id": f"e{n}",
            "occurred_at": "2026-01-01T00:00:00Z",
            "payload": PAYLOAD,
        }
    }
    for n, kind in enumerate(("initiated", "answered", "hangup", "dtmf.received", "bridged", "unheard-of"))
] + [
    {"data": {"event_type": f"streaming.{kind}", "id": f"s{n}", "payload": PAYLOAD | {"stream_id": "s"}}}
    for n, kind in enumerate(("started", "stopped", "failed"))
]
