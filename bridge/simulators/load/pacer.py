"""Says when each call sends its next frame: one list of calls for each millisecond of a frame's 20 ms.

Calls are spread evenly over the lists, so that they do not all send at once. Deadlines are absolute: list n is due n ms
after the beginning, then every 20 ms, however late the last one was. A pacer that is held up for a second sends what was
due in it as soon as it can, and every frame is timed from when it was due. There is no clock here but the one that is given.
"""

from collections.abc import Callable
from typing import Protocol

from telecodecs.format import FRAME_MS

STEP_S = 0.001


class Paced(Protocol):
    """What the pacer calls every 20 ms. `due`: seconds, when the frame is due by the clock."""

    def frame(self, due: float) -> None: ...


class Pacer:
    """Paces the calls of one process. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lists: list[list[Paced]] = [[] for _ in range(FRAME_MS)]
        self._began = clock()
        self._step = 0

    def add(self, call: Paced) -> None:
        """Send this call's frames from now on."""
        min(self._lists, key=len).append(call)

    def remove(self, call: Paced) -> None:
        """Send no more frames of this call."""
        for calls in self._lists:
            if call in calls:
                calls.remove(call)

    def run(self, lags_ms: list[float]) -> None:
        """Send what is due, but at most one frame of each call: what comes back must be read in between.

        `lags_ms`: how late each list of calls was is added there.
        """
        clock, began, lists = self._clock, self._began, self._lists
        last = self._step + FRAME_MS
        while self._step < last and (due := began + self._step * STEP_S) <= (now := clock()):
            calls = lists[self._step % FRAME_MS]
            self._step += 1
            if calls:
                lags_ms.append((now - due) * 1000)
                for call in tuple(calls):  # a call that ends leaves the list
                    call.frame(due)
