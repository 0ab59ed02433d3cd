"""The figures of all workers as one, in the supervisor: asked at each scrape, and kept of workers that have ended.

A worker that does not answer in time counts as it last said, and one that has died with what it said last: no counter
goes back. No socket, no clock but the time that answers are waited for.
"""

import asyncio
from collections.abc import Callable, Iterable

from bridge.observers.metrics.families import WORKER_DEATHS, WORKERS
from bridge.observers.metrics.snapshot import Family, Key, lasting, merged, text

ANSWERS_S = 2.0
"""How long the answers of workers are waited for."""

Own = Callable[[], Iterable[Family]]
"""The figures of the supervisor itself."""


class _Worker:
    """What is known of one worker. `parts`: of the answer that is coming."""

    def __init__(self) -> None:
        self.last: list[Family] = []
        self.parts: list[Family] = []


class FleetMetrics:
    """The figures of one server. `ask`: asks all workers, and returns the numbers of those that were asked."""

    def __init__(
        self, ask: Callable[[], Iterable[int]], own: Own = tuple, *, answers_s: float = ANSWERS_S
    ) -> None:
        self._ask = ask
        self._own = own
        self._answers_s = answers_s
        self._workers: dict[int, _Worker] = {}
        self._ended: list[Family] = []
        self._awaited: set[int] = set()
        self._answered = asyncio.Event()
        self._scraping: asyncio.Task[bytes] | None = None

    def told(self, number: int, part: Iterable[Family], *, is_last: bool) -> None:
        """A worker has told a part of its figures."""
        worker = self._workers.setdefault(number, _Worker())
        worker.parts += part
        if is_last:
            worker.last, worker.parts = worker.parts, []
            self._no_longer_awaited(number)

    def ended(self, number: int) -> None:
        """A worker has ended, in whatever way."""
        worker = self._workers.pop(number, None)
        if worker is not None:
            self._ended = merged([self._ended, lasting(worker.last)])
        self._no_longer_awaited(number)

    async def scrape(self) -> bytes:
        """The figures as text. Scrapers that come at the same time get the same ones."""
        if self._scraping is None or self._scraping.done():
            self._scraping = asyncio.create_task(self._collect(), name="metrics of workers")
        return await asyncio.shield(self._scraping)

    async def _collect(self) -> bytes:
        self._awaited = set(self._ask())
        self._answered.clear()
        if self._awaited:
            try:
                async with asyncio.timeout(self._answers_s):
                    await self._answered.wait()
            except TimeoutError:
                self._awaited.clear()
        found = merged([self._own(), self._ended, *(worker.last for worker in self._workers.values())])
        return "".join(map(text, found)).encode()

    def _no_longer_awaited(self, number: int) -> None:
        self._awaited.discard(number)
        if not self._awaited:
            self._answered.set()


def supervisor_families(ready: int, configured: int, deaths: int) -> list[Family]:
    """What the supervisor knows itself: workers that are ready, those that there should be, and those that have died."""
    states = {"ready": ready, "configured": configured}
    workers: list[tuple[Key, float]] = [
        ((WORKERS.name, (("state", state),)), float(count)) for state, count in states.items()
    ]
    died = WORKER_DEATHS.name.removesuffix("_total")
    return [
        Family(WORKERS.name, WORKERS.kind, WORKERS.help, workers),
        Family(died, WORKER_DEATHS.kind, WORKER_DEATHS.help, [((WORKER_DEATHS.name, ()), float(deaths))]),
    ]
