"""Reads the keys and marks of one stream, which every carrier reports alike, and limits how many come. No clock."""

from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import KEYS, MarkReached
from bridge.vocabulary.message_rate import MessageRate

KEYS_PER_S, KEYS_AT_ONCE = 20.0, 200
"""A dialler sends ten keys a second, a person fewer."""

MARKS_PER_S, MARKS_AT_ONCE = 50.0, 2_000
"""We send five a second, and one for each end of an item; after a clear all that wait come back at once."""

MOST_MARK_CHARACTERS = 100
"""The longest name of a mark; ours are far shorter."""


class KeysAndMarks:
    """Those of one stream. `now` is seconds."""

    def __init__(self) -> None:
        self._keys = MessageRate(KEYS_PER_S, KEYS_AT_ONCE)
        self._marks = MessageRate(MARKS_PER_S, MARKS_AT_ONCE)

    def key(self, digit: str, now: float) -> str:
        """Return the key, 0-9 * # A-D. Raises `MalformedMessage` for another one, and where too many come."""
        if (key := digit.upper()) not in KEYS:
            raise MalformedMessage("dtmf: unknown digit: expected one of 0-9 * # A-D")
        if not self._keys.take(1, now):
            raise MalformedMessage(f"dtmf: too many keys: expected at most {KEYS_PER_S:g} a second")
        return key

    def mark(self, name: str, now: float) -> MarkReached:
        """Return the mark. Raises `MalformedMessage` where its name is too long, and where too many come."""
        if len(name) > MOST_MARK_CHARACTERS:
            raise MalformedMessage(f"mark: a name of {len(name)} characters: expected one that we sent")
        if not self._marks.take(1, now):
            raise MalformedMessage(f"mark: too many marks: expected at most {MARKS_PER_S:g} a second")
        return MarkReached(name)
