"""The reply audio of a session, item by item: what was received, what was interrupted, what the caller heard.

The server is told what the caller heard of an item, in ms from the item's first sample, and never more than was received.
Late audio is dropped by its response's id. Lengths are bytes of the format that the assistant speaks. No clock.
Wire: OpenAI, "Realtime API", `response.output_audio.delta`, `conversation.item.truncate`, `conversation.item.delete`.
"""

from collections.abc import Callable, Iterable, Set
from typing import TypeVar

from msgspec import Struct

from bridge.assistants.openai_realtime.error_reports import length_ms
from bridge.assistants.openai_realtime.server_events import (
    AudioDelta,
    ErrorBody,
    TranscriptDelta,
    TranscriptDone,
)
from bridge.assistants.openai_realtime.wire import delete, truncate
from bridge.vocabulary.events import ReplyAudio, ReplyEnded, ReplySaid
from telecodecs.format import PCMU_8K, AudioFormat

MOST_REMEMBERED = 1_000
"""Items, and interrupted responses, of a session; older ones are forgotten. Enough for hours."""

MOST_LETTERS = 4_000
"""The most words of an item that are kept until its response is done, to see whether a prompt is among them."""

_Value = TypeVar("_Value")


class _Item(Struct, gc=False):
    response: str
    received: int = 0  # bytes
    cut: bytes = b""  # half a sample, whose other half is still to come
    said: str = ""  # its words, until its response is done
    in_pieces: bool = False  # its words came in deltas
    ended: bool = False
    settled: bool = False  # what the caller heard of it is known


class ReplyItems:
    """The items of one session. `new_id`: the next id for an event of ours."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._items: dict[str, _Item] = {}
        self._unheard: set[str] = set()  # items with audio that are not settled
        self._dropped: dict[str, None] = {}  # responses that were interrupted
        self._aside: dict[str, None] = {}  # responses outside of the conversation
        self._truncates: dict[str, str] = {}  # by our event's id, the item that it truncates
        self._speaks = PCMU_8K
        self._wide = False  # two bytes for each sample

    def open(self, speaks: AudioFormat) -> None:
        """The audio of replies comes in this format."""
        self._speaks = speaks
        self._wide = speaks.sample_bytes > 1

    # Events of the server

    def audio(self, event: AudioDelta) -> list[ReplyAudio]:
        """Reply audio came; it is passed on in whole samples. The hot path."""
        if event.response_id in self._dropped:
            return []
        item = self._items.get(event.item_id)
        if item is None:
            item = self._begin(event.item_id, event.response_id)
        elif item.settled:
            return []
        audio = event.delta
        if self._wide:
            audio = _whole(item, audio)
        if not audio:
            return []
        if not item.received:
            self._unheard.add(event.item_id)
        item.received += len(audio)
        item.ended = False  # an item may have more than one audio part
        return [ReplyAudio(event.item_id, audio)]

    def words(self, event: TranscriptDelta) -> list[ReplySaid]:
        """Words of the reply audio came."""
        if event.response_id in self._dropped or not event.delta:
            return []
        item = self._items.get(event.item_id) or self._begin(event.item_id, event.response_id)
        item.said += event.delta[: MOST_LETTERS - len(item.said)]
        item.in_pieces = True
        return [ReplySaid(event.item_id, event.delta)]

    def all_words(self, event: TranscriptDone) -> list[ReplySaid]:
        """All words of an item came; they are passed on only if they did not come in deltas."""
        item = self._items.get(event.item_id)
        if (item is not None and item.in_pieces) or not event.transcript:
            return []
        return self.words(TranscriptDelta(event.item_id, event.transcript, event.response_id))

    def _begin(self, item_id: str, response_id: str) -> _Item:
        item = _remember(self._items, item_id, _Item(response_id))
        self._unheard &= self._items.keys()
        return item

    def end(self, item_id: str) -> list[ReplyEnded]:
        """All audio of an item came."""
        item = self._items.get(item_id)
        if item is None or item.ended or not item.received:
            return []
        item.ended = True
        return [ReplyEnded(item_id)]

    def end_response(self, response_id: str) -> list[ReplyEnded]:
        """A response is done: its items that are open have ended."""
        its = {name: item for name, item in self._items.items() if item.response == response_id}
        for item in its.values():
            item.said = ""
        return [ended for name, item in its.items() if not item.ended for ended in self.end(name)]

    # Interruptions, and what the caller heard

    def set_aside(self, response_id: str) -> None:
        """This response is outside of the conversation: the server cannot truncate its items."""
        _remember(self._aside, response_id, None)

    def drop(self, response_ids: Iterable[str]) -> None:
        """These responses were interrupted: audio that still comes is dropped."""
        for response_id in response_ids:
            if response_id:  # some servers send no id; late audio is then recognized by its settled item
                _remember(self._dropped, response_id, None)

    @property
    def dropped(self) -> Set[str]:
        """The responses that were interrupted."""
        return self._dropped.keys()

    @property
    def coming_in(self) -> set[str]:
        """The responses whose audio has begun and not ended, also those without `response.created`."""
        return {item.response for name in self._unheard if not (item := self._items[name]).ended}

    @property
    def unheard(self) -> set[str]:
        """The responses with audio of which it is not known what the caller heard."""
        return {self._items[name].response for name in self._unheard}

    def is_current(self, item_id: str) -> bool:
        """Whether this is an item of the session that was not interrupted and not settled so far."""
        item = self._items.get(item_id)
        return item is not None and not item.settled and item.response not in self._dropped

    @property
    def unheard_ms(self) -> float:
        """The length in ms of all items of which it is not known what the caller heard."""
        return self._speaks.duration_ms(sum(self._items[name].received for name in self._unheard))

    def spoke(self, response_id: str) -> bool:
        """Whether any audio of a response came; some servers send audio without the response's id."""
        return any(item.received for item in self._items.values() if item.response in (response_id, ""))

    def said(self, response_id: str) -> str | None:
        """The words of a response that is not done; None if it has audio, and its words are not known."""
        its = [item for item in self._items.values() if item.response == response_id]
        words = " ".join(item.said for item in its if item.said)
        return None if not words and any(item.received for item in its) else words

    def settle(self, item_id: str, heard_ms: int | None) -> list[str]:
        """The caller heard the first `heard_ms` of an item; None: all of it. Returns the messages for the server, once."""
        item = self._items.get(item_id)
        self._unheard.discard(item_id)
        if item is None or item.settled:
            return []
        item.settled = True
        if heard_ms is None or item.response in self._aside:
            return []
        return self._cut(item_id, min(heard_ms, int(self._speaks.duration_ms(item.received))), again=False)

    def cut_again(self, error: ErrorBody) -> list[str]:
        """The server refused to truncate because it has less audio than we received: truncate at its length, once."""
        item_id = self._truncates.pop(error.event_id or "", None)
        length = length_ms(error)
        return [] if item_id is None or length is None else self._cut(item_id, length, again=True)

    def _cut(self, item_id: str, heard_ms: int, *, again: bool) -> list[str]:
        event_id = self._new_id()
        if heard_ms <= 0:
            return [delete(item_id, event_id)]
        if not again:
            _remember(self._truncates, event_id, item_id)
        return [truncate(item_id, heard_ms, event_id)]


def _whole(item: _Item, audio: bytes) -> bytes:
    """Whole 16-bit samples; half a sample waits for its other half."""
    if item.cut:
        audio = item.cut + audio
    item.cut = audio[-1:] if len(audio) % 2 else b""
    return audio[:-1] if item.cut else audio


def _remember(memory: dict[str, _Value], name: str, value: _Value) -> _Value:
    memory[name] = value
    if len(memory) > MOST_REMEMBERED:
        del memory[next(iter(memory))]
    return value
