"""Sensitive entries: known by their placeholders, and revealed to tools alone.

A placeholder in the arguments of a tool is replaced by the digits; digits in its output are replaced by the placeholder.
"""

import re

from bridge.vocabulary.commands import EnterDigits

SHORTEST = 3
"""The fewest digits that can be told apart from other numbers in a text."""

GAP = r"[\s().,/_-]{0,3}"
"""What may stand between two digits of one number."""


class SensitiveEntries:
    """The sensitive entries of one call."""

    def __init__(self) -> None:
        self._digits: dict[str, str] = {}

    def add(self, entry: EnterDigits) -> None:
        """Keep an entry, if it is sensitive."""
        if entry.placeholder:
            self._digits[entry.placeholder] = entry.digits

    def reveal(self, text: str) -> str:
        """Return the text with digits in place of placeholders."""
        if not self._digits:
            return text
        return re.sub(r"\bentry-\d+\b", lambda match: self._digits.get(match[0], match[0]), text)

    def mask(self, text: str) -> str:
        """Return the text with placeholders in place of the digits of entries, also where these stand in groups."""
        for placeholder, digits in self._digits.items():
            if len(digits) >= SHORTEST:
                run = GAP.join(map(re.escape, digits))
                text = re.sub(rf"(?<![\d*#]){run}(?![\d*#])", placeholder, text)
        return text
