"""The figures of one process that carries calls: who counts in them, and what is read only when they are scraped."""

import asyncio
import platform
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import NamedTuple

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector

from bridge.carriers.shared.rest import ApiRequest
from bridge.observers.metrics.call_metrics import CallMetrics
from bridge.observers.metrics.closed_sets import FILES, OTHER, refusal_reason
from bridge.observers.metrics.families import Metrics
from bridge.observers.metrics.snapshot import Family, families, text
from bridge.shell.metrics.gc_pauses import GcPauses
from bridge.shell.program import program_version
from bridge.shell.session import clock

SLICE_S = 0.001
"""After so long a scrape lets the event loop have its turn: no frame waits for the whole of it."""


class Load(NamedTuple):
    """What is read when the figures are scraped."""

    is_draining: bool
    capacity: int
    """The most calls; 0: no limit."""
    longest_s: float
    """How long a call may last."""
    open_circuits: Collection[str]
    """The assistants to which new calls do not go."""
    playout_ahead_s: Mapping[str, float] = {}
    """For each carrier: the most audio of any call that is still to be heard."""


class ProcessMetrics:
    """The figures of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.figures = Metrics()
        self._live: set[CallMetrics] = set()
        self._load: Callable[[], Load] = lambda: Load(False, 0, 0.0, ())
        self._circuits: set[str] = set()
        self._gc_pauses = GcPauses(
            lambda generation, seconds: self.figures.gc_pause.labels(generation).observe(seconds)
        )
        ProcessCollector(registry=self.figures.registry)
        PlatformCollector(registry=self.figures.registry)
        GCCollector(registry=self.figures.registry)

    def start(self, load: Callable[[], Load]) -> None:
        """Begin, on the loop that runs. `load` is called at each scrape."""
        self._load = load
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        self.figures.build.labels(program_version(), platform.python_version(), loop).set(1)
        self._gc_pauses.start()

    def stop(self) -> None:
        """Measure no more."""
        self._gc_pauses.stop()

    # Who counts

    def observer(self, carrier: str, direction: str, tools: Callable[[str], Collection[str]]) -> CallMetrics:
        """The observer of a new call."""
        call = CallMetrics(self.figures, carrier, direction, tools, clock, self._live.discard)
        self._live.add(call)
        return call

    def call_refused(self, carrier: str, why: str) -> None:
        """A new call was not taken."""
        self.figures.calls_refused.labels(carrier, refusal_reason(why)).inc()

    def socket_refused(self, why: str) -> None:
        """A media socket was turned away."""
        self.figures.sockets_refused.labels(refusal_reason(why)).inc()

    def webhook_refused(self, carrier: str, status: int) -> None:
        """A request to a webhook was turned away."""
        self.figures.webhooks_refused.labels(carrier, str(status)).inc()

    def carrier_asked(self, request: ApiRequest, seconds: float, result: str) -> None:
        """A request to a carrier's API is over. `result`: a word of this program."""
        self.figures.carrier_requests.labels(request.carrier, request.command, result).inc()
        self.figures.carrier_request.labels(request.carrier, request.command).observe(seconds)

    def file_failed(self, suffix: str) -> None:
        """A file of a call could not be written. Any thread may call this."""
        self.figures.files_failed.labels(FILES.get(suffix, OTHER)).inc()

    # The scrape

    async def scrape(self) -> bytes:
        """The figures as text."""
        return b"".join([text(family).encode() async for family in self.families()])

    async def families(self) -> AsyncIterator[Family]:
        """The figures. Between some of them the event loop has its turn."""
        self._read()
        began = clock()
        for family in families(self.figures.registry):
            yield family
            if clock() - began > SLICE_S:
                await asyncio.sleep(0)
                began = clock()

    def families_at_once(self) -> list[Family]:
        """The same without a turn of the loop: for the last ones of a process."""
        self._read()
        return list(families(self.figures.registry))

    def _read(self) -> None:
        figures, now = self.figures, clock()
        started = [call.started_at for call in self._live if call.started_at is not None]
        figures.oldest_call.set(max((now - at for at in started), default=0.0))
        load = self._load()
        figures.draining.set(load.is_draining)
        figures.calls_capacity.set(load.capacity)
        figures.call_limit.set(load.longest_s)
        for carrier, ahead_s in load.playout_ahead_s.items():
            figures.playout_ahead.labels(carrier).set(ahead_s)
        self._circuits.update(load.open_circuits)
        for name in self._circuits:
            figures.circuit_open.labels(name).set(name in load.open_circuits)
