"""The items of an assistant that sends its reply audio as a stream: which one is open, and the late audio of a cut one.

An assistant opens items by name. Audio that comes while no item is open opens a bare item, which ends when nothing has
come for `BARE_S`. When a bare item is cut, audio is dropped until nothing has come for as long: nothing else tells late audio from
new audio. No clock: `now` is seconds.
"""

from bridge.assistants.stream.names import MOST_REMEMBERED, Names
from bridge.vocabulary.events import AssistantEvent, ReplyAudio, ReplyEnded, ReplySaid

BARE_S = 0.5
"""Neither a network nor a speech synthesis normally pauses as long within a sentence."""


class StreamItems:
    """The items of one conversation. `names`: shared with its utterances."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._items: dict[str, None] = {}
        self._open = ""
        self._is_bare = False
        self._sounded = False
        self._drops = False  # audio that comes belongs to a bare item that was cut
        self._quiet_at: float | None = None

    @property
    def silent(self) -> bool:
        """Whether the next audio would be the first of its item."""
        return not self._sounded

    def is_known(self, item: str) -> bool:
        """Whether this assistant has opened such an item."""
        return item in self._items

    # From the assistant

    def begin(self, item: str | None) -> list[AssistantEvent] | None:
        """Open an item, by this name or by one of ours. None if the name was given before."""
        if item is not None and not self._names.take_item(item):
            return None
        ended = self.end()
        self._open = item or self._names.fresh("item")
        self._items[self._open] = None
        if len(self._items) > MOST_REMEMBERED:
            del self._items[next(iter(self._items))]
        return ended

    def end(self) -> list[AssistantEvent]:
        """The open item is complete; what follows belongs to another."""
        ended: list[AssistantEvent] = [ReplyEnded(self._open)] if self._sounded else []
        self._open, self._is_bare, self._sounded, self._drops = "", False, False, False
        self._quiet_at = None
        return ended

    @property
    def any_open(self) -> bool:
        """Whether an item is open."""
        return bool(self._open)

    def audio(self, audio: bytes, now: float) -> list[AssistantEvent]:
        """Reply audio came. The hot path."""
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
        """Words of an item came, of the open one if `item` is None. None if there is no such item."""
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

    # Interruptions

    def interrupted(self) -> list[AssistantEvent]:
        """The assistant has interrupted itself: audio that it sends while no item is open is new."""
        return [] if self._open and not self._is_bare else self.end()

    def cut(self, item: str, now: float) -> list[AssistantEvent]:
        """The caller will not hear the rest of an item."""
        if item != self._open or not self._is_bare:
            return []
        ended = self.end()
        self._drops, self._quiet_at = True, now + BARE_S
        return ended

    def caller_paused(self) -> None:
        """The caller has finished speaking: audio that comes now is the answer, and is not dropped."""
        if self._drops:
            self._drops, self._quiet_at = False, None

    # Time

    def deadline(self) -> float | None:
        """When to call `due`: a bare item may have ended, or late audio be over."""
        return self._quiet_at

    def due(self, now: float) -> list[AssistantEvent]:
        """The end of a bare item, if nothing has come for `BARE_S`."""
        return self.end() if self._quiet_at is not None and now >= self._quiet_at else []
