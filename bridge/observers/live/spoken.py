"""What is said in a call, as it may be shown while it is said: numbers, keys and sensitive entries are masked.

Words come piece by piece, and a number may be in two of them: the end of a text that is still being said is held back while
it may be a part of a number, or of a key; and so is the end of what a caller says, until they say more or `HELD_MS` are over.
No clock: times are milliseconds since the call began.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal

from bridge.observers.journal_line import NUMERIC
from bridge.observers.live.dictated import SPLIT, mask_dictated, tail_of
from bridge.observers.live.view import Line
from bridge.redaction import SHORTEST_NUMBER, without_private

MOST_LINES = 500
"""Turns of one call that are kept, the latest."""

HELD_MS = 6_000
"""How long the digits at the end of what a caller said are held back, for more of the number may come."""

MOST_HELD = 200
"""Letters of them."""

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
        self._held = ""  # digits at the end of what the caller said last
        self._held_until_ms = 0
        self._digits_shown = 0  # of a number that the caller may go on with

    def caller(self, text: str, at_ms: int) -> None:
        """The caller said this."""
        self.end_item()
        self._release(at_ms)
        self._lines.append(Line("caller", text, at_ms))
        text = f"{self._held} {text}" if self._held else text
        tail = tail_of(text)
        may_go_on = 1 < tail.digits < SHORTEST_NUMBER or not text[: tail.at].strip()
        end = tail.at if may_go_on and len(text) - tail.at <= MOST_HELD else len(text)
        said, self._held, self._held_until_ms = text[:end], text[end:], at_ms + HELD_MS
        if said:
            self._tell("caller", mask_dictated(self._masked(said), self._digits_shown))
            self._digits_shown = 0 if self._held else tail.digits

    def assistant(self, item: str, piece: str, at_ms: int) -> None:
        """The next words of an item."""
        self._release(at_ms)
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
            rest = self._shown_as(self._lines[-1].text)[self._shown :]
            self._tell("assistant", rest)
            self._item, self._shown = "", 0

    def take(self) -> list[tuple[Speaker, str]]:
        """What was said since the last call, masked."""
        said, self._said = self._said, []
        if self._item:
            text = _complete(self._lines[-1].text)
            masked = self._shown_as(text)
            if len(masked) > self._shown:
                said.append(("assistant", masked[self._shown :]))
                self._shown = len(masked)
        return said

    def lines(self) -> tuple[Line, ...]:
        """The whole of it, masked."""
        callers = [self._masked(line.text) for line in self._lines if line.speaker == "caller"]
        joined = iter(mask_dictated(SPLIT.join(callers)).split(SPLIT))
        return tuple(
            Line(
                line.speaker,
                next(joined) if line.speaker == "caller" else self._shown_as(line.text),
                line.at_ms,
            )
            for line in self._lines
        )

    def end(self) -> None:
        """The call is over: nothing more comes of any number."""
        self.end_item()
        self._release(self._held_until_ms)

    def _release(self, at_ms: int) -> None:
        """Show what was held back for long enough."""
        if not self._held or at_ms < self._held_until_ms:
            return
        self._tell("caller", mask_dictated(self._masked(self._held), self._digits_shown))
        self._digits_shown += tail_of(self._held).digits
        self._held = ""

    def _shown_as(self, text: str) -> str:
        return mask_dictated(self._masked(text))

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
    return text[: tail_of(text[:end]).at].rstrip(NUMERIC)
