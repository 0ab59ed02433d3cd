"""The budget of an assistant's leg: how many messages and bytes it may send in a second, and in a burst.

No good assistant reaches it: a reply that comes at once, minutes of it in frames of 20 ms, fits into the burst. One
that does is read more slowly, and is dropped when that has lasted too long. No clock and no socket: `now` is seconds.
"""

from typing import NamedTuple

STEP_S = 0.05
"""A leg that is short is read again when it has so much of a second's allowance."""

MOST_SHORT_S = 60.0
"""A leg that was paused for so long, without a time in between in which its allowance grew whole again, is dropped."""


class Rate(NamedTuple):
    """An allowance: it grows by `per_s` in a second, up to `burst`."""

    per_s: float
    burst: float


MESSAGES = Rate(1_000, 15_000)
"""Twenty times as fast as frames of 20 ms are spoken; five minutes of them at once."""

BYTES = Rate(4_194_304, 33_554_432)
"""Sixty times as fast as 16-bit audio at 24 kHz in base64 is spoken; eight of the longest messages at once."""


class LegBudget:
    """The budget of one leg, from `now` on. The leg subtracts from `messages` and `bytes`, and calls `wait_s` when one is
    negative.
    """

    def __init__(self, now: float, messages: Rate = MESSAGES, bytes_: Rate = BYTES) -> None:
        self._rates = messages, bytes_
        self.messages = messages.burst
        self.bytes = bytes_.burst
        self._grown_at = now
        self._short_s = 0.0

    def wait_s(self, now: float) -> float:
        """How long the leg is not to be read; 0: it may be read on."""
        messages, bytes_ = self._rates
        passed_s = now - self._grown_at
        self._grown_at = now
        self.messages = min(messages.burst, self.messages + passed_s * messages.per_s)
        self.bytes = min(bytes_.burst, self.bytes + passed_s * bytes_.per_s)
        if self.messages == messages.burst and self.bytes == bytes_.burst:
            self._short_s = 0.0
        if self.messages >= 0 and self.bytes >= 0:
            return 0.0
        wait_s = STEP_S + max(-self.messages / messages.per_s, -self.bytes / bytes_.per_s)
        self._short_s += wait_s
        return wait_s

    @property
    def is_exceeded(self) -> bool:
        """Whether the leg was paused for so long that it is to be dropped."""
        return self._short_s > MOST_SHORT_S
