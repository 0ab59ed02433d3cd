"""What each server event means to the conversation; those of the session itself, and the audio, are the dialect's.

One table, by the kind's struct. Order between `response.output_item.*` and `conversation.item.*` is not relied on.
"""

from collections.abc import Callable
from typing import Any

from bridge.assistants.openai_realtime import usage
from bridge.assistants.openai_realtime.conversation import Conversation
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
from bridge.vocabulary.contracts import Utterance
from bridge.vocabulary.events import AssistantReportedError, CallerSaid, TokensUsed

Read = Callable[[Conversation, Any, float], list[Utterance]]
"""The conversation, the event, now; what comes of it."""


def _audio_done(talk: Conversation, event: AudioDone, _now: float) -> list[Utterance]:
    return [*talk.replies.end(event.item_id)]


def _words(talk: Conversation, event: TranscriptDelta, _now: float) -> list[Utterance]:
    return [*talk.replies.words(event)]


def _all_words(talk: Conversation, event: TranscriptDone, _now: float) -> list[Utterance]:
    return [*talk.replies.all_words(event)]


def _speech_started(talk: Conversation, event: InputSpeechStarted, now: float) -> list[Utterance]:
    return talk.server_heard_speech(event.at_ms, now)


def _speech_stopped(talk: Conversation, event: InputSpeechStopped, now: float) -> list[Utterance]:
    return talk.server_heard_pause(event.item_id or "", event.at_ms, now)


def _committed(talk: Conversation, _event: Committed, now: float) -> list[Utterance]:
    talk.committed(now)
    return []


def _transcribed(_talk: Conversation, event: Transcribed, _now: float) -> list[Utterance]:
    said: list[Utterance] = [CallerSaid(event.item_id, event.transcript)] if event.transcript else []
    tokens = usage.of_transcription(event.usage)
    return [*said, TokensUsed(tokens)] if tokens else said


def _not_transcribed(_talk: Conversation, event: NotTranscribed, _now: float) -> list[Utterance]:
    return [AssistantReportedError(f"the caller was not written down: {describe(event.body)}")]


def _item_added(talk: Conversation, event: ItemAdded, _now: float) -> list[Utterance]:
    talk.item_added(event.item.id or "")
    return []


def _output_item(talk: Conversation, event: OutputItemAdded, now: float) -> list[Utterance]:
    item = event.item
    if item.type != "function_call":
        return []
    complete = isinstance(event, OutputItemDone) and bool(item.arguments)  # the empty text may be a stub
    return talk.function_call(event.response_id, item, now, complete=complete)


def _arguments(talk: Conversation, event: ArgumentsDone, now: float) -> list[Utterance]:
    item = Item(event.item_id, "function_call", event.call_id, event.name, event.arguments)
    return talk.function_call(event.response_id, item, now, complete=True)


def _response_created(talk: Conversation, event: ResponseCreated, now: float) -> list[Utterance]:
    return talk.response_created(event.response, now)


def _response_done(talk: Conversation, event: ResponseDone, now: float) -> list[Utterance]:
    return talk.response_done(event.response, now)


def _error(talk: Conversation, event: Error, now: float) -> list[Utterance]:
    return talk.error(event.body, now)


READS: dict[type, Read] = {
    AudioDone: _audio_done,
    BetaAudioDone: _audio_done,
    TranscriptDelta: _words,
    BetaTranscriptDelta: _words,
    TranscriptDone: _all_words,
    BetaTranscriptDone: _all_words,
    InputSpeechStarted: _speech_started,
    InputSpeechStopped: _speech_stopped,
    Committed: _committed,
    Transcribed: _transcribed,
    NotTranscribed: _not_transcribed,
    ItemAdded: _item_added,
    BetaItemCreated: _item_added,
    OutputItemAdded: _output_item,
    OutputItemDone: _output_item,
    ArgumentsDone: _arguments,
    ResponseCreated: _response_created,
    ResponseDone: _response_done,
    Error: _error,
}
