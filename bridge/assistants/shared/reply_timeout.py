"""How long the caller is left without a reply, or in the middle of one, before something is done about it.

No clock: `now` is seconds.
"""

from bridge.assistants.shared.owed_reply import OwedReply


class ReplyTimeout(OwedReply):
    """The timeout of one session, and the debt of its assistant. It runs from the end of the caller's turn, or from our request for a response, to
    the end of the response. `reply_s`: seconds without a sign of the reply.
    """

    def __init__(self, reply_s: float) -> None:
        super().__init__(reply_s)
        self._due_at: float | None = None
        self._begun = False  # a response is being made
        self._retried = False  # a response was requested again

    def start(self, now: float) -> None:
        """A reply is expected. Where one was expected already, that timeout goes on running."""
        if self._due_at is None:
            self._due_at = now + self._reply_s
            self._begun = self._retried = False
            self.ask(now)

    def go_on(self, now: float) -> None:
        """A response is being made; the timeout starts again for its next piece."""
        self._due_at = self._until = now + self._reply_s
        self._begun = True

    def stop(self) -> None:
        """The response is done, or is not wanted."""
        self._due_at = None
        self.settle()

    def suspend(self) -> None:
        """The caller speaks again: nothing is waited for, but the assistant may still be at work on the response."""
        self._due_at = None

    def deadline(self) -> float | None:
        """When it ends; None if it is not running."""
        return self._due_at

    def is_over(self, now: float) -> bool:
        """Whether it has ended without a reply."""
        return self._due_at is not None and now >= self._due_at

    def retry_once(self, now: float) -> bool:
        """The timeout ended. True if a response should be requested again, which starts the timeout again.

        That is the case once, and only if no response had begun.
        """
        again = not (self._begun or self._retried)
        self._retried = True
        self._due_at = now + self._reply_s if again else None
        if again:
            self.ask(now)
        return again
