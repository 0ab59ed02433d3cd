"""Sorts the keys of one Telnyx stream by the time when they were pressed; their messages may come in another order.

Source: Telnyx, "Media streaming over WebSockets": `occurred_at` of a dtmf message, ISO 8601 in UTC. It is compared as
text, because such text sorts like the times. A key waits for some time for a key that was pressed before it.
Units: seconds. There is no clock here: `now` is passed in.
"""

import re
from bisect import insort
from collections import deque

from bridge.vocabulary.events import DigitPressed

_UTC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00)", re.ASCII)

_REMEMBERED = 64  # keys, to find a repeated one

MOST_HELD = 32
"""The most keys that wait: nobody presses so many within the window. With more the first of them waits no longer."""


class Digits:
    """The keys of one stream. `window_s`: how long a key waits for an earlier one; 0: it does not wait."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._held: list[
            tuple[str, int, DigitPressed, float]
        ] = []  # time pressed, order of arrival, key, due at
        self._seen: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)
        self._came = 0
        self._latest = ""  # when the key that came last was pressed
        self.repeated = 0
        """The number of keys dropped because the same key with the same time came before."""

    def feed(self, digit: str, occurred_at: object, now: float) -> None:
        """Take one key. A key without a valid time is put behind the one that came before it."""
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
        """Return when the next key has waited long enough; None: no key waits."""
        return min(due for *_, due in self._held) if self._held else None

    def due(self, now: float) -> list[DigitPressed]:
        """Return the keys that have waited long enough, each behind those that were pressed before it."""
        too_many = max(len(self._held) - MOST_HELD, 0)
        overdue = [place for place, (*_, due) in enumerate(self._held, 1) if due <= now]
        given = self._held[: max(too_many, overdue[-1] if overdue else 0)]
        del self._held[: len(given)]
        return [key for _, _, key, _ in given]

    def rest(self) -> list[DigitPressed]:
        """Return all keys that still wait, at the end of the stream."""
        rest = [key for _, _, key, _ in self._held]
        self._held.clear()
        return rest


def _sortable(occurred_at: object) -> str:
    """Return the time as text that sorts like the times and is equal for equal times; empty if it is not valid."""
    utc = _UTC.fullmatch(occurred_at) if isinstance(occurred_at, str) else None
    if utc is None:
        return ""
    fraction = (utc[2] or "").rstrip("0")
    return f"{utc[1]}.{fraction}" if fraction else utc[1]
