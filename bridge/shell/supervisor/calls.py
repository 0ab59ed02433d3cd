"""The worker's side of the live feed of all workers: tells the supervisor what a viewer of this worker would be told."""

from collections.abc import Callable

from bridge.observers.live.live_calls import LiveCalls, Watch
from bridge.shell.supervisor.messages import ToldCalls, WatchCalls

MOST_BYTES = 60_000
"""In one message."""


class CallsTeller:
    """Tells of the calls of one worker."""

    def __init__(self, live: LiveCalls, tell: Callable[[ToldCalls], None]) -> None:
        self._live = live
        self._tell = tell
        self._watch: Watch | None = None

    def watch(self, asked: WatchCalls) -> None:
        """Tell what happens from now on, after a snapshot; or no longer."""
        self._live.share = asked.share
        if asked.on and self._watch is None:
            self._watch = self._live.watch(self._send)
        elif not asked.on and self._watch is not None:
            self._live.unwatch(self._watch)
            self._watch = None

    def ask(self) -> None:
        """Tell all calls as they are now."""
        self._send(self._live.snapshot())

    def _send(self, events: bytes) -> None:
        for start in range(0, len(events), MOST_BYTES):
            end = start + MOST_BYTES
            self._tell(ToldCalls(events[start:end], is_last=end >= len(events)))
