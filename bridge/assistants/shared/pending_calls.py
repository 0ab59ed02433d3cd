"""Which tool calls have no output yet, and when the caller should be told to wait. No clock: `now` is seconds."""

from bridge.vocabulary.events import ToolCalled


class PendingCalls:
    """The calls that are open: a tool runs for them, or the caller is typing the entry that answers them.

    `filler_s`: how long a tool may run before the caller is told to wait; None: the caller is not told.
    """

    def __init__(self, filler_s: float | None) -> None:
        self._filler_s = filler_s
        self._running: set[str] = set()
        self._entries: set[str] = set()
        self._filler_at: float | None = None
        self._filled = False

    def run(self, called: ToolCalled, now: float) -> None:
        """A tool runs outside of the dialect; `finish` is called with its output."""
        if not self._running:
            self._filled = False
        self._running.add(called.tool_call_id)
        if self._filler_s is not None and self._filler_at is None and not self._filled:
            self._filler_at = now + self._filler_s

    def wait_for_caller(self, tool_call_id: str) -> None:
        """The caller's entry, or their way back from a person, is the output. No filler is said: they are busy, or away."""
        self._entries.add(tool_call_id)

    def finish(self, tool_call_id: str) -> bool:
        """The call has its output. False if it was not open."""
        if tool_call_id in self._entries:
            self._entries.discard(tool_call_id)
            return True
        if tool_call_id not in self._running:
            return False
        self._running.discard(tool_call_id)
        if not self._running:
            self._filler_at = None
        return True

    def is_open(self, tool_call_id: str) -> bool:
        """Whether this call has no output yet."""
        return tool_call_id in self._running or tool_call_id in self._entries

    @property
    def any_running(self) -> bool:
        """Whether a tool runs for a call; waiting for an entry does not count."""
        return bool(self._running)

    @property
    def open_count(self) -> int:
        """How many calls have no output yet."""
        return len(self._running) + len(self._entries)

    @property
    def any_open(self) -> bool:
        """Whether a call has no output yet."""
        return bool(self._running or self._entries)

    # The filler

    def deadline(self) -> float | None:
        """When to call `take_filler`."""
        return self._filler_at

    def take_filler(self, now: float, *, quiet: bool) -> bool:
        """Whether to tell the caller now to wait; True once. `quiet`: nobody speaks; otherwise it is put off."""
        if self._filler_at is None or now < self._filler_at or self._filler_s is None:
            return False
        self._filler_at = None if quiet else now + self._filler_s
        self._filled = quiet
        return quiet
