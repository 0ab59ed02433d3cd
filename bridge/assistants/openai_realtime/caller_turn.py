"""Whether the caller speaks, and which responses are from before that and so no answer to it. No clock: `now` is seconds."""

from collections.abc import Iterable

LONGEST_S = 60.0
"""After so long a turn of the caller counts as over, if the server did not send its end."""

MOST_RESPONSES = 100
"""Responses from before the end of one turn; with more, those before the latest are forgotten."""


class CallerTurn:
    """The caller's turns in one session."""

    def __init__(self) -> None:
        self.speaks = False
        """Whether the caller speaks, according to turn detection."""
        self._ends_at: float | None = None  # at the latest
        self._before: set[str] = set()  # responses from before the caller's turn

    def limit(self, now: float) -> None:
        """The server, which may not send the end, heard the turn begin."""
        self._ends_at = now + LONGEST_S

    def begin(self, responses: Iterable[str]) -> None:
        """The caller speaks. `responses`: those that are being made and were not interrupted."""
        self.speaks = True
        self._before = {*responses}

    def end(self) -> None:
        """The caller stopped speaking."""
        self.speaks, self._ends_at = False, None

    def created(self, response_id: str) -> None:
        """A response is being made; if the caller still speaks, it is not the answer."""
        if self.speaks and len(self._before) < MOST_RESPONSES:
            self._before.add(response_id)
        elif self.speaks:
            self._before = {response_id}
        else:
            self._before.clear()

    def still_waits(self, response_id: str) -> bool:
        """Whether the caller's turn is over, and this response, which has ended, was no answer to it."""
        return response_id in self._before and not self.speaks

    def deadline(self) -> float | None:
        """When to call `is_too_long`."""
        return self._ends_at

    def is_too_long(self, now: float) -> bool:
        """Whether the turn should have ended by now."""
        return self._ends_at is not None and now >= self._ends_at
