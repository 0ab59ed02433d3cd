"""The wire of OpenAI Realtime: decodes server events in one typed pass, and encodes the client's events as text.

Wire: OpenAI, "Realtime API, client events" and "server events"; one JSON object in a text frame, `type` is its kind.
Audio is base64 on the wire and bytes here; times are ms.
"""

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, get_args

from msgspec import Struct, ValidationError, json

from bridge.assistants.openai_realtime.server_events import ServerEvent
from bridge.assistants.shared.wire_kind import UNREADABLE, kind_of
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import Said, Speaker, ToolUsed

UNNEEDED = frozenset(
    {
        *("conversation.created", "conversation.item.done", "conversation.item.retrieved"),
        *("conversation.item.deleted", "conversation.item.truncated"),
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.segment",
        *("input_audio_buffer.cleared", "input_audio_buffer.timeout_triggered"),
        *("response.content_part.added", "response.content_part.done"),
        *("response.output_text.delta", "response.output_text.done"),
        *("response.text.delta", "response.text.done"),
        *("response.function_call_arguments.delta", "rate_limits.updated"),
    }
)
"""Known kinds that hold nothing we need."""

OURS = "vb_"
"""The prefix of the ids that we give to items and events."""

LONGEST_KIND = 64
"""Characters of an unknown kind that are kept."""

LONGEST_FAULT = 200
"""Characters of the decoder's message."""

_KINDS = frozenset(kind.__struct_config__.tag for kind in get_args(ServerEvent))
READ: json.Decoder[ServerEvent] = json.Decoder(ServerEvent)
"""Decodes a `ServerEvent`; it raises one of `UNREADABLE` for all else."""


class UnknownEvent(Struct, frozen=True):
    """An event of a kind that is not among the `ServerEvent`s."""

    kind: str


def read(message: str) -> ServerEvent | UnknownEvent:
    """Read one message. Raises `MalformedMessage` if it is not an event, or of a `ServerEvent`'s kind in a wrong shape."""
    try:
        return READ.decode(message)
    except UNREADABLE as error:
        return unknown(message, error)


def unknown(message: str, error: Exception) -> UnknownEvent:
    """What a message is that `READ` cannot decode, for this reason. Raises as `read` does."""
    kind = kind_of(message)
    if kind is None:
        raise MalformedMessage("not a JSON object with an event's type") from error
    if kind in _KINDS:
        path = str(error) if isinstance(error, ValidationError) else "broken JSON"
        raise MalformedMessage(f"{kind}: {path[:LONGEST_FAULT]}") from error
    return UnknownEvent(kind[:LONGEST_KIND])


# What we send


APPEND_HEAD, APPEND_TAIL = '{"type":"input_audio_buffer.append","audio":"', '"}'
"""What is around the base64 of the caller's audio: see `append`."""


def append(audio: bytes) -> str:
    """The caller's audio."""
    return f"{APPEND_HEAD}{b2a_base64(audio, newline=False).decode()}{APPEND_TAIL}"


def commit() -> str:
    """The audio appended so far is an utterance: make it an item."""
    return _message("input_audio_buffer.commit")


def session_update(session: Mapping[str, Any], event_id: str) -> str:
    """Set fields of the session; fields that are left out do not change."""
    return _message("session.update", event_id=event_id, session=session)


def create_said(said: Said, item_id: str) -> str:
    """A message item with text. The assistant's own words can only be text: the API takes no assistant audio."""
    caller = said.who is Speaker.CALLER
    content = {"type": "input_text" if caller else "output_text", "text": said.text}
    role = "user" if caller else "assistant"
    return _create_item({"id": item_id, "type": "message", "role": role, "content": [content]})


def create_told(text: str, item_id: str) -> str:
    """A message item of the system's, which nobody has said."""
    content = {"type": "input_text", "text": text}
    return _create_item({"id": item_id, "type": "message", "role": "system", "content": [content]})


def create_call(used: ToolUsed, call_id: str, item_id: str) -> str:
    """A function call that was made before this session; its output is an item of its own."""
    called = {"call_id": call_id, "name": used.tool, "arguments": used.arguments}
    return _create_item({"id": item_id, "type": "function_call", **called})


def create_output(call_id: str, output: str, item_id: str, after: str = "") -> str:
    """The output of a function call. `after`: the item behind which it belongs; empty: the last one."""
    item = {"id": item_id, "type": "function_call_output", "call_id": call_id, "output": output}
    return _create_item(item, {"previous_item_id": after} if after else {})


def truncate(item_id: str, audio_end_ms: int, event_id: str) -> str:
    """The caller heard only the first `audio_end_ms` of an item."""
    return _message(
        "conversation.item.truncate",
        event_id=event_id,
        item_id=item_id,
        content_index=0,
        audio_end_ms=audio_end_ms,
    )


def delete(item_id: str, event_id: str) -> str:
    """The caller heard nothing of an item."""
    return _message("conversation.item.delete", event_id=event_id, item_id=item_id)


def create_response(fields: Mapping[str, Any], event_id: str) -> str:
    """Ask for a response. Its metadata tell it from the responses that the server makes by itself."""
    metadata = {"client_event_id": event_id}
    return _message("response.create", event_id=event_id, response={**fields, "metadata": metadata})


def cancel_response(response_id: str, event_id: str) -> str:
    """Stop this response."""
    return _message("response.cancel", event_id=event_id, response_id=response_id)


def _create_item(item: dict[str, Any], place: Mapping[str, str] = {}) -> str:
    return _message("conversation.item.create", **place, item=item)


def _message(kind: str, **fields: Any) -> str:
    return json.encode({"type": kind, **fields}).decode()
