"""Single keys into one entry, and when an entry is over. No clock: `now` is seconds.

An entry is open from its first key, or from when it is asked for. It ends with a terminator, when it is full, or when
it has been quiet for long enough. The time runs from a key's arrival; its place in the entry is by the carrier's clock.
Source: the wish for one entry and one answer, in place of an answer for each key.
"""

from bisect import insort
from dataclasses import dataclass

from bridge.vocabulary.events import DigitPressed, EntryEnd


@dataclass(frozen=True, slots=True)
class EntryRules:
    """When an entry is over. Keys are those of the keypad, 0-9 * # A-D."""

    quiet_s: float = 1.0
    """From the last key."""
    first_s: float | None = None
    """For the first key of an entry that was asked for; None: there is no hurry."""
    terminators: str = "#"
    """Each ends an entry and is no part of it; alone it is an empty entry, which may mean yes."""
    most: int = 32
    """Digits that make it full."""
    fewest: int = 1
    """An entry that is over with fewer, but not none, is invalid."""
    cancel: str = ""
    """This key empties the entry, and it begins anew."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was typed, without the terminator; the times are those of the first key, or of the asking, and of the end."""

    digits: str
    terminator: str
    reason: EntryEnd
    started_at: float
    ended_at: float


class Keypad:
    """Gathers one entry at a time."""

    def __init__(self, rules: EntryRules = EntryRules()) -> None:  # frozen
        self._usual = rules
        self._rules = rules
        self._keys: list[tuple[str, int, str]] = []  # when pressed, how many came before, key
        self._came = 0
        self._latest = ""  # when the last of them was pressed, by the carrier
        self._asked = False
        self._started_at = 0.0
        self._due: float | None = None
        self._full_until = 0.0  # a terminator by then still belongs to the entry that was full

    @property
    def is_empty(self) -> bool:
        """Whether the next key is an entry's first."""
        return not self._keys

    def deadline(self) -> float | None:
        """When the open entry is over; None if there is none, or no hurry."""
        return self._due

    def ask(self, rules: EntryRules, now: float) -> Entry | None:
        """An entry is asked for, with rules of its own; keys typed ahead are part of it, and may be all of it."""
        self._rules = rules
        self._asked = True
        if len(self._keys) >= rules.most:
            return self._end(EntryEnd.FULL, now)
        if not self._keys:
            self._started_at = now
            self.wait(now)
        return None

    def forget(self) -> None:
        """Nobody asks any more; what was typed is an entry like others."""
        self._rules = self._usual
        self._asked = False
        if not self._keys:
            self._due = None

    def wait(self, now: float) -> None:
        """The time for the first key begins now, if it is asked for; before, the caller could not know what to type."""
        first_s = self._rules.first_s
        self._due = now + first_s if self._asked and first_s is not None else None

    def press(self, event: DigitPressed, now: float) -> Entry | None:
        """One key, and the entry if that ended it."""
        digit, rules = event.digit.upper(), self._rules
        if digit in rules.terminators:
            return self._terminate(digit, now)
        if digit == rules.cancel:
            self._keys.clear()
            self.wait(now)
            return None
        if not self._keys and not self._asked:
            self._started_at = now
        self._latest = max(self._latest, event.pressed_at)
        self._came += 1
        insort(self._keys, (event.pressed_at or self._latest, self._came, digit))
        self._due = now + rules.quiet_s
        if len(self._keys) >= rules.most:
            return self._end(EntryEnd.FULL, now)
        return None

    def _terminate(self, digit: str, now: float) -> Entry | None:
        if not self._keys:
            if now < self._full_until:
                self._full_until = 0.0
                return None
            if not self._asked:
                self._started_at = now
        return self._end(EntryEnd.TERMINATOR, now, digit)

    def end(self, now: float) -> Entry | None:
        """No further key came; None if no entry is open."""
        return self._end(EntryEnd.QUIET, now) if self._keys or self._asked else None

    def hang_up(self, now: float) -> Entry | None:
        """No further key can come; None if no key was pressed."""
        return self._end(EntryEnd.HANGUP, now) if self._keys else None

    def _end(self, reason: EntryEnd, now: float, terminator: str = "") -> Entry:
        typed_ahead = self._keys[self._rules.most :]
        digits = "".join(digit for _, _, digit in self._keys[: self._rules.most])
        if reason is EntryEnd.FULL:
            self._full_until = now + self._rules.quiet_s
        if reason is not EntryEnd.HANGUP and 0 < len(digits) < self._rules.fewest:
            reason = EntryEnd.INVALID
        entry = Entry(digits, terminator, reason, self._started_at, now)
        self._rules, self._asked, self._started_at, self._latest = self._usual, False, now, ""
        self._keys = typed_ahead
        self._due = now + self._usual.quiet_s if typed_ahead else None
        return entry
