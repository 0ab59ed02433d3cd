"""Writes the server's events, numbered, with the names of the GA or of the beta API.

The actions for the socket are collected here in order until `take`.
"""

from typing import Any, NamedTuple

from msgspec import json

from bridge.simulators.openai.script import SessionFaults


class Close(NamedTuple):
    """Close the connection. `code`: of the WebSocket; 1006: break it without a close frame."""

    code: int
    reason: str = ""


class StopReading(NamedTuple):
    """Stop reading for this time."""

    seconds: float


Action = str | Close | StopReading
"""An action for the socket: a message to send, or one of the above."""

BETA_NAMES = {
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": None,
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
}
"""Names of events in the GA, and those of the beta API; None: the beta has no such event."""

BETA_CONTENT = {"output_audio": "audio", "output_text": "text"}

ITEM_EVENTS = {"conversation.item.added", "conversation.item.done"}

UNKNOWN = (
    '{"type":"vendor.heartbeat","event_id":"event_unknown","at":1.5}',
    '{"type":"response.output_audio.sparkle","event_id":"event_unknown","delta":"c3Bhcms=","response_id":null}',
    '{"type":"session.mood.updated","event_id":"event_unknown","session":{"mood":["sunny"]}}',
)


class EventWriter:
    """Writes the events of one connection. After `close` no message is sent; after `mute` only a close."""

    def __init__(self, number: int, faults: SessionFaults) -> None:
        self.over = False
        self.muted = faults.silent
        self._number = number
        self._beta = faults.beta
        self._item_added = faults.item_added
        self._unknown_every = faults.unknown_every
        self._named = 0
        self._events = 0
        self._actions: list[Action] = []

    def name(self, kind: str) -> str:
        """A new id such as item_00010001, unique in this server. `kind`: what it begins with."""
        self._named += 1
        return f"{kind}_{self._number:04}{self._named:06}"

    def event(self, kind: str, **fields: object) -> None:
        """Send a server event of this type."""
        if self.muted or self.over or (kind in ITEM_EVENTS and not self._item_added):
            return
        name: str | None = kind
        if self._beta:
            name = BETA_NAMES.get(kind, kind)
            fields = {key: _as_beta(value) for key, value in fields.items()}
        if name is not None:
            self._send(json.encode({"type": name, "event_id": self._event_id(), **fields}).decode())

    def audio_head(self, response: str, item: str, output_index: int) -> str:
        """The beginning of the audio deltas of an item, for `audio`."""
        name = BETA_NAMES["response.output_audio.delta"] if self._beta else "response.output_audio.delta"
        return (
            f'{{"type":"{name}","response_id":"{response}","item_id":"{item}",'
            f'"output_index":{output_index},"content_index":0,"event_id":"'
        )

    def audio(self, head: str, base64: str) -> None:
        """Send an audio delta. Its JSON is not encoded each time, because most events are audio deltas."""
        if not (self.muted or self.over):
            self._send(f'{head}{self._event_id()}","delta":"{base64}"}}')

    def error(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        event_id: str | None = None,
        family: str = "invalid_request_error",
    ) -> None:
        """Send an error event. `family`: its `type`. `event_id`: of the client's event that is wrong."""
        error = {"type": family, "code": code, "message": message, "param": param, "event_id": event_id}
        self.event("error", error=error)

    def mute(self) -> None:
        """Send no event from now on."""
        self.muted = True

    def close(self, code: int, reason: str = "") -> None:
        """Close the connection, once."""
        if not self.over:
            self._actions.append(Close(code, reason))
        self.over = True

    def stop_reading(self, seconds: float) -> None:
        """Stop reading for this time."""
        self._actions.append(StopReading(seconds))

    def take(self) -> list[Action]:
        """The actions collected since the last call, in order."""
        actions, self._actions = self._actions, []
        return actions

    def _event_id(self) -> str:
        self._events += 1
        return f"event_{self._events}"

    def _send(self, message: str) -> None:
        self._actions.append(message)
        every = self._unknown_every
        if every and self._events % every == 0:
            self._actions.append(UNKNOWN[self._events // every % len(UNKNOWN)])


def _as_beta(value: Any) -> Any:
    """A value with the beta API's names of content types, at any depth."""
    match value:
        case dict():
            renamed = {key: _as_beta(inner) for key, inner in value.items()}
            if (kind := renamed.get("type")) in BETA_CONTENT:
                renamed["type"] = BETA_CONTENT[kind]
            return renamed
        case list():
            return [_as_beta(inner) for inner in value]
        case _:
            return value
