"""What an OpenAI Realtime server says: each kind of event as a struct, under its GA and its beta name.

Wire: OpenAI, "Realtime API, server events"; one JSON object in a text frame, `type` is its kind, audio is base64.
Fields that we do not use are not declared, and so may be anything; those that other servers of the protocol leave
out have defaults. Times on the wire are ms, `expires_at` is unix seconds. `wire` reads them.
"""

from typing import Any

from msgspec import Struct


class Event(Struct, tag_field="type"):
    """A server event by its kind."""


# Session


class WireFormat(Struct, frozen=True):
    """{"type": "audio/pcm", "rate": 24000}; no rate on those that have only one."""

    type: str
    rate: int | None = None


class AudioSide(Struct):
    """`session.audio.input` or `.output`."""

    format: WireFormat | str | None = None


class SessionAudio(Struct):
    """`session.audio`."""

    input: AudioSide | None = None
    output: AudioSide | None = None


class SessionBody(Struct):
    """A session as the server has it. The two formats at the top level are those of the beta.

    What is `Any` here and below differs most from server to server; a surprise in it shall not cost the event.
    """

    audio: SessionAudio | None = None
    input_audio_format: WireFormat | str | None = None
    output_audio_format: WireFormat | str | None = None
    created_at: Any = None
    expires_at: Any = None


class SessionCreated(Event, tag="session.created"):
    """The socket is open; the session has its defaults."""

    session: SessionBody


class SessionUpdated(Event, tag="session.updated"):
    """What our settings made of it."""

    session: SessionBody


# The caller


class SpeechStarted(Event, tag="input_audio_buffer.speech_started"):
    """The server's voice detection: the caller speaks."""

    item_id: str | None = None


class SpeechStopped(Event, tag="input_audio_buffer.speech_stopped"):
    """The server's voice detection: the caller paused."""

    item_id: str | None = None


class Committed(Event, tag="input_audio_buffer.committed"):
    """What the caller said became an item."""

    item_id: str | None = None


class ErrorBody(Struct):
    """What is wrong: in an `error`, in a failed response, in a failed transcription."""

    type: str | None = None
    code: str | int | None = None
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
    error: ErrorBody | None = None


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


class StatusDetails(Struct):
    """Why a response did not complete."""

    reason: str | None = None
    error: ErrorBody | None = None


class ResponseBody(Struct):
    """A response. `metadata`: our own, sent back; those that the server made have none."""

    id: str = ""
    status: str | None = None
    status_details: StatusDetails | None = None
    output: list[Item] | None = None
    usage: Any = None
    metadata: dict[str, Any] | None = None

    @property
    def client_event_id(self) -> str | None:
        """The event that asked for it, if that was ours."""
        event_id = (self.metadata or {}).get("client_event_id")
        return event_id if isinstance(event_id, str) else None


class ResponseCreated(Event, tag="response.created"):
    """A response is being made."""

    response: ResponseBody


class ResponseDone(Event, tag="response.done"):
    """It came to its end, good or bad."""

    response: ResponseBody


class Error(Event, tag="error"):
    """The server did not like something; the session stands."""

    error: ErrorBody


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
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
