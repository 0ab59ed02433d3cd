"""What is said in a call, as it may be shown while it is said: numbers, keys and sensitive entries are masked.

Words come piece by piece, and a number may be in two of them: the end of a text that is still being said is held back while
it may be a part of a number, or of a key. No clock: times are milliseconds since the call began.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal

from bridge.observers.journal_line import NUMERIC
from bridge.observers.live.view import Line
from bridge.redaction import without_private

MOST_LINES = 500
"""Turns of one call that are kept, the latest."""

MOST_LETTERS = 4_000
"""Letters of one line; then another line begins."""

Speaker = Literal["caller", "assistant"]


class Spoken:
    """The words of one call. `hide`: masks what the call's own secrets are."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._item = ""  # of the assistant's line that is being said
        self._shown = 0  # letters of that line, masked, that `take` has returned
        self._said: list[tuple[Speaker, str]] = []  # whole texts for `take`

    def caller(self, text: str, at_ms: int) -> None:
        """The caller said this."""
        self.end_item()
        self._lines.append(Line("caller", text, at_ms))
        self._tell("caller", self._masked(text))

    def assistant(self, item: str, piece: str, at_ms: int) -> None:
        """The next words of an item."""
        line = self._lines[-1] if self._lines else None
        if line is None or item != self._item or len(line.text) > MOST_LETTERS:
            self.end_item()
            line = Line("assistant", "", at_ms)
            self._lines.append(line)
            self._item = item
        line.text += piece

    def end_item(self) -> None:
        """Nothing more comes of the item that is being said: what was held back may be shown."""
        if self._item:
            rest = self._masked(self._lines[-1].text)[self._shown :]
            self._tell("assistant", rest)
            self._item, self._shown = "", 0

    def take(self) -> list[tuple[Speaker, str]]:
        """What was said since the last call, masked."""
        said, self._said = self._said, []
        if self._item:
            text = _complete(self._lines[-1].text)
            masked = self._masked(text)
            if len(masked) > self._shown:
                said.append(("assistant", masked[self._shown :]))
                self._shown = len(masked)
        return said

    def lines(self) -> tuple[Line, ...]:
        """The whole of it, masked."""
        return tuple(Line(line.speaker, self._masked(line.text), line.at_ms) for line in self._lines)

    def _tell(self, speaker: Speaker, text: str) -> None:
        if text:
            self._said.append((speaker, text))
            del self._said[:-MOST_LINES]

    def _masked(self, text: str) -> str:
        return without_private(self._hide(text))


def _complete(text: str) -> str:
    """The text up to its last word that is complete, and that no number follows."""
    end = len(text)
    while end and not text[end - 1].isspace():
        end -= 1
    return text[:end].rstrip(NUMERIC)
