"""Lines that a stranger can cause: at most one a second of each kind; the next one says how many were left out."""

import time
from typing import Literal

import structlog

EVERY_S = 1.0

MOST_KINDS = 64
"""Kinds that are told apart. They are words of this program, so there are not as many; then they are one."""

log = structlog.get_logger()
clock = time.monotonic


class Sampler:
    """Which lines are written. Sans-I/O: `now` in seconds."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def left_out(self, kind: str, now: float) -> int | None:
        """How many lines of this kind were left out before this one; None: this one is left out, too."""
        if kind not in self._next and len(self._next) >= MOST_KINDS:
            kind = ""
        if now < self._next.get(kind, now):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        self._next[kind] = now + EVERY_S
        return self._left_out.pop(kind, 0)


class SampledLog:
    """The log for such lines. `left_out` is in a line that stands for more than itself."""

    def __init__(self) -> None:
        self._sampler = Sampler()

    def write(
        self, level: Literal["debug", "info", "warning", "error"], kind: str, event: str, **facts: object
    ) -> None:
        """Write a line of this kind, unless one was written within the last second."""
        left_out = self._sampler.left_out(kind, clock())
        if left_out is None:
            return
        more = {"left_out": left_out} if left_out else {}
        getattr(log, level)(event, **facts, **more)
