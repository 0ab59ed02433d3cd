"""The events of an OpenAI Realtime server: each kind as a struct, by its GA and its beta name.

Wire: OpenAI, "Realtime API, server events"; one JSON object in a text frame, `type` is its kind, audio is base64.
Fields that we do not use are not declared, so they may hold anything; fields that other servers of the protocol leave
out have defaults. Fields of type `Any` differ most from server to server. Properties read them, and treat a part in an
unexpected form as missing, so that the event is not lost. Times on the wire are ms; `expires_at` is Unix seconds.
"""

from math import isfinite
from typing import Annotated, Any

from msgspec import Meta, Struct, field, json

LONGEST_NAME = 512
"""Characters of the id of an item, a response or a call, and of a tool's name. An event with a longer one is malformed."""

Name = Annotated[str, Meta(max_length=LONGEST_NAME)]


class Event(Struct, tag_field="type"):
    """A server event by its kind."""


# Session


class SessionFormat(Struct, frozen=True):
    """{"type": "audio/pcm", "rate": 24000}; formats with a fixed rate have none on the wire."""

    type: str
    rate: int | None = None


class SessionBody(Struct):
    """The server's settings of the session. The two formats at the top level are the beta's."""

    audio: Any = None
    input_audio_format: Any = None
    output_audio_format: Any = None
    created_at: Any = None
    expires_at: Any = None

    @property
    def hears(self) -> SessionFormat | None:
        """The format of the caller's audio."""
        return _format(_in(_in(self.audio, "input"), "format") or self.input_audio_format)

    @property
    def speaks(self) -> SessionFormat | None:
        """The format of the replies' audio."""
        return _format(_in(_in(self.audio, "output"), "format") or self.output_audio_format)


class SessionCreated(Event, tag="session.created"):
    """The connection is open; the session has its defaults."""

    session: SessionBody


class SessionUpdated(Event, tag="session.updated"):
    """The session after our `session.update`."""

    session: SessionBody


# The caller


class InputSpeechStarted(Event, tag="input_audio_buffer.speech_started"):
    """The server's turn detection: the caller speaks. Its time is where the item begins, including `prefix_padding_ms`."""

    item_id: Name | None = None
    audio_start_ms: Any = None

    @property
    def at_ms(self) -> int | None:
        """In ms of the audio that the server was sent."""
        return _whole(self.audio_start_ms)


class InputSpeechStopped(Event, tag="input_audio_buffer.speech_stopped"):
    """The server's turn detection: the caller stopped speaking."""

    item_id: Name | None = None
    audio_end_ms: Any = None

    @property
    def at_ms(self) -> int | None:
        """In ms of the audio that the server was sent."""
        return _whole(self.audio_end_ms)


class Committed(Event, tag="input_audio_buffer.committed"):
    """The caller's utterance became an item."""

    item_id: Name | None = None


class ErrorBody(Struct):
    """An error, as in `error`, in a failed response, and in a failed transcription."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: Name | None = None


class Transcribed(Event, tag="conversation.item.input_audio_transcription.completed"):
    """The words of the caller's item."""

    item_id: Name
    transcript: str | None = None
    usage: Any = None


class NotTranscribed(Event, tag="conversation.item.input_audio_transcription.failed"):
    """The caller's item could not be transcribed."""

    item_id: Name | None = None
    error: Any = None

    @property
    def body(self) -> ErrorBody | None:
        """The reason; None if the server gives none."""
        return _error(self.error)


# Items


class Item(Struct):
    """An item of the conversation; the last three fields are those of a function call."""

    id: Name | None = None
    type: str | None = None
    call_id: Name | None = None
    name: Name | None = None
    arguments: str | None = None


class ItemAdded(Event, tag="conversation.item.added"):
    """An item is in the conversation."""

    item: Item


class BetaItemCreated(ItemAdded, tag="conversation.item.created"):
    """The same, by its name in the beta."""


class OutputItemAdded(Event, tag="response.output_item.added"):
    """A response began an item."""

    item: Item
    response_id: Name = ""


class OutputItemDone(OutputItemAdded, tag="response.output_item.done"):
    """A response finished an item."""


# Replies


class AudioDelta(Event, tag="response.output_audio.delta", gc=False):
    """Reply audio. The hot path."""

    item_id: Name
    delta: bytes
    response_id: Name = ""


class BetaAudioDelta(AudioDelta, tag="response.audio.delta", gc=False):
    """The same, by its name in the beta."""


class AudioDone(Event, tag="response.output_audio.done"):
    """All audio of the item was sent."""

    item_id: Name
    response_id: Name = ""


class BetaAudioDone(AudioDone, tag="response.audio.done"):
    """The same, by its name in the beta."""


class TranscriptDelta(Event, tag="response.output_audio_transcript.delta"):
    """The next words of the reply audio."""

    item_id: Name
    delta: str
    response_id: Name = ""


class BetaTranscriptDelta(TranscriptDelta, tag="response.audio_transcript.delta"):
    """The same, by its name in the beta."""


class TranscriptDone(Event, tag="response.output_audio_transcript.done"):
    """All words of the reply audio, once more."""

    item_id: Name
    transcript: str | None = None
    response_id: Name = ""


class BetaTranscriptDone(TranscriptDone, tag="response.audio_transcript.done"):
    """The same, by its name in the beta."""


class ArgumentsDone(Event, tag="response.function_call_arguments.done"):
    """The arguments of a function call are complete. Some servers send its name or its `call_id` only with the item."""

    item_id: Name
    arguments: str
    call_id: Name | None = None
    name: Name | None = None
    response_id: Name = ""


# Responses


class ResponseBody(Struct):
    """A response. `metadata`: what our request had; responses that the server makes by itself have none."""

    name: Any = field(default="", name="id")
    status: Any = None
    status_details: Any = None
    output: Any = None
    usage: Any = None
    metadata: Any = None

    @property
    def id(self) -> str:
        """The response's id; empty, as some servers give none."""
        return (_text(self.name) or "")[:LONGEST_NAME]

    @property
    def reason(self) -> str | None:
        """Why the response is incomplete."""
        return _text(_in(self.status_details, "reason"))

    @property
    def error(self) -> ErrorBody | None:
        """Why the response failed."""
        return _error(_in(self.status_details, "error"))

    @property
    def items(self) -> list[Item]:
        """The items that it made."""
        output = self.output if isinstance(self.output, list) else []
        return [_item(item) for item in output if isinstance(item, dict)]

    @property
    def client_event_id(self) -> str | None:
        """The id of our event that asked for it; None if the server made it by itself."""
        return _text(_in(self.metadata, "client_event_id"))


class ResponseCreated(Event, tag="response.created"):
    """A response is being made."""

    response: ResponseBody


class ResponseDone(Event, tag="response.done"):
    """A response has ended: it is complete, or failed, or was cancelled."""

    response: ResponseBody


class Error(Event, tag="error"):
    """The server reports an error; most leave the session open."""

    error: Any

    @property
    def body(self) -> ErrorBody:
        """The error; with empty fields if the server gives no details."""
        return _error(self.error) or ErrorBody()


# Reading parts of type Any


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
    texts = {name: _text(found.get(name)) for name in Item.__struct_fields__}
    item = Item(
        **{
            name: text if text is None or name == "arguments" else text[:LONGEST_NAME]
            for name, text in texts.items()
        }
    )
    if isinstance(found.get("arguments"), dict):
        item.arguments = json.encode(found["arguments"]).decode()
    return item


def _format(found: Any) -> SessionFormat | None:
    kind = found.get("type") if isinstance(found, dict) else found
    return SessionFormat(kind, _whole(_in(found, "rate"))) if isinstance(kind, str) else None


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
