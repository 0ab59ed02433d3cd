"""How long to wait before an assistant is tried again, and when to give it up.

The pauses grow and are jittered, so that many calls that lost one assistant do not come back in the same instant; what
the other side asks for goes before them. All that a call is without its assistant counts for the bound. No clock and no
chance of its own: `now` is seconds, and `random` is passed in.
"""

from collections.abc import Callable

FIRST_PAUSE_S = 0.25
"""The first pause; each one after it is twice as long."""

LONGEST_PAUSE_S = 4.0

MOST_DOUBLED = 8
"""So often is the first pause doubled at most."""

JITTER = 0.25
"""The most by which a pause is longer or shorter, as a share of it."""

SHORTEST_TRY_S = 1.0
"""The least that a try may take to be ready, also where less of the bound is left."""


class Retries:
    """The tries of one assistant in one call. `bound_s`: how long it is tried; `random` returns 0 to 1, without 1."""

    def __init__(self, bound_s: float, random: Callable[[], float]) -> None:
        self._bound_s = bound_s
        self._random = random
        self._left_s = bound_s  # while the assistant is ready
        self._since: float | None = None  # when the call came to be without the assistant
        self._tries = 0  # after the first
        self._pauses = 0  # among them

    def begin(self, now: float) -> None:
        """The call is without this assistant from now on, and the bound counts anew."""
        self._left_s, self._since, self._tries, self._pauses = self._bound_s, now, 0, 0

    def ready(self, now: float) -> None:
        """The assistant is ready: what was used of the bound stays used."""
        self._left_s, self._since = self.left_s(now), None

    def lost(self, now: float) -> None:
        """The assistant was ready and is lost: the rest of the bound counts on."""
        self._since = now

    def left_s(self, now: float) -> float:
        """What is left of the bound."""
        return self._left_s if self._since is None else max(0.0, self._left_s - (now - self._since))

    def limit_s(self, now: float, open_s: float) -> float:
        """How long a try that begins now may take to be ready; `open_s`: where nothing else limits it."""
        return open_s if not self._tries else min(open_s, max(self.left_s(now), SHORTEST_TRY_S))

    def pause_s(self, now: float, asked_s: float | None, *, at_once: bool) -> float | None:
        """How long to wait before the next try; None: no further one.

        `asked_s`: how long the other side asks to be left alone. If that is more than is left of the bound, there is no
        further try. `at_once`: the first try needs no pause.
        """
        left_s = self.left_s(now)
        if left_s <= 0.0 or (asked_s or 0.0) > left_s:
            return None
        is_first, self._tries = not self._tries, self._tries + 1
        if at_once and is_first and not asked_s:
            return 0.0
        chance = self._random()
        if asked_s:  # never earlier than asked
            pause_s = asked_s * (1 + JITTER * chance)
        else:
            doubled_s = FIRST_PAUSE_S * 2.0 ** min(self._pauses, MOST_DOUBLED)
            pause_s = min(doubled_s, LONGEST_PAUSE_S) * (1 + JITTER * (2 * chance - 1))
        self._pauses += 1
        return min(pause_s, left_s)
