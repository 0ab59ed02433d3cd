"""The lines of a call's journal while somebody watches that call: masked as the journal is, and every key besides."""

from collections import deque
from collections.abc import Callable
from typing import Any, get_args

from msgspec import json, structs

from bridge.observers.call_history import JournalEntry
from bridge.observers.journal_line import encode
from bridge.observers.journal_redaction import MASK
from bridge.observers.live.dictated import Dictated
from bridge.vocabulary.commands import AppendAudio, Command, EnterDigits, PlayAudio, PressKeys, TypeDigit
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    CallerAudio,
    CallerSaid,
    DigitPressed,
    Event,
    OtherPartyAudio,
    PressRequested,
    ReplyAudio,
    ReplySaid,
    TimePassed,
    Word,
)
from bridge.vocabulary.operator import KeysRequested
from bridge.vocabulary.people import TalkAudio

MOST_LINES = 100
"""Lines from one look to the next; what comes beyond them is counted."""

MOST_KEPT = 5_000
"""Lines of a call that are kept while somebody watches it: marks of four minutes, or more where there are fewer."""

_COMMANDS = frozenset(get_args(Command))

_NOT_SHOWN = frozenset(
    {CallerAudio, OtherPartyAudio, TalkAudio, ReplyAudio, AppendAudio, PlayAudio, ReplySaid, TimePassed}
)
"""Frames, and words that come by themselves."""


class LiveLines:
    """An observer of one call. `started_at`: its beginning, in seconds on the session's clock. `hide`: masks its secrets."""

    sees: frozenset[type[Word]] = (frozenset(get_args(Event)) | _COMMANDS) - _NOT_SHOWN

    def __init__(self, started_at: float, hide: Callable[[str], str]) -> None:
        self._started_at = started_at
        self._hide = hide
        self._dictated = Dictated()
        self._lines: list[bytes] = []
        self._left_out = 0
        self.kept: deque[bytes] = deque(maxlen=MOST_KEPT)
        """The lines since it began to watch."""

    def saw(self, word: Word, now: float) -> None:
        """Keep the line of a word."""
        if len(self._lines) >= MOST_LINES:
            self._left_out += 1
            return
        way = ">" if type(word) in _COMMANDS else "<"
        if isinstance(word, CallerSaid):
            word = structs.replace(word, text=self._dictated.mask(self._hide(word.text)))
        line = encode(_without_keys(word), self._hide)
        at_ms = round((now - self._started_at) * 1000)
        written = b'{"at_ms":%d,"way":"%s",%s' % (at_ms, way.encode(), line[1:])
        self._lines.append(written)
        self.kept.append(written)

    def close(self, now: float, account: Account) -> None:
        """The call is over."""

    def take(self) -> list[bytes]:
        """The lines since the last call; each an object of JSON."""
        lines, self._lines = self._lines, []
        if self._left_out:
            lines.append(json.encode({"what": "LeftOut", "lines": self._left_out}))
            self._left_out = 0
        return lines


def read_live_line(line: bytes) -> JournalEntry:
    """A line as the history of a call wants it."""
    fields = json.decode(line, type=dict[str, Any])
    return JournalEntry(fields["at_ms"] / 1000, fields["way"], fields["what"], fields)


def _without_keys(word: Word) -> Word:
    match word:
        case DigitPressed() | TypeDigit():
            return structs.replace(word, digit=MASK)
        case EnterDigits():
            return structs.replace(word, digits=MASK * len(word.digits))
        case KeysRequested() | PressRequested() | PressKeys():
            return structs.replace(word, keys=MASK * len(word.keys))
    return word
