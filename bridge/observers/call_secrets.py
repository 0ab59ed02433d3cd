"""What must not be written of one call, and is known by its value: digits of sensitive entries, secrets among its parameters."""

from bridge.core.sensitive_entries import SensitiveEntries
from bridge.redaction import HIDDEN, is_secret
from bridge.vocabulary.commands import EnterDigits, OpenAssistant
from bridge.vocabulary.events import CallStarted, Word

SHORTEST = 6
"""The fewest letters of a parameter's value that can be told apart from other words in a text."""


class CallSecrets:
    """The secrets of one call, for whoever writes texts of it: `sees` says which words it must be shown."""

    sees: frozenset[type[Word]] = frozenset({CallStarted, OpenAssistant, EnterDigits})

    def __init__(self) -> None:
        self._entries = SensitiveEntries()
        self._values: dict[str, None] = {}

    def saw(self, word: Word) -> None:
        """Keep what the word has of them."""
        if isinstance(word, EnterDigits):
            self._entries.add(word)
        elif isinstance(
            word, CallStarted | OpenAssistant
        ):  # an assistant may be given more parameters than the stream
            self._values |= {
                value: None
                for name, value in word.parameters.items()
                if is_secret(name) and len(value) >= SHORTEST
            }

    def hide(self, text: str) -> str:
        """Return a text without them."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return self._entries.mask(text)
