"""The worker's side of a scrape: tells the supervisor its figures, in parts that fit into a message."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from bridge.observers.metrics.snapshot import Family, pieces
from bridge.shell.metrics.process_metrics import ProcessMetrics
from bridge.shell.supervisor.messages import ToldMetrics

MOST_SAMPLES = 300
"""In one message: at 200 bytes for each it is half full."""


class MetricsTeller:
    """Answers one request after the other; one that comes meanwhile gets the answer that is under way."""

    def __init__(self, metrics: ProcessMetrics, tell: Callable[[ToldMetrics], None]) -> None:
        self._metrics = metrics
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Tell the figures soon."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer(), name="tell metrics")

    def tell_the_last(self) -> None:
        """The worker ends: tell what it has counted."""
        if self._task is not None:
            self._task.cancel()  # it waits between two figures, and has told nothing so far
        self._tell_all(self._metrics.families_at_once())

    async def _answer(self) -> None:
        self._tell_all([family async for family in self._metrics.families()])

    def _tell_all(self, found: Iterable[Family]) -> None:
        waiting = list(parts(found))
        for number, part in enumerate(waiting, start=1):
            self._tell(ToldMetrics(part, is_last=number == len(waiting)))


def parts(found: Iterable[Family], most: int = MOST_SAMPLES) -> Iterator[list[Family]]:
    """The figures in parts of at most so many samples."""
    part, size = list[Family](), 0
    for family in pieces(found, most):
        if part and size + len(family.samples) > most:
            yield part
            part, size = [], 0
        part.append(family)
        size += len(family.samples)
    yield part
