"""The names of items and utterances in one conversation: each is given once, by the assistant or by the bridge."""

from itertools import count


class Names:
    """All names given so far."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers = count(1)

    def take(self, name: str) -> bool:
        """The assistant gives a name; False if it was given before."""
        if name in self._taken:
            return False
        self._taken.add(name)
        return True

    def fresh(self, kind: str) -> str:
        """A new name of the bridge's, such as `item-3`."""
        return next(name for number in self._numbers if self.take(name := f"{kind}-{number}"))
