"""The lines of a call's journal while somebody watches that call: masked as the journal is, and every key besides."""

from collections.abc import Callable
from typing import get_args

from msgspec import json, structs

from bridge.observers.journal_line import encode
from bridge.observers.journal_redaction import MASK
from bridge.vocabulary.commands import AppendAudio, Command, EnterDigits, PlayAudio, TypeDigit
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    CallerAudio,
    DigitPressed,
    Event,
    OtherPartyAudio,
    ReplyAudio,
    ReplySaid,
    TimePassed,
    Word,
)
from bridge.vocabulary.people import TalkAudio

MOST_LINES = 100
"""Lines from one look to the next; what comes beyond them is counted."""

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
        self._lines: list[bytes] = []
        self._left_out = 0

    def saw(self, word: Word, now: float) -> None:
        """Keep the line of a word."""
        if len(self._lines) >= MOST_LINES:
            self._left_out += 1
            return
        way = ">" if type(word) in _COMMANDS else "<"
        line = encode(_without_keys(word), self._hide)
        self._lines.append(
            b'{"at_ms":%d,"way":"%s",%s' % (round((now - self._started_at) * 1000), way.encode(), line[1:])
        )

    def close(self, now: float, account: Account) -> None:
        """The call is over."""

    def take(self) -> list[bytes]:
        """The lines since the last call; each an object of JSON."""
        lines, self._lines = self._lines, []
        if self._left_out:
            lines.append(json.encode({"what": "LeftOut", "lines": self._left_out}))
            self._left_out = 0
        return lines


def _without_keys(word: Word) -> Word:
    match word:
        case DigitPressed() | TypeDigit():
            return structs.replace(word, digit=MASK)
        case EnterDigits():
            return structs.replace(word, digits=MASK * len(word.digits))
    return word
