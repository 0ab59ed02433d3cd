"""Numbers that are dictated: in words, with commas between, or in several texts. They are masked from seven digits on.

Known are the words for single digits in seven languages; "fifty-five" is not known. No clock.
"""

import re
from typing import NamedTuple

from bridge.redaction import SHORTEST_NUMBER, is_date_or_address

MASKED = "***"

SPLIT = "\x1e"
"""Put between texts that are masked as one: it stays where it is."""

_MORE = {"double": 1, "triple": 2}
"""How many digits more the next word stands for."""

_DIGITS = frozenset(
    " ".join(
        (
            "zero oh one two three four five six seven eight nine double triple",
            "null eins zwei zwo drei vier fünf sechs sieben acht neun",
            "cero uno dos tres cuatro cinco seis siete ocho nueve",
            "zéro un deux trois quatre cinq sept huit neuf",
            "due tre quattro cinque sei sette otto nove",
            "um dois três quatro meia sete oito nove",
            "nul een twee drie vijf zes zeven negen",
        )
    ).split()
)
_BETWEEN = " \t\r\n\xa0,.;()/+*#–—…-" + SPLIT  # dashes as a transcript has them
_MOST_BETWEEN = 4
_WORD = re.compile(r"\w+")


class _Run(NamedTuple):
    """Digits, one behind the other: where they begin and end in the text, and how many they are."""

    start: int
    end: int
    digits: int


def _runs(text: str) -> list[_Run]:
    runs: list[_Run] = []
    is_open = False
    for found in _WORD.finditer(text):
        word = found[0]
        if not (word.isdecimal() or word.lower() in _DIGITS):
            is_open = False
            continue
        digits = len(word) if word.isdecimal() else _MORE.get(word.lower(), 1)
        if is_open and _is_between(text[runs[-1].end : found.start()]):
            runs[-1] = _Run(runs[-1].start, found.end(), runs[-1].digits + digits)
        else:
            runs.append(_Run(found.start(), found.end(), digits))
        is_open = True
    return runs


def _is_between(gap: str) -> bool:
    return len(gap) <= _MOST_BETWEEN and not gap.strip(_BETWEEN)


class Tail(NamedTuple):
    """The digits at the end of a text, after which more may come: where they begin, and how many they are."""

    at: int
    digits: int


def tail_of(text: str) -> Tail:
    """The digits at the end of a text; none: behind its last letter."""
    runs = _runs(text)
    if not runs or text[runs[-1].end :].strip(_BETWEEN):
        return Tail(len(text), 0)
    return Tail(runs[-1].start, runs[-1].digits)


def mask_dictated(text: str, before: int = 0) -> str:
    """Mask what is dictated. `before`: so many digits were shown of a number that this text may go on with."""
    pieces, at = list[str](), 0
    for number, (start, end, digits) in enumerate(_runs(text)):
        goes_on = before and not number and not text[:start].strip(_BETWEEN)
        if digits + (before if goes_on else 0) < SHORTEST_NUMBER or is_date_or_address(text[start:end]):
            continue
        pieces += text[at:start], _masked(text[start:end])
        at = end
    return "".join([*pieces, text[at:]]) if pieces else text


def _masked(run: str) -> str:
    """Each text that has a part of it keeps its place."""
    return SPLIT.join(MASKED if piece.strip(_BETWEEN) else piece for piece in run.split(SPLIT))


class Dictated:
    """Masks the texts of one speaker, one after the other: of a number in several of them at most six digits are left."""

    def __init__(self) -> None:
        self._digits = 0  # at the end of the text before

    def mask(self, text: str) -> str:
        """The next text."""
        before, tail = self._digits, tail_of(text)
        is_more = not text[: tail.at].strip()
        self._digits = tail.digits + (before if is_more else 0)
        return mask_dictated(text, before)
