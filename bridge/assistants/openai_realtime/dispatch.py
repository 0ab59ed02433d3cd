"""One table: which method of the conversation reads which server event. The dialect reads the session's events and audio.

The order of `response.output_item.*` and `conversation.item.*` does not matter: servers differ in it.
"""

from collections.abc import Callable
from typing import Any

from bridge.assistants.openai_realtime import usage
from bridge.assistants.openai_realtime.conversation import RealtimeConversation
from bridge.assistants.openai_realtime.error_events import read_error
from bridge.assistants.openai_realtime.error_reports import describe
from bridge.assistants.openai_realtime.server_events import (
    ArgumentsDone,
    AudioDone,
    BetaAudioDone,
    BetaItemCreated,
    BetaTranscriptDelta,
    BetaTranscriptDone,
    Committed,
    Error,
    InputSpeechStarted,
    InputSpeechStopped,
    Item,
    ItemAdded,
    NotTranscribed,
    OutputItemAdded,
    OutputItemDone,
    ResponseCreated,
    ResponseDone,
    Transcribed,
    TranscriptDelta,
    TranscriptDone,
)
from bridge.vocabulary.contracts import AssistantOutcome
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import AssistantReportedError, CallerSaid, TokensUsed

Read = Callable[[RealtimeConversation, Any, float], list[AssistantOutcome]]
"""From the conversation, the event and the time: events for the core and messages for the server."""


def _audio_done(talk: RealtimeConversation, event: AudioDone, _now: float) -> list[AssistantOutcome]:
    return [*talk.replies.end(event.item_id)]


def _words(talk: RealtimeConversation, event: TranscriptDelta, _now: float) -> list[AssistantOutcome]:
    return [*talk.replies.words(event)]


def _all_words(talk: RealtimeConversation, event: TranscriptDone, _now: float) -> list[AssistantOutcome]:
    return [*talk.replies.all_words(event)]


def _speech_started(
    talk: RealtimeConversation, event: InputSpeechStarted, now: float
) -> list[AssistantOutcome]:
    return talk.server_heard_speech(event.at_ms, now)


def _speech_stopped(
    talk: RealtimeConversation, event: InputSpeechStopped, now: float
) -> list[AssistantOutcome]:
    return talk.server_heard_pause(event.item_id or "", event.at_ms, now)


def _committed(talk: RealtimeConversation, _event: Committed, now: float) -> list[AssistantOutcome]:
    talk.committed(now)
    return []


def _transcribed(_talk: RealtimeConversation, event: Transcribed, _now: float) -> list[AssistantOutcome]:
    said: list[AssistantOutcome] = [CallerSaid(event.item_id, event.transcript)] if event.transcript else []
    tokens = usage.of_transcription(event.usage)
    return [*said, TokensUsed(tokens)] if tokens else said


def _not_transcribed(
    _talk: RealtimeConversation, event: NotTranscribed, _now: float
) -> list[AssistantOutcome]:
    return [AssistantReportedError(f"the caller was not transcribed: {describe(event.body)}")]


def _item_added(talk: RealtimeConversation, event: ItemAdded, _now: float) -> list[AssistantOutcome]:
    talk.item_added(event.item.id or "")
    return []


def _output_item(talk: RealtimeConversation, event: OutputItemAdded, now: float) -> list[AssistantOutcome]:
    item = event.item
    if item.type != "function_call":
        return []
    complete = isinstance(event, OutputItemDone) and bool(item.arguments)  # the empty text may be a stub
    return talk.function_call(event.response_id, item, now, complete=complete)


def _arguments(talk: RealtimeConversation, event: ArgumentsDone, now: float) -> list[AssistantOutcome]:
    item = Item(event.item_id, "function_call", event.call_id, event.name, event.arguments)
    return talk.function_call(event.response_id, item, now, complete=True)


def _response_created(
    talk: RealtimeConversation, event: ResponseCreated, now: float
) -> list[AssistantOutcome]:
    return talk.response_created(event.response, now)


def _response_done(talk: RealtimeConversation, event: ResponseDone, now: float) -> list[AssistantOutcome]:
    return talk.response_done(event.response, now)


def _error(talk: RealtimeConversation, event: Error, now: float) -> list[AssistantOutcome]:
    return read_error(talk, event.body, now)


READS: dict[type, Read] = dict(
    [
        on(AudioDone, _audio_done),
        on(BetaAudioDone, _audio_done),
        on(TranscriptDelta, _words),
        on(BetaTranscriptDelta, _words),
        on(TranscriptDone, _all_words),
        on(BetaTranscriptDone, _all_words),
        on(InputSpeechStarted, _speech_started),
        on(InputSpeechStopped, _speech_stopped),
        on(Committed, _committed),
        on(Transcribed, _transcribed),
        on(NotTranscribed, _not_transcribed),
        on(ItemAdded, _item_added),
        on(BetaItemCreated, _item_added),
        on(OutputItemAdded, _output_item),
        on(OutputItemDone, _output_item),
        on(ArgumentsDone, _arguments),
        on(ResponseCreated, _response_created),
        on(ResponseDone, _response_done),
        on(Error, _error),
    ]
)
