"""How long to wait before something that failed is tried again, and when to give it up: growing pauses within a bound.

Chance makes the pauses shorter or longer, so that many calls that failed in one instant do not come back in one
instant. A pause is at least as long as the other side asks for. The bound holds for the time in which the caller waits;
who uses this says when that is. No clock and no chance of its own: `now` is seconds, and `random` is passed in.
"""

from collections.abc import Callable

FIRST_PAUSE_S = 0.25
"""The first pause; each one after it is twice as long."""

LONGEST_PAUSE_S = 4.0
"""No pause is longer, unless the other side asks for it."""

MOST_DOUBLED = 8
"""So often is the first pause doubled at most."""

JITTER = 0.25
"""The most by which a pause is longer or shorter, as a share of it."""

LEAST_S = 0.05
"""With less than this left, the bound counts as used up."""

SHORTEST_TRY_S = 1.0
"""The least that a try may take, also where less of the bound is left."""


class Retries:
    """The tries of one thing in one call. `bound_s`: how long it is tried; `random` returns 0 to 1, without 1."""

    def __init__(self, bound_s: float, random: Callable[[], float]) -> None:
        self._bound_s = bound_s
        self._random = random
        self._left_s = bound_s  # while the bound does not count
        self._since: float | None = None  # since when it counts
        self._tries = 0  # after the first
        self._pauses = 0  # among them

    def reset(self, bound_s: float | None = None) -> None:
        """It succeeded, or another thing is tried: the bound is whole again, and does not count before `start`.

        `bound_s`: until the next `reset` the bound is at most so long.
        """
        self._left_s = self._bound_s if bound_s is None else min(bound_s, self._bound_s)
        self._since, self._tries, self._pauses = None, 0, 0

    def start(self, now: float) -> None:
        """From now on the caller waits, if not before: what is left of the bound counts."""
        if self._since is None:
            self._since = now

    def stop(self, now: float) -> None:
        """The caller does not wait any more: what was used of the bound stays used."""
        self._left_s, self._since = self.left_s(now), None

    def left_s(self, now: float) -> float:
        """What is left of the bound."""
        return self._left_s if self._since is None else max(0.0, self._left_s - (now - self._since))

    def limit_s(self, now: float, whole_s: float) -> float:
        """How long a try that begins now may take; `whole_s`: where nothing else limits it."""
        return whole_s if not self._tries else min(whole_s, max(self.left_s(now), SHORTEST_TRY_S))

    def pause_s(self, now: float, asked_s: float | None = None, *, at_once: bool = False) -> float | None:
        """How long to wait before the next try; None: no further one.

        `asked_s`: how long the other side asks to be left alone. If that is more than is left of the bound, there is no
        further try. `at_once`: the first try needs no pause.
        """
        left_s = self.left_s(now)
        if left_s < LEAST_S or (asked_s or 0.0) > left_s:
            return None
        is_first, self._tries = not self._tries, self._tries + 1
        if at_once and is_first and not asked_s:
            return 0.0
        chance = self._random()
        doubled_s = FIRST_PAUSE_S * 2.0 ** min(self._pauses, MOST_DOUBLED)
        pause_s = min(doubled_s, LONGEST_PAUSE_S) * (1 + JITTER * (2 * chance - 1))
        if asked_s:  # never earlier than asked
            pause_s = max(pause_s, asked_s * (1 + JITTER * chance))
        self._pauses += 1
        return min(pause_s, left_s)
