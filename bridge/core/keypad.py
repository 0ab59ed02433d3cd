"""Single keys into one entry, and when an entry is complete. No clock: `now` is seconds.

An entry is open from its first key, or from when it is asked for. It ends with a terminator, when it is full, or when no
key came for `quiet_s`. That time runs from a key's arrival; the order of the keys is by the carrier's clock.
"""

from bisect import insort
from dataclasses import dataclass

from bridge.vocabulary.events import DigitPressed, EntryEnd


@dataclass(frozen=True, slots=True)
class EntryRules:
    """When an entry is complete. Keys are those of the keypad, `vocabulary.events.KEYS`."""

    quiet_s: float = 1.0
    """From the last key."""
    first_s: float | None = None
    """For the first key of an entry that was asked for; None: without end."""
    terminators: str = "#"
    """Each of these keys ends an entry and is not part of it. Alone it is an empty entry, which may mean yes."""
    most: int = 32
    """The number of digits that makes an entry full."""
    fewest: int = 1
    """An entry of fewer digits, but not none, is invalid."""
    cancel: str = ""
    """This key empties the entry, which then begins anew; empty: no key does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was typed, without the terminator, and why the entry is complete."""

    digits: str
    terminator: str
    reason: EntryEnd


class Keypad:
    """Gathers one entry at a time. `rules`: for entries that nobody asked for."""

    def __init__(self, rules: EntryRules = EntryRules()) -> None:  # frozen
        self._usual = rules
        self._rules = rules
        self._keys: list[tuple[str, int, str]] = []  # when it was pressed, how many came before, key
        self._came = 0
        self._latest = ""  # when the last of them was pressed, by the carrier's clock
        self._is_asked_for = False
        self._due: float | None = None
        self._full_until = 0.0  # a terminator by then still belongs to the entry that was full

    @property
    def is_empty(self) -> bool:
        """Whether the next key is the first of an entry."""
        return not self._keys

    def deadline(self) -> float | None:
        """When the open entry is complete; None if there is none, or if it may take any time."""
        return self._due

    def ask(self, rules: EntryRules, now: float) -> Entry | None:
        """An entry is asked for, with rules of its own. Keys that were typed ahead are part of it, and may complete it."""
        self._rules = rules
        self._is_asked_for = True
        if len(self._keys) >= rules.most:
            return self._end(EntryEnd.FULL, now)
        if not self._keys:
            self.wait(now)
        return None

    def forget(self) -> None:
        """The entry is no longer asked for; keys that were typed are an entry like others."""
        self._rules = self._usual
        self._is_asked_for = False
        if not self._keys:
            self._due = None

    def wait(self, now: float) -> None:
        """The time for the first key of an entry that is asked for runs from now on."""
        first_s = self._rules.first_s
        self._due = now + first_s if self._is_asked_for and first_s is not None else None

    def press(self, event: DigitPressed, now: float) -> Entry | None:
        """Take one key; return the entry if that key completed it."""
        digit, rules = event.digit.upper(), self._rules
        if digit in rules.terminators:
            return self._terminate(digit, now)
        if digit == rules.cancel:
            self._keys.clear()
            self.wait(now)
            return None
        self._latest = max(self._latest, event.pressed_at)
        self._came += 1
        insort(self._keys, (event.pressed_at or self._latest, self._came, digit))
        self._due = now + rules.quiet_s
        if len(self._keys) >= rules.most:
            return self._end(EntryEnd.FULL, now)
        return None

    def _terminate(self, digit: str, now: float) -> Entry | None:
        if not self._keys and now < self._full_until:
            self._full_until = 0.0
            return None
        return self._end(EntryEnd.TERMINATOR, now, digit)

    def end(self, now: float) -> Entry | None:
        """No further key came in time. Returns None if no entry is open."""
        return self._end(EntryEnd.QUIET, now) if self._keys or self._is_asked_for else None

    def hang_up(self, now: float) -> Entry | None:
        """No further key can come. Returns None if no key was pressed."""
        return self._end(EntryEnd.HANGUP, now) if self._keys else None

    def _end(self, reason: EntryEnd, now: float, terminator: str = "") -> Entry:
        typed_ahead = self._keys[self._rules.most :]
        digits = "".join(digit for _, _, digit in self._keys[: self._rules.most])
        if reason is EntryEnd.FULL:
            self._full_until = now + self._rules.quiet_s
        if reason is not EntryEnd.HANGUP and 0 < len(digits) < self._rules.fewest:
            reason = EntryEnd.INVALID
        self._rules, self._is_asked_for, self._latest = self._usual, False, ""
        self._keys = typed_ahead
        self._due = now + self._usual.quiet_s if typed_ahead else None
        return Entry(digits, terminator, reason)
