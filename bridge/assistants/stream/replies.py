"""The items of an assistant that speaks in a stream: which one is open, and what still comes of one that was cut.

An assistant opens items by name; audio that comes with none open makes one, a bare item, which ends when nothing has
come for `BARE_S`. What still comes of a bare item that was cut is dropped until then: nothing else tells it from what
is new. No clock: `now` is seconds.
"""

from bridge.assistants.stream.names import Names
from bridge.vocabulary.events import AssistantEvent, ReplyAudio, ReplyEnded, ReplySaid

BARE_S = 0.5
"""No network and no synthesis pauses so long within a sentence, unless it is in trouble."""


class Replies:
    """One conversation's."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._items: set[str] = set()
        self._open = ""
        self._is_bare = False
        self._sounded = False
        self._drops = False  # what comes belongs to a bare item that was cut
        self._quiet_at: float | None = None

    @property
    def silent(self) -> bool:
        """Whether audio that comes now would be the first of an item."""
        return not self._sounded

    def has(self, item: str) -> bool:
        """Whether it is an item of this assistant's."""
        return item in self._items

    # From the assistant

    def begin(self, item: str | None) -> list[AssistantEvent] | None:
        """A new item, of this name or one of ours; None if the name was given before."""
        if item is not None and not self._names.take(item):
            return None
        ended = self.end()
        self._open = item or self._names.fresh("item")
        self._items.add(self._open)
        return ended

    def end(self) -> list[AssistantEvent]:
        """The open item is complete; what comes next is new."""
        ended: list[AssistantEvent] = [ReplyEnded(self._open)] if self._sounded else []
        self._open, self._is_bare, self._sounded, self._drops = "", False, False, False
        self._quiet_at = None
        return ended

    @property
    def any_open(self) -> bool:
        """Whether there is an item to be ended."""
        return bool(self._open)

    def audio(self, audio: bytes, now: float) -> list[AssistantEvent]:
        """The next audio. The hot path."""
        if not self._open:
            if self._drops:
                self._quiet_at = now + BARE_S
                return []
            self._begin_bare()
        if self._is_bare:
            self._quiet_at = now + BARE_S
        self._sounded = True
        return [ReplyAudio(self._open, audio)]

    def said(self, item: str | None, text: str, now: float) -> list[AssistantEvent] | None:
        """The next words of an item, of the open one if it is not named; None if there is no such item."""
        if item is None and not self._open:
            if self._drops:
                return []
            self._begin_bare()
            self._quiet_at = now + BARE_S
        name = item or self._open
        return [ReplySaid(name, text)] if name in self._items else None

    def _begin_bare(self) -> None:
        self.begin(None)
        self._is_bare = True

    # What became of it

    def interrupted(self) -> list[AssistantEvent]:
        """The assistant had it cut by itself: what it sends with no item open is new."""
        return [] if self._open and not self._is_bare else self.end()

    def cut(self, item: str, now: float) -> list[AssistantEvent]:
        """The caller will hear no more of an item."""
        if item != self._open or not self._is_bare:
            return []
        ended = self.end()
        self._drops, self._quiet_at = True, now + BARE_S
        return ended

    def caller_paused(self) -> None:
        """What comes now is an answer."""
        if self._drops:
            self._drops, self._quiet_at = False, None

    # Time

    def deadline(self) -> float | None:
        """When to see whether a bare item has ended."""
        return self._quiet_at

    def due(self, now: float) -> list[AssistantEvent]:
        """The end of a bare item, if nothing has come for so long."""
        return self.end() if self._quiet_at is not None and now >= self._quiet_at else []
