"""The wire of OpenAI Realtime: text to server event in one typed pass, and the client's messages as text.

Wire: OpenAI, "Realtime API, client events" and "server events"; one JSON object in a text frame, `type` is its kind.
Audio is base64 there and bytes here; times are ms. Which message belongs where is told elsewhere.
"""

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, get_args

from msgspec import Struct, ValidationError, json

from bridge.assistants.openai_realtime.server_events import ServerEvent
from bridge.assistants.shared.wire_kind import UNREADABLE, kind_of
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import Said, Speaker

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
"""Kinds that are known, and tell nothing that is not told elsewhere."""

OURS = "vb_"
"""How the names begin that we give to items and events."""

_KINDS = frozenset(kind.__struct_config__.tag for kind in get_args(ServerEvent))
_READ: json.Decoder[ServerEvent] = json.Decoder(ServerEvent)


class Unread(Struct, frozen=True):
    """An event of a kind that is not among the `ServerEvent`s."""

    kind: str


def read(message: str) -> ServerEvent | Unread:
    """Read one message. Raises `MalformedMessage` if it is not an event, or of a `ServerEvent`'s kind in a wrong shape."""
    try:
        return _READ.decode(message)
    except UNREADABLE as error:
        kind = kind_of(message)
        if kind is None:
            raise MalformedMessage("not a JSON object with an event's type") from error
        if kind in _KINDS:
            path = str(error) if isinstance(error, ValidationError) else "broken JSON"
            raise MalformedMessage(f"{kind}: {path}") from error
        return Unread(kind)


# What we say


def append(audio: bytes) -> str:
    """The caller's next audio. The hot path."""
    return f'{{"type":"input_audio_buffer.append","audio":"{b2a_base64(audio, newline=False).decode()}"}}'


def commit() -> str:
    """What was appended is an utterance."""
    return _message("input_audio_buffer.commit")


def session_update(session: Mapping[str, Any], event_id: str) -> str:
    """Set fields of the session; those left out stay as they are."""
    return _message("session.update", event_id=event_id, session=session)


def create_said(said: Said, item_id: str) -> str:
    """An item in words. The assistant's own can only be text: its sound cannot be given back."""
    caller = said.who is Speaker.CALLER
    content = {"type": "input_text" if caller else "output_text", "text": said.text}
    role = "user" if caller else "assistant"
    return _create_item({"id": item_id, "type": "message", "role": role, "content": [content]})


def create_output(call_id: str, output: str, item_id: str) -> str:
    """What came of a function call."""
    item = {"id": item_id, "type": "function_call_output", "call_id": call_id, "output": output}
    return _create_item(item)


def truncate(item_id: str, audio_end_ms: int, event_id: str) -> str:
    """Only so much of an item's sound was heard."""
    return _message(
        "conversation.item.truncate",
        event_id=event_id,
        item_id=item_id,
        content_index=0,
        audio_end_ms=audio_end_ms,
    )


def delete(item_id: str, event_id: str) -> str:
    """Nothing of an item was heard."""
    return _message("conversation.item.delete", event_id=event_id, item_id=item_id)


def create_response(fields: Mapping[str, Any], event_id: str) -> str:
    """Ask for a response; its metadata tells it from those that the server makes by itself."""
    metadata = {"client_event_id": event_id}
    return _message("response.create", event_id=event_id, response={**fields, "metadata": metadata})


def cancel_response(response_id: str, event_id: str) -> str:
    """Stop this response and no other."""
    return _message("response.cancel", event_id=event_id, response_id=response_id)


def _create_item(item: dict[str, Any]) -> str:
    return _message("conversation.item.create", item=item)


def _message(kind: str, **fields: Any) -> str:
    return json.encode({"type": kind, **fields}).decode()
