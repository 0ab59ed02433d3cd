"""The names of items and utterances in one conversation: each is given once, by the assistant or by the bridge."""

from itertools import count

from bridge.vocabulary.errors import LimitExceeded

MOST_ITEMS = 10_000
"""The most items that an assistant may name in one conversation: hours of sentences."""

MOST_REMEMBERED = 2_000
"""The most names that are remembered, the latest: one that was given long ago may be given again."""


class Names:
    """The names given so far."""

    def __init__(self) -> None:
        self._taken: dict[str, None] = {}
        self._numbers = count(1)
        self._items = 0

    def take_item(self, name: str) -> bool:
        """The same as `take`, for an item. Raises `LimitExceeded` where there are too many."""
        self._items += 1
        if self._items > MOST_ITEMS:
            raise LimitExceeded(f"more than {MOST_ITEMS} items")
        return self.take(name)

    def take(self, name: str) -> bool:
        """A name is given; False if it was given before."""
        if name in self._taken:
            return False
        self._taken[name] = None
        if len(self._taken) > MOST_REMEMBERED:
            del self._taken[next(iter(self._taken))]
        return True

    def fresh(self, kind: str) -> str:
        """A new name of the bridge's, such as `item-3`."""
        return next(name for number in self._numbers if self.take(name := f"{kind}-{number}"))
