"""The keys that the caller presses: each is told at once, and those that belong together once more as one entry.

An entry ends with `TERMINATOR`, when it is full, or `QUIET_S` after its last key. No clock: `now` is seconds.
"""

from bridge.commands import Command, EnterDigits, TypeDigit

QUIET_S = 1.0
"""From the last key to the end of the entry."""

TERMINATOR = "#"
"""Ends an entry and is no part of it; pressed alone, it is the entry."""

MOST_DIGITS = 32


class Keypad:
    """Gathers one entry at a time."""

    def __init__(self) -> None:
        self._entry = ""
        self._quiet_at: float | None = None

    def deadline(self) -> float | None:
        """When the open entry is over; None if there is none."""
        return self._quiet_at

    def press(self, digit: str, now: float) -> list[Command]:
        """`digit`: one of 0-9 * # A-D."""
        told: list[Command] = [TypeDigit(digit)]
        if digit != TERMINATOR or not self._entry:
            self._entry += digit
        self._quiet_at = now + QUIET_S
        if digit == TERMINATOR or len(self._entry) == MOST_DIGITS:
            return told + self.end()
        return told

    def end(self) -> list[Command]:
        """The entry is over."""
        entry, self._entry, self._quiet_at = self._entry, "", None
        return [EnterDigits(entry)] if entry else []
