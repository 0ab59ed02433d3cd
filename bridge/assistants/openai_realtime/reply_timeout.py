"""How long the caller is left without a reply, or in the middle of one, before something is done about it.

No clock: `now` is seconds.
"""


class ReplyTimeout:
    """One session's. It runs from the end of the caller's turn, or from our request, to the end of the response."""

    def __init__(self, reply_s: float) -> None:
        self._reply_s = reply_s
        self._due_at: float | None = None
        self._begun = False  # a response is being made
        self._asked = False  # a response was asked for in its stead

    def start(self, now: float) -> None:
        """A reply should come; one that should have come before stays due when it was."""
        if self._due_at is None:
            self._due_at = now + self._reply_s
            self._begun = self._asked = False

    def go_on(self, now: float) -> None:
        """A response is being made, and more of it should come."""
        self._due_at = now + self._reply_s
        self._begun = True

    def stop(self) -> None:
        """The response is done, or not wanted; or the caller speaks again."""
        self._due_at = None

    def deadline(self) -> float | None:
        """When it ends."""
        return self._due_at

    def is_over(self, now: float) -> bool:
        """Whether a reply should be here by now."""
        return self._due_at is not None and now >= self._due_at

    def asks_again(self, now: float) -> bool:
        """It ended: whether a response is to be asked for. True once, and only where none was made at all."""
        again = not (self._begun or self._asked)
        self._asked = True
        self._due_at = now + self._reply_s if again else None
        return again
