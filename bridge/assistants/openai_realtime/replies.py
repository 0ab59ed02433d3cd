"""The assistant's replies, item by item: what came in of each, what was interrupted, what became of it.

Items are the conversation's own unit: what the caller heard is told of an item, in ms from the item's first sound,
and never beyond what was received of it. Late audio is dropped by its response. Lengths are bytes of the format that
the assistant speaks. No clock.
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
"""Items, and interrupted responses, of a session; the oldest are forgotten. Hours of talk."""

_Value = TypeVar("_Value")


class _Item(Struct, gc=False):
    response: str
    received: int = 0  # bytes
    cut: bytes = b""  # half a sample, whose other half is still to come
    said: str = ""  # its words, until its response is done
    in_pieces: bool = False  # the words came so
    ended: bool = False
    settled: bool = False  # it is known what the caller heard of it


class Replies:
    """One session's. `new_id`: the next name for an event of ours."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._items: dict[str, _Item] = {}
        self._unheard: set[str] = set()  # items with sound that are not settled
        self._dropped: dict[str, None] = {}  # responses that were interrupted
        self._aside: dict[str, None] = {}  # responses outside of the conversation
        self._truncates: dict[str, str] = {}  # our event's id, the item that it cuts
        self._speaks = PCMU_8K
        self._wide = False  # two bytes a sample

    def open(self, speaks: AudioFormat) -> None:
        """In which format the voice comes."""
        self._speaks = speaks
        self._wide = speaks.sample_bytes > 1

    # What the server sends

    def audio(self, event: AudioDelta) -> list[ReplyAudio]:
        """A piece of the voice, in whole samples. The hot path."""
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
        item.ended = False  # it may have more than one part
        return [ReplyAudio(event.item_id, audio)]

    def words(self, event: TranscriptDelta) -> list[ReplySaid]:
        """The next words of the voice."""
        if event.response_id in self._dropped or not event.delta:
            return []
        item = self._items.get(event.item_id) or self._begin(event.item_id, event.response_id)
        item.said += event.delta
        item.in_pieces = True
        return [ReplySaid(event.item_id, event.delta)]

    def all_words(self, event: TranscriptDone) -> list[ReplySaid]:
        """All words of the voice: news only where they did not come in pieces."""
        item = self._items.get(event.item_id)
        if (item is not None and item.in_pieces) or not event.transcript:
            return []
        return self.words(TranscriptDelta(event.item_id, event.transcript, event.response_id))

    def _begin(self, item_id: str, response_id: str) -> _Item:
        item = _remember(self._items, item_id, _Item(response_id))
        self._unheard &= self._items.keys()
        return item

    def end(self, item_id: str) -> list[ReplyEnded]:
        """All of an item's voice came."""
        item = self._items.get(item_id)
        if item is None or item.ended or not item.received:
            return []
        item.ended = True
        return [ReplyEnded(item_id)]

    def end_response(self, response_id: str) -> list[ReplyEnded]:
        """Nothing more of this response will come."""
        its = {name: item for name, item in self._items.items() if item.response == response_id}
        for item in its.values():
            item.said = ""
        return [ended for name, item in its.items() if not item.ended for ended in self.end(name)]

    # What the caller hears

    def set_aside(self, response_id: str) -> None:
        """This response is outside of the conversation: the server has_assistant no items of it."""
        _remember(self._aside, response_id, None)

    def drop(self, response_ids: Iterable[str]) -> None:
        """These were interrupted: what still comes of them is late."""
        for response_id in response_ids:
            if response_id:  # some servers name none: there a settled item tells what is late
                _remember(self._dropped, response_id, None)

    @property
    def dropped(self) -> Set[str]:
        """Responses that were interrupted."""
        return self._dropped.keys()

    @property
    def coming_in(self) -> set[str]:
        """Responses whose voice has begun and not ended, though nobody may have announced them."""
        return {item.response for name in self._unheard if not (item := self._items[name]).ended}

    @property
    def unheard(self) -> set[str]:
        """Responses with sound of which it is not known what the caller heard."""
        return {self._items[name].response for name in self._unheard}

    def is_current(self, item_id: str) -> bool:
        """Whether this is an item of the session that nothing has cut so far."""
        item = self._items.get(item_id)
        return item is not None and not item.settled and item.response not in self._dropped

    @property
    def unheard_ms(self) -> float:
        """How long the items are of which it is not known what the caller heard."""
        return self._speaks.duration_ms(sum(self._items[name].received for name in self._unheard))

    def spoke(self, response_id: str) -> bool:
        """Whether any voice came of a response."""
        return any(item.received for item in self._items.values() if item.response == response_id)

    def said(self, response_id: str) -> str | None:
        """The words of a response that is not done; None if it has sound, and its words are not known."""
        its = [item for item in self._items.values() if item.response == response_id]
        words = " ".join(item.said for item in its if item.said)
        return None if not words and any(item.received for item in its) else words

    def settle(self, item_id: str, heard_ms: int | None) -> list[str]:
        """The caller heard so much of an item; None: all. What to tell the server, once."""
        item = self._items.get(item_id)
        self._unheard.discard(item_id)
        if item is None or item.settled:
            return []
        item.settled = True
        if heard_ms is None or item.response in self._aside:
            return []
        return self._cut(item_id, min(heard_ms, int(self._speaks.duration_ms(item.received))), again=False)

    def cut_again(self, error: ErrorBody) -> list[str]:
        """The server has less of an item than we received: cut it where the server says, once."""
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
    """Whole 16-bit samples; half a one waits for its other half."""
    if item.cut:
        audio = item.cut + audio
    item.cut = audio[-1:] if len(audio) % 2 else b""
    return audio[:-1] if item.cut else audio


def _remember(memory: dict[str, _Value], name: str, value: _Value) -> _Value:
    memory[name] = value
    if len(memory) > MOST_REMEMBERED:
        del memory[next(iter(memory))]
    return value
