"""Redaction of the journal: sensitive keys, and the secrets of its call in whatever text they occur.

A key may be written before its entry is known to be sensitive, because it was typed ahead. So the lines from the first
key of an open entry on are kept until the entry is complete; if it becomes sensitive, they are written again masked.
"""

import re
from collections import deque
from typing import NamedTuple

from msgspec import structs

from bridge.observers.call_secrets import CallSecrets
from bridge.vocabulary.commands import EnterDigits, OpenAssistant, SetSensitive, TypeDigit
from bridge.vocabulary.events import CallStarted, DigitPressed, EntryEnd, Word

MASK = "•"

MOST_KEPT_BYTES = 65_536
"""The most bytes of lines that are kept since the first key of an open entry; beyond it the oldest are forgotten."""

_KEY = re.compile(rb'("what":"(?:DigitPressed|TypeDigit)","digit":")[^"]*')


class _Line(NamedTuple):
    kind: type[Word] | None
    text: bytes


class Tail(NamedTuple):
    """The last lines of the journal, and `masked`, what takes their place. `length`: of the lines so far, in bytes."""

    lines: int
    length: int
    masked: list[bytes]


class JournalRedaction:
    """The redaction of one call's journal. It is given every word in order."""

    def __init__(self) -> None:
        self._is_sensitive = False
        self._typed_while_sensitive = False  # in the open entry
        self._secrets = CallSecrets()
        self._kept: deque[_Line] = deque()
        self._kept_bytes = 0

    def without_keys(self, word: Word) -> Word:
        """Return the word as it may be written."""
        match word:
            case SetSensitive(is_sensitive):
                self._is_sensitive = is_sensitive
            case DigitPressed() | TypeDigit() if self._is_sensitive:
                self._typed_while_sensitive = True
                return structs.replace(word, digit=MASK)
            case EnterDigits():
                return self._entered(word)
            case CallStarted() | OpenAssistant():
                self._secrets.saw(word)
        return word

    def _entered(self, entry: EnterDigits) -> EnterDigits:
        self._forget(entry)
        is_secret = bool(entry.placeholder) or self._is_sensitive or self._typed_while_sensitive
        self._typed_while_sensitive = False
        if is_secret:  # an entry that was sensitive only at its beginning has no placeholder
            placeholder = entry.placeholder or MASK * len(entry.digits)
            self._secrets.saw(structs.replace(entry, placeholder=placeholder))
        return structs.replace(entry, digits=MASK * len(entry.digits)) if is_secret else entry

    def hide(self, text: str) -> str:
        """Return a text with placeholders in place of the digits of sensitive entries, and without secret parameters."""
        return self._secrets.hide(text)

    # Lines that were written too early

    def wrote(self, kind: type[Word] | None, line: bytes) -> None:
        """A line was written to the journal."""
        is_key = kind in (DigitPressed, TypeDigit) and not self._is_sensitive
        if not self._kept and not is_key:
            return
        self._kept.append(_Line(kind, line))
        self._kept_bytes += len(line)
        while self._kept_bytes > MOST_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().text)

    def mask_tail(self) -> Tail:
        """The keys of the open entry are sensitive: return what takes the place of the last lines."""
        masked = [_KEY.sub(rb"\1" + MASK.encode(), line.text) for line in self._kept]
        tail = Tail(len(self._kept), self._kept_bytes, masked)
        self._typed_while_sensitive |= bool(self._kept)
        self._clear()
        return tail

    def _forget(self, entry: EnterDigits) -> None:
        """Forget the lines of an entry that is complete, unless keys were typed ahead of the next one."""
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
