"""Whether an assistant owes a reply: while it does, it may be busy with it, and silence does not mean that it is dead.

A caller who goes on speaking withdraws no debt: the assistant may still be at work. No clock: `now` is seconds.
"""


class OwedReply:
    """The debt of one assistant. `reply_s`: how long after the last request, or sign of the reply, it is believed to be at work."""

    def __init__(self, reply_s: float) -> None:
        self._reply_s = reply_s
        self._until: float | None = None

    def ask(self, now: float) -> None:
        """A reply is expected, or has begun and should go on."""
        self._until = now + self._reply_s

    def settle(self) -> None:
        """The reply is complete."""
        self._until = None

    def is_owed(self, now: float) -> bool:
        """Whether the reply may still come."""
        return self._until is not None and now < self._until
