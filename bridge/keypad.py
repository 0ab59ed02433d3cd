"""The keys that the caller presses. In its simplest form each digit is an entry of its own."""

from bridge.events import Command, TypeDigit


class Keypad:
    """Takes digits as they come."""

    def press(self, digit: str) -> list[Command]:
        """`digit`: one of 0-9 * # A-D."""
        return [TypeDigit(digit)]
