"""What an OpenAI Realtime server says: each kind of event as a struct, under its GA and its beta name.

Wire: OpenAI, "Realtime API, server events"; one JSON object in a text frame, `type` is its kind, audio is base64.
Fields that we do not use are not declared, and so may be anything; those that other servers of the protocol leave
out have defaults. What is `Any` differs most from server to server: a surprise in it shall not cost the event, so it
is picked apart by properties, and what is not as it should be is taken for left out. Times on the wire are ms, `expires_at` is unix seconds. `wire` reads them.
"""

from math import isfinite
from typing import Any

from msgspec import Struct, field, json


class Event(Struct, tag_field="type"):
    """A server event by its kind."""


# Session


class WireFormat(Struct, frozen=True):
    """{"type": "audio/pcm", "rate": 24000}; no rate on those that have only one."""

    type: str
    rate: int | None = None


class SessionBody(Struct):
    """A session as the server has it. The two formats at the top level are those of the beta."""

    audio: Any = None
    input_audio_format: Any = None
    output_audio_format: Any = None
    created_at: Any = None
    expires_at: Any = None

    @property
    def hears(self) -> WireFormat | None:
        """What the caller's audio comes in."""
        return _format(_in(_in(self.audio, "input"), "format") or self.input_audio_format)

    @property
    def speaks(self) -> WireFormat | None:
        """What the replies' audio goes out in."""
        return _format(_in(_in(self.audio, "output"), "format") or self.output_audio_format)


class SessionCreated(Event, tag="session.created"):
    """The socket is open; the session has its defaults."""

    session: SessionBody


class SessionUpdated(Event, tag="session.updated"):
    """What our settings made of it."""

    session: SessionBody


# The caller


class InputSpeechStarted(Event, tag="input_audio_buffer.speech_started"):
    """The server's voice detection: the caller speaks. Its time is where the item begins, padding included."""

    item_id: str | None = None
    audio_start_ms: Any = None

    @property
    def at_ms(self) -> int | None:
        """By the session's clock of audio."""
        return _whole(self.audio_start_ms)


class InputSpeechStopped(Event, tag="input_audio_buffer.speech_stopped"):
    """The server's voice detection: the caller paused."""

    item_id: str | None = None
    audio_end_ms: Any = None

    @property
    def at_ms(self) -> int | None:
        """By the session's clock of audio."""
        return _whole(self.audio_end_ms)


class Committed(Event, tag="input_audio_buffer.committed"):
    """What the caller said became an item."""

    item_id: str | None = None


class ErrorBody(Struct):
    """What is wrong: in an `error`, in a failed response, in a failed transcription."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class Transcribed(Event, tag="conversation.item.input_audio_transcription.completed"):
    """What the caller's item was understood as."""

    item_id: str
    transcript: str | None = None
    usage: Any = None


class NotTranscribed(Event, tag="conversation.item.input_audio_transcription.failed"):
    """The caller's item stays without words."""

    item_id: str | None = None
    error: Any = None

    @property
    def body(self) -> ErrorBody | None:
        """Why."""
        return _error(self.error)


# Items


class Item(Struct):
    """An item of the conversation; the last three are a function call's."""

    id: str | None = None
    type: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class ItemAdded(Event, tag="conversation.item.added"):
    """An item is in the conversation."""

    item: Item


class BetaItemCreated(ItemAdded, tag="conversation.item.created"):
    """Its older name."""


class OutputItemAdded(Event, tag="response.output_item.added"):
    """A response began an item."""

    item: Item
    response_id: str = ""


class OutputItemDone(OutputItemAdded, tag="response.output_item.done"):
    """A response finished an item."""


# Replies


class AudioDelta(Event, tag="response.output_audio.delta", gc=False):
    """A piece of the voice. The hot path."""

    item_id: str
    delta: bytes
    response_id: str = ""


class BetaAudioDelta(AudioDelta, tag="response.audio.delta", gc=False):
    """Its older name."""


class AudioDone(Event, tag="response.output_audio.done"):
    """All of the item's voice was sent."""

    item_id: str
    response_id: str = ""


class BetaAudioDone(AudioDone, tag="response.audio.done"):
    """Its older name."""


class TranscriptDelta(Event, tag="response.output_audio_transcript.delta"):
    """The next words of the voice."""

    item_id: str
    delta: str
    response_id: str = ""


class BetaTranscriptDelta(TranscriptDelta, tag="response.audio_transcript.delta"):
    """Its older name."""


class TranscriptDone(Event, tag="response.output_audio_transcript.done"):
    """All words of the voice, once more."""

    item_id: str
    transcript: str | None = None
    response_id: str = ""


class BetaTranscriptDone(TranscriptDone, tag="response.audio_transcript.done"):
    """Its older name."""


class ArgumentsDone(Event, tag="response.function_call_arguments.done"):
    """A function is called. Some servers tell its name or its `call_id` with the item only."""

    item_id: str
    arguments: str
    call_id: str | None = None
    name: str | None = None
    response_id: str = ""


# Responses


class ResponseBody(Struct):
    """A response. `metadata`: our own, sent back; those that the server made have none."""

    name: Any = field(default="", name="id")
    status: Any = None
    status_details: Any = None
    output: Any = None
    usage: Any = None
    metadata: Any = None

    @property
    def id(self) -> str:
        """Its name; some servers give none."""
        return _text(self.name) or ""

    @property
    def reason(self) -> str | None:
        """Why it did not complete."""
        return _text(_in(self.status_details, "reason"))

    @property
    def error(self) -> ErrorBody | None:
        """Why it failed."""
        return _error(_in(self.status_details, "error"))

    @property
    def items(self) -> list[Item]:
        """What it brought."""
        output = self.output if isinstance(self.output, list) else []
        return [_item(item) for item in output if isinstance(item, dict)]

    @property
    def client_event_id(self) -> str | None:
        """The event that asked for it, if that was ours."""
        return _text(_in(self.metadata, "client_event_id"))


class ResponseCreated(Event, tag="response.created"):
    """A response is being made."""

    response: ResponseBody


class ResponseDone(Event, tag="response.done"):
    """It came to its end, good or bad."""

    response: ResponseBody


class Error(Event, tag="error"):
    """The server did not like something; the session stands."""

    error: Any

    @property
    def body(self) -> ErrorBody:
        """What."""
        return _error(self.error) or ErrorBody()


# What is picked apart


def _in(found: Any, key: str) -> Any:
    return found.get(key) if isinstance(found, dict) else None


def _text(found: Any) -> str | None:
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
    return str(found) if is_number or isinstance(found, str) else None


def _error(found: Any) -> ErrorBody | None:
    if not isinstance(found, dict):
        text = _text(found)
        return None if text is None else ErrorBody(message=text)
    return ErrorBody(**{name: _text(found.get(name)) for name in ErrorBody.__struct_fields__})


def _item(found: dict[str, Any]) -> Item:
    item = Item(**{name: _text(found.get(name)) for name in Item.__struct_fields__})
    if isinstance(found.get("arguments"), dict):
        item.arguments = json.encode(found["arguments"]).decode()
    return item


def _format(found: Any) -> WireFormat | None:
    kind = found.get("type") if isinstance(found, dict) else found
    return WireFormat(kind, _whole(_in(found, "rate"))) if isinstance(kind, str) else None


def _whole(found: Any) -> int | None:
    try:
        number = float(found)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if isfinite(number) else None


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | InputSpeechStarted
    | InputSpeechStopped
    | Committed
    | Transcribed
    | NotTranscribed
    | ItemAdded
    | BetaItemCreated
    | OutputItemAdded
    | OutputItemDone
    | AudioDelta
    | BetaAudioDelta
    | AudioDone
    | BetaAudioDone
    | TranscriptDelta
    | BetaTranscriptDelta
    | TranscriptDone
    | BetaTranscriptDone
    | ArgumentsDone
    | ResponseCreated
    | ResponseDone
    | Error
)
