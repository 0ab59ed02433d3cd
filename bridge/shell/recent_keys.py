"""Remembers the keys that were added last, in memory that is taken once: it does not grow with the calls.

A dictionary of 10,000 names takes some MiB, in steps of up to one, and it is full only after as many calls.
"""

from collections.abc import Hashable
from math import inf

import numpy as np


class RecentKeys:
    """The last `most` keys, 16 bytes each. Times are in seconds of one clock.

    A key is known by its hash, of 64 bits with a secret of this process: two keys are not taken for each other by chance.
    """

    def __init__(self, most: int) -> None:
        self._hashes = np.full(most, 0, np.int64)
        self._until = np.full(most, -inf)
        self._next = 0

    def add(self, key: Hashable, until: float = inf) -> None:
        """Remember this key until then, in place of the oldest one."""
        self._hashes[self._next] = hash(key)
        self._until[self._next] = until
        self._next = (self._next + 1) % len(self._hashes)

    def has(self, key: Hashable, now: float = 0.0) -> bool:
        """Whether this key is remembered."""
        return bool(np.any(self._until[self._hashes == hash(key)] > now))
