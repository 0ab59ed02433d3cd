"""The straight way of a frame through the core, and what it promises.

Nearly every event is a frame of audio that is in order, while both sides talk and nothing waits. A lane does for such a
frame what the general way, `Call.handle`, would do: the same commands, ledger and counts, with fewer steps. Where anything
else is the case it does nothing, and the frame takes the general way. So a call behaves the same without its lanes.

In a lane each step costs more than it seems, because with many calls its data are in no cache. `scripts/frame-cost` measures.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bridge.vocabulary.commands import Command
from bridge.vocabulary.events import Word

Lane = Callable[[Any, float], list[Command] | None]
"""Takes a frame at `now`, in seconds, and returns the commands; None: it took nothing, the frame takes the general way.

It takes nothing while a timer is due.
"""

Lanes = Mapping[type[Word], Lane]
"""The lanes of one state, by the type of their frames."""

NO_LANES: Lanes = {}
"""Those of a state in which every event takes the general way."""
