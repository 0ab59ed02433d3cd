"""How this process uses memory: when the garbage collector looks at what, and how the C library keeps what was freed.

A call leaves no circle of objects (`tests/shell/test_call_leaves_nothing.py`), so the collector finds little. What it
costs is time: it looks at young objects for a fraction of a millisecond, but at all objects of all calls for many.
"""

import ctypes
import gc

YOUNG_OBJECTS = 10_000
"""New objects after which the collector looks at them, for about 0.3 ms; Python's own figure is 700."""

YOUNG_ROUNDS = 5
"""After so many rounds it looks at what those left."""

OLD_ROUNDS = 20
"""And after so many of these at everything: when a million objects more have come than have gone."""

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX = -3, -1, -8
"""Parameters of glibc's `mallopt` (mallopt(3))."""

ARENAS = 2
"""Heaps of the C library: by default each thread gets one of its own, up to eight for a core, and keeps what it held."""

GIVEN_BACK_BYTES = 131_072
"""So much free memory at the end of the heap is given back to the system, and a block of this size is not in the heap.

These are glibc's own figures at the start. It raises both, up to 32 MiB, when a larger block is freed; if they are set,
they stay.
"""


def limit_malloc() -> None:
    """Bound what the C library keeps; before the first thread. Does nothing where it is not glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_ARENA_MAX, ARENAS)
    mallopt(M_MMAP_THRESHOLD, GIVEN_BACK_BYTES)
    mallopt(M_TRIM_THRESHOLD, GIVEN_BACK_BYTES)


def settle() -> None:
    """What is loaded now stays loaded: the collector need not look at it again, and looks rarely at everything else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)
