"""The keys of one Telnyx stream in the order in which they were pressed; they may come in another.

Wire: `occurred_at` of a dtmf message, ISO 8601 in UTC. It is compared as text, which sorts as the times do.
A key waits a window's length for one that was pressed before it. Units: seconds. No clock: `now` is passed in.
"""

import re
from bisect import insort
from collections import deque

from bridge.vocabulary.events import DigitPressed

_UTC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00)", re.ASCII)

_REMEMBERED = 64  # keys, to tell one that is repeated


class Digits:
    """`window_s`: how long a key waits; 0 where it need not."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._held: list[
            tuple[str, int, DigitPressed, float]
        ] = []  # place, how many came before, key, due at
        self._seen: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)
        self._came = 0
        self._latest = ""  # the time of the key that came last
        self.repeated = 0
        """Keys dropped because the same key of the same time came before."""

    def feed(self, digit: str, occurred_at: object, now: float) -> None:
        """Take one key. Without a time that can be read it stands behind the one that came before it."""
        pressed_at = _sortable(occurred_at)
        if pressed_at:
            self._latest = pressed_at
            if (pressed_at, digit) in self._seen:
                self.repeated += 1
                return
            self._seen.append((pressed_at, digit))
        self._came += 1
        insort(self._held, (self._latest, self._came, DigitPressed(digit, pressed_at), now + self._window_s))

    def deadline(self) -> float | None:
        """When a key has waited long enough."""
        return min(due for *_, due in self._held) if self._held else None

    def due(self, now: float) -> list[DigitPressed]:
        """The keys that have waited long enough by `now`, each behind those that were pressed before it."""
        overdue = [place for place, (*_, due) in enumerate(self._held, 1) if due <= now]
        given = self._held[: overdue[-1]] if overdue else []
        del self._held[: len(given)]
        return [key for _, _, key, _ in given]

    def rest(self) -> list[DigitPressed]:
        """All that still wait: no further key will come."""
        rest = [key for _, _, key, _ in self._held]
        self._held.clear()
        return rest


def _sortable(occurred_at: object) -> str:
    """The time as text that sorts as the times do, equal for equal ones; empty where it cannot be read."""
    utc = _UTC.fullmatch(occurred_at) if isinstance(occurred_at, str) else None
    if utc is None:
        return ""
    fraction = (utc[2] or "").rstrip("0")
    return f"{utc[1]}.{fraction}" if fraction else utc[1]
