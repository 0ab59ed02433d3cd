"""The replies that are being played: their names, and when the caller should have heard them.

No clock: `now` is seconds.
"""


class UnheardReplies:
    """The replies of one conversation. `slack_s`: how much longer than its audio a reply may take to be heard."""

    def __init__(self, slack_s: float) -> None:
        self._slack_s = slack_s
        self._pending: dict[str, float] = {}  # when its audio should end
        self._played_until = 0.0
        self._number = 0

    @property
    def pending(self) -> bool:
        """Whether a reply is being played."""
        return bool(self._pending)

    def add(self, kind: str, length_s: float, now: float) -> str:
        """A reply is played behind those before it. Returns its name."""
        self._number += 1
        item = f"{kind}-{self._number}"
        self._played_until = max(self._played_until, now) + length_s
        self._pending[item] = self._played_until
        return item

    def hold(self, seconds: float) -> None:
        """Playback paused for so long."""
        self._played_until += seconds
        self._pending = {item: until + seconds for item, until in self._pending.items()}

    def over(self, item: str, now: float) -> bool:
        """A reply was heard, or cut. False if it was not pending."""
        if self._pending.pop(item, None) is None:
            return False
        if not self._pending:
            self._played_until = now
        return True

    def deadline(self) -> float | None:
        """When the first reply should have been heard, at the latest."""
        return min(self._pending.values()) + self._slack_s if self._pending else None

    def overdue(self, now: float) -> list[str]:
        """The replies that should have been heard by now."""
        return [item for item, until in self._pending.items() if now >= until + self._slack_s]
