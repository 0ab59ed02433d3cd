"""Entries that are nobody's business: known by their names, and opened for tools.

A name in what a tool is given stands for the digits; digits in what it gives back become the name again.
"""

import re

from bridge.vocabulary.commands import EnterDigits

SHORTEST = 3
"""Digits that are told from other numbers in a text."""

GAP = r"[\s().,/_-]{0,3}"
"""Between two digits of one number."""


class SensitiveEntries:
    """Those of one call."""

    def __init__(self) -> None:
        self._digits: dict[str, str] = {}

    def add(self, entry: EnterDigits) -> None:
        """Keep it, if it is sensitive."""
        if entry.placeholder:
            self._digits[entry.placeholder] = entry.digits

    def opened(self, text: str) -> str:
        """The text with the digits for each name."""
        if not self._digits:
            return text
        return re.sub(r"\bentry-\d+\b", lambda name: self._digits.get(name[0], name[0]), text)

    def closed(self, text: str) -> str:
        """The text with the name for each run of digits that is an entry, also where they stand in groups."""
        for name, digits in self._digits.items():
            if len(digits) >= SHORTEST:
                run = GAP.join(map(re.escape, digits))
                text = re.sub(rf"(?<![\d*#]){run}(?![\d*#])", name, text)
        return text
