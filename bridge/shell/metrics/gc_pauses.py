"""Measures how long each garbage collection stops the process, by its generation."""

import gc
import time
from collections.abc import Callable

Paused = Callable[[str, float], None]
"""Called with the generation and the seconds of a collection."""


class GcPauses:
    """From `start` to `stop`. A collection does not begin within another one."""

    def __init__(self, paused: Paused) -> None:
        self._paused = paused
        self._began = 0.0

    def start(self) -> None:
        """Begin to measure."""
        gc.callbacks.append(self._tell)

    def stop(self) -> None:
        """Measure no more."""
        if self._tell in gc.callbacks:
            gc.callbacks.remove(self._tell)

    def _tell(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        elif self._began:
            self._paused(str(info["generation"]), time.perf_counter() - self._began)
            self._began = 0.0
