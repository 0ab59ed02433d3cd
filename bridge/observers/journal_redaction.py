"""What a journal does not tell: keys typed under a set_sensitive, and the digits of a sensitive entry wherever they turn up.

A key may be told before it is known that its entry is sensitive, because it was typed ahead; the lines from the first key
of an open entry on are kept until the entry is over, to be told again without keys.
"""

import re
from collections import deque
from typing import NamedTuple

from msgspec import structs

from bridge.core.sensitive_entries import SensitiveEntries
from bridge.vocabulary.commands import EnterDigits, SetSensitive, TypeDigit
from bridge.vocabulary.events import DigitPressed, EntryEnd, Word

MASK = "•"

MOST_KEPT_BYTES = 65_536
"""Of lines since the first key of an open entry: an entry takes seconds. The oldest go."""

_KEY = re.compile(rb'("what":"(?:DigitPressed|TypeDigit)","digit":")[^"]*')


class _Line(NamedTuple):
    kind: type[Word] | None
    text: bytes


class Tail(NamedTuple):
    """The last lines that were told, and what they should be. `length`: theirs so far, in bytes."""

    lines: int
    length: int
    retold: list[bytes]


class JournalRedaction:
    """One call's, told of every word in order."""

    def __init__(self) -> None:
        self._sensitive = False
        self._typed_while_sensitive = False  # in the open entry
        self._entries = SensitiveEntries()
        self._kept: deque[_Line] = deque()
        self._kept_bytes = 0

    def without_keys(self, word: Word) -> Word:
        """The word as it may be told."""
        match word:
            case SetSensitive(sensitive):
                self._sensitive = sensitive
            case DigitPressed() | TypeDigit() if self._sensitive:
                self._typed_while_sensitive = True
                return structs.replace(word, digit=MASK)
            case EnterDigits():
                return self._entered(word)
        return word

    def _entered(self, entry: EnterDigits) -> EnterDigits:
        self._forget(entry)
        is_secret = bool(entry.placeholder) or self._sensitive or self._typed_while_sensitive
        self._typed_while_sensitive = False
        if is_secret:  # one that was begun under a set_sensitive which is off by now has no name
            name = entry.placeholder or MASK * len(entry.digits)
            self._entries.add(structs.replace(entry, placeholder=name))
        return structs.replace(entry, digits=MASK * len(entry.digits)) if is_secret else entry

    def hidden(self, text: str) -> str:
        """A text with the names of sensitive entries in place of their digits."""
        return self._entries.mask(text)

    # What was told too early

    def told(self, kind: type[Word] | None, line: bytes) -> None:
        """A line was told, as it stands in the journal."""
        is_key = kind in (DigitPressed, TypeDigit) and not self._sensitive
        if not self._kept and not is_key:
            return
        self._kept.append(_Line(kind, line))
        self._kept_bytes += len(line)
        while self._kept_bytes > MOST_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().text)

    def take_back(self) -> Tail:
        """The keys are sensitive, and with them those of the entry that is open: what to tell in place of the last lines."""
        retold = [_KEY.sub(rb"\1" + MASK.encode(), line.text) for line in self._kept]
        tail = Tail(len(self._kept), self._kept_bytes, retold)
        self._typed_while_sensitive |= bool(self._kept)
        self._clear()
        return tail

    def _forget(self, entry: EnterDigits) -> None:
        """Its keys were anybody's business; those that are typed ahead of the next entry may not be."""
        if entry.reason is not EntryEnd.FULL:
            self._clear()
            return
        entered = len(entry.digits) + bool(entry.terminator)
        kinds = [line.kind for line in self._kept]
        if entered >= max(kinds.count(DigitPressed), kinds.count(TypeDigit)):
            self._clear()

    def _clear(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0
