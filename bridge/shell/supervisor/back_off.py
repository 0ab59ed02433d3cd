"""When a worker that has ended is replaced: at once it may fail again, so each failure in a row waits twice as long."""

FIRST_S = 1.0
MOST_S = 30.0

STEADY_S = 60.0
"""A worker that has lived for so long was no failure in a row."""


class BackOff:
    """The waits of one worker's place. No clock: seconds are passed in."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def wait_s(self, lived_s: float) -> float:
        """How long to wait before the next worker starts, from how long the last one has lived."""
        if lived_s >= STEADY_S:
            self._next_s = FIRST_S
        wait_s = self._next_s
        self._next_s = min(MOST_S, wait_s * 2)
        return wait_s
