"""The names in one conversation of items and utterances: each stands for one thing, whoever gave it."""

from itertools import count


class Names:
    """One conversation's."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers = count(1)

    def take(self, name: str) -> bool:
        """The assistant gives a name; False if it has been given before."""
        if name in self._taken:
            return False
        self._taken.add(name)
        return True

    def fresh(self, kind: str) -> str:
        """A name of ours that nobody has given."""
        return next(name for number in self._numbers if self.take(name := f"{kind}-{number}"))
