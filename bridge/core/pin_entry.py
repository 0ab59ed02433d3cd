"""The entry of a PIN on the keypad: which keys are typed, and whether they are the right ones. No clock."""

import hmac
from enum import Enum

MOST_TRIES = 3
"""After so many wrong PINs whoever types is hung up on."""


class Typed(Enum):
    """What has become of an entry with the key that was pressed."""

    MORE = "more"
    """It goes on."""
    RIGHT = "right"
    WRONG = "wrong"
    """The next key begins another try."""
    FAILED = "failed"
    """It was wrong, and there is no other try."""


class PinEntry:
    """One entry of `pin`, digits alone. It ends with as many keys as the PIN has, or with #; * begins it anew."""

    def __init__(self, pin: str) -> None:
        self._pin = pin
        self._keys = ""
        self._tries = 0

    def press(self, key: str) -> Typed:
        """This key was pressed."""
        if key == "*":
            self._keys = ""
            return Typed.MORE
        if key != "#":
            self._keys += key
            if len(self._keys) < len(self._pin):
                return Typed.MORE
        elif not self._keys:  # the end of an entry that has ended with its last digit
            return Typed.MORE
        typed, self._keys = self._keys, ""
        if hmac.compare_digest(typed.encode(), self._pin.encode()):
            return Typed.RIGHT
        self._tries += 1
        return Typed.WRONG if self._tries < MOST_TRIES else Typed.FAILED
