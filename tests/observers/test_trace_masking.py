"""What is masked in the messages of a trace, and what is left so that the trace can be replayed: rows of values."""

import json
from base64 import b64encode
from typing import Any

import pytest

from bridge.observers.trace_masking import Masking, is_audio_text

AUDIO = b64encode(bytes(range(160))).decode()
NUMBER_LIKE = b64encode(b"\xd7\x9e\x79" * 30).decode()
CALL = "CA0123456789abcdef0123456789abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.canary"


def masked(message: Any, *, hides_digits: bool = False, shows: bool = False) -> Any:
    return Masking(lambda text: text, shows=shows).message(message, hides_digits=hides_digits)


KEPT = [
    {"event": "media", "streamSid": CALL, "media": {"payload": AUDIO, "timestamp": "1000000", "chunk": "50000"}},
    {"event": "media", "media": {"payload": NUMBER_LIKE}},
    {"event": "media", "sequence_number": "1234567", "media": {"payload": ""}},
    {"event": "mark", "mark": {"name": "0.12"}},
    {"event": "dtmf", "dtmf": {"digit": "5"}, "occurred_at": "2026-11-30T13:19:11.761008Z"},
    {"event": "start", "start": {"callSid": CALL, "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}},
    {"type": "response.output_audio.delta", "item_id": "item_0123456789abcdef0123456789abcdef", "delta": AUDIO},
    {"type": "input_audio_buffer.append", "audio": AUDIO},
    {"type": "audio", "audio": AUDIO},
    {"reply": {"audio": AUDIO}},
    {"type": "response.done", "response": {"usage": {"input_tokens": 12345678}, "created_at": 1800000000}},
    {"type": "conversation.item.truncate", "audio_end_ms": 1234567, "content_index": 0},
    {"type": "said", "text": "Thursday at 9"},
    {"id": 12, "a": None, "b": [True, 1.5]},
]  # fmt: skip


@pytest.mark.parametrize("message", KEPT)
def test_what_a_replay_needs_is_left(message: Any) -> None:
    assert masked(message) == message
    raw = json.dumps(message).encode()
    assert Masking(lambda text: text).raw(raw, hides_digits=False) == raw, "byte for byte"


MASKED = [
    ({"from": "+15550142"}, {"from": "***42"}),
    ({"text": "call 555 0142 0042 now"}, {"text": "call ***42 now"}),
    ({"caller": 15550142}, {"caller": 0}),
    ({"api_key": "abc"}, {"api_key": "**********"}),
    ({"headers": {"x": ["abc"], "n": 1}}, {"headers": {"x": ["**********"], "n": 1}}),
    ({"token": ""}, {"token": "**********"}),
    ({"accountSid": "AC0123456789"}, {"accountSid": "***"}),
    ({"call_id": "+15550142"}, {"call_id": "***42"}),
    ({"call_id": "call me at 5550142 x"}, {"call_id": "call me at ***42 x"}),
    ({"session_id": "api_key=canary-1"}, {"session_id": "api_key=**********"}),
    ({"id": "sk-canary-0001"}, {"id": "***"}),
    ({"why": f"Bearer {JWT}"}, {"why": "***"}),
    ({"+15550142": "x"}, {"***42": "x"}),
    ({"client_state": b64encode(b"+15550142").decode()}, {"client_state": b64encode(b"***42").decode()}),
    ({"arguments": '{"api_key": "abc"}'}, {"arguments": '{"api_key": "**********"}'}),
    ({"url": "wss://u:p@h.example/twilio/media/abc"}, {"url": "wss://***@h.example/twilio/media/…"}),
    (["+15550142"], ["***42"]),
    ({"event": "media", "media": {"payload": "+1 555 0142!"}}, {"event": "media", "media": {"payload": "***42!"}}),
    ({"timestamp": "+15550142"}, {"timestamp": "***42"}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "shown"), MASKED)
def test_numbers_and_secrets_are_masked(message: Any, shown: Any) -> None:
    assert masked(message) == shown
    assert masked(shown) == shown, "what is masked stays as it is"
    assert masked(message, shows=True) == message


def test_digits_are_masked_where_keys_are_sensitive_also_if_the_rest_is_shown() -> None:
    message = {"event": "dtmf", "dtmf": {"digit": "5"}, "digits": "42", "n": 5}
    hidden = {"event": "dtmf", "dtmf": {"digit": "•"}, "digits": "••", "n": 5}
    assert masked(message, hides_digits=True) == masked(message, hides_digits=True, shows=True) == hidden


def test_the_digits_of_a_sensitive_entry_are_masked_in_a_post_of_it() -> None:
    entry = {"digits": "12", "reason": "quiet", "terminator": "", "sensitive": True}
    assert masked(entry) == entry | {"digits": "••"}
    assert masked(entry | {"sensitive": False}) == entry | {"sensitive": False}


TEXTS = [
    (AUDIO, True),
    ("_MULAW" + AUDIO, True),
    ("RESTART", False),
    (AUDIO[:100], False),
    (AUDIO + " x", False),
]


@pytest.mark.parametrize(("text", "is_audio"), TEXTS)
def test_a_frame_of_base64_is_audio(text: str, is_audio: bool) -> None:
    assert is_audio_text(text) is is_audio


PLAIN = [
    {"event": "media", "streamSid": CALL, "sequenceNumber": "7", "media": {"payload": AUDIO, "timestamp": "1000000"}},
    {"event": "media", "stream_id": "f213b8e4-8339-4fa3-b207-6e0f83d9d695", "media": {"payload": AUDIO, "chunk": 7}},
    {"type": "input_audio_buffer.append", "audio": AUDIO},
    {"type": "response.output_audio.delta", "event_id": "e1", "item_id": "i1", "delta": AUDIO},
    {"type": "audio", "audio": AUDIO},
]  # fmt: skip
NOT_PLAIN = [
    {"event": "media", "streamSid": "+15550142", "media": {"payload": AUDIO}},
    {"event": "media", "streamSid": CALL, "media": {"payload": "+1 555 0142!"}},
    {"event": "media", "streamSid": CALL, "media": {"payload": AUDIO, "track": "+15550142"}},
    {"event": "media", "streamSid": CALL, "from": "+15550142", "media": {"payload": AUDIO}},
    {"type": "response.output_audio.delta", "item_id": "sk-canary-0001", "delta": AUDIO},
    {"type": "audio", "audio": AUDIO, "text": "+15550142"},
    *(message for message, _ in MASKED),
]


def is_plain(message: Any) -> bool:
    return Masking(lambda text: text).is_plain_audio(json.dumps(message, separators=(",", ":")).encode())


@pytest.mark.parametrize("message", PLAIN)
def test_a_plain_frame_is_known_without_a_look_at_each_field(message: Any) -> None:
    assert is_plain(message)
    assert masked(message) == message


@pytest.mark.parametrize("message", NOT_PLAIN)
def test_what_has_anything_to_mask_is_no_plain_frame(message: Any) -> None:
    assert not is_plain(message)
