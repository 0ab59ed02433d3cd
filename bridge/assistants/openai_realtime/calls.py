"""The functions that the assistant calls: gathered from several events, answered one by one, followed up once.

Calls that overlap are a batch. Each output goes out at once; a response is due once the last open call is answered and
the responses that made the calls are done. No clock: `now` is seconds.
"""

from msgspec import Struct

from bridge.assistants.openai_realtime.server_events import Item
from bridge.vocabulary.events import ToolCalled


class _Heard(Struct):
    """What is known of a call so far."""

    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class Called(Struct, frozen=True):
    """A call of which all is known."""

    response_id: str
    call_id: str
    name: str
    arguments: str


class Calls:
    """One session's. `filler_s`: how long calls may stay open without a word to the caller; None: as long as it takes."""

    def __init__(self, filler_s: float | None) -> None:
        self._filler_s = filler_s
        self._heard: dict[str, _Heard] = {}  # by item
        self._seen: set[str] = set()
        self._open: set[str] = set()
        self._entries: set[str] = set()  # calls that the caller answers, on the keypad
        self._making: set[str] = set()  # responses that made calls of this batch and may make more
        self._outputs: set[str] = set()  # items of outputs that were not followed up
        self._filler_at: float | None = None
        self._filled = False

    # From the server

    def heard(self, response_id: str, item: Item, *, complete: bool) -> Called | None:
        """What one event tells of a call; the whole of it once, when nothing is missing any more.

        `complete`: the arguments, if there are any, are all there.
        """
        known = self._heard.setdefault(item.id or item.call_id or "", _Heard())
        known.call_id = item.call_id or known.call_id
        known.name = item.name or known.name
        if complete and known.arguments is None:
            known.arguments = item.arguments
        if not known.call_id or not known.name or known.arguments is None or known.call_id in self._seen:
            return None
        self._seen.add(known.call_id)
        return Called(response_id, known.call_id, known.name, known.arguments)

    def join(self, call: Called) -> None:
        """It is one of the batch: its response may make more."""
        self._making.add(call.response_id)

    def response_done(self, response_id: str) -> bool:
        """It will make no more calls; whether it made any."""
        made = not self._making.isdisjoint({response_id, ""})
        self._making -= {response_id, ""}  # some servers do not say whose call it is
        if not (self._making or self._open or self._entries):
            self._heard.clear()
        return made

    # From us

    def begin(self, call: Called, now: float) -> ToolCalled:
        """Somebody else will answer it."""
        if not self._open:
            self._filled = False
        self._open.add(call.call_id)
        if self._filler_s is not None and self._filler_at is None and not self._filled:
            self._filler_at = now + self._filler_s
        return ToolCalled(call.call_id, call.name, call.arguments)

    def wait_for_entry(self, call: Called) -> None:
        """The caller will answer it; it must be told to do so, and not to wait."""
        self._entries.add(call.call_id)

    @property
    def any_open(self) -> bool:
        """Whether something is being done for a call."""
        return bool(self._open)

    @property
    def being_made(self) -> bool:
        """Whether a response that made calls may make more."""
        return bool(self._making)

    def answered(self, call_id: str) -> bool:
        """A call came to its end; False if it is not open."""
        if call_id in self._entries:
            self._entries.discard(call_id)
            return True
        if call_id not in self._open:
            return False
        self._open.discard(call_id)
        if not self._open:
            self._filler_at = None
        return True

    def put_out(self, item_id: str) -> None:
        """The item that holds an output."""
        self._outputs.add(item_id)

    def take_outputs(self) -> frozenset[str]:
        """The outputs of a batch that is complete, once: time for a response. Otherwise none."""
        if self._open or self._entries or self._making:
            return frozenset()
        outputs = frozenset(self._outputs)
        self._outputs.clear()
        return outputs

    # While the caller waits

    def deadline(self) -> float | None:
        """When to see whether the caller should be told to wait."""
        return self._filler_at

    def wants_filler(self, now: float, *, quiet: bool) -> bool:
        """Whether to tell the caller now. `quiet`: nobody speaks; otherwise it is put off."""
        if self._filler_at is None or now < self._filler_at or self._filler_s is None:
            return False
        self._filler_at = None if quiet else now + self._filler_s
        self._filled = quiet
        return quiet
