"""How many file descriptors this process may still open: its limit less those that are open."""

import os
import resource
from math import inf

COUNT_AGAIN_S = 0.25
"""The count is as old as this at most. Where the system does not keep one, it takes 1 ms for 1,000 descriptors."""

OPEN_FILES = "/proc/self/fd"
"""On Linux; elsewhere nothing is counted."""


class Descriptors:
    """The count, made again when it is asked for and too old."""

    def __init__(self) -> None:
        self._counted_at = -inf
        self._free = inf

    def free(self, now: float) -> float:
        """How many are left, lately; infinite where that cannot be known. `now`: seconds of any clock."""
        if now - self._counted_at >= COUNT_AGAIN_S:
            self._counted_at = now
            self._free = descriptor_limit() - open_descriptors()
        return self._free


def descriptor_limit() -> float:
    """The most that this process may have (RLIMIT_NOFILE)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return inf if soft == resource.RLIM_INFINITY else soft


def open_descriptors() -> int:
    """Those that are open; 0 where that cannot be known."""
    try:
        return os.stat(OPEN_FILES).st_size or len(
            os.listdir(OPEN_FILES)
        )  # the size is their number since Linux 6.2
    except FileNotFoundError:
        return 0
    except OSError:  # there is none left with which the folder could be read
        return round(min(descriptor_limit(), 1 << 30))
