"""The garbage collector of a server: few collections, and none of what stays loaded.

A frame leaves no cycle behind, so nearly all collections find nothing; each takes time of every call.
"""

import gc

THRESHOLDS = 10_000, 20, 20
"""Objects that are new since the last collection, then as `gc.set_threshold` has it; Python's own are 700, 10, 10."""


def settle_collector() -> None:
    """What is loaded now stays loaded: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
