"""The server: serves webhooks, media sockets and health on one port, and lets calls end when it closes.

Paths: those of each carrier's webhooks, GET /healthz, GET /readyz, GET /metrics, those of `admission.media_paths`, and those
of the page.
"""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import structlog
from aiohttp import web

from bridge.carriers.registry import CARRIERS
from bridge.config.checks import check_carriers, check_doors, check_folders, doubts, tls_context
from bridge.config.settings import Settings, service_manager
from bridge.core.call import LAST_MARK_S
from bridge.observers.call_history import JournalEntry
from bridge.shell.admission import Admission, media_paths
from bridge.shell.after_call import AfterCall
from bridge.shell.control.access import KnownToken
from bridge.shell.control.port import control_port
from bridge.shell.control.routes import ControlApi
from bridge.shell.descriptors import descriptor_limit
from bridge.shell.file_writer import FileWriter
from bridge.shell.front_door import FrontDoor
from bridge.shell.http_server import application, http_server
from bridge.shell.lifecycle import Lifecycle, Stage, StopRules
from bridge.shell.listener import Listener, open_port
from bridge.shell.local_requests import is_local
from bridge.shell.loop_errors import connection_errors_in_one_line
from bridge.shell.loop_watch import LoopWatch
from bridge.shell.memory import limit_malloc, settle
from bridge.shell.metrics.port import NO_PORT, MetricsPort
from bridge.shell.metrics.process_metrics import Load, ProcessMetrics
from bridge.shell.metrics.route import access_of, metrics_route
from bridge.shell.network import Network
from bridge.shell.page.address import page_address
from bridge.shell.page.history import Histories
from bridge.shell.page.history_routes import HistoryRoutes
from bridge.shell.page.phone import Phone
from bridge.shell.page.routes import Page
from bridge.shell.pending_connections import PendingConnections, Released, most_pending
from bridge.shell.refused_requests import RefusedRequests
from bridge.shell.reload import Certificate, Reload
from bridge.shell.retention import Retention, kept_folders
from bridge.shell.sampled_log import SampledLog
from bridge.shell.session import clock
from bridge.shell.setup_pace import SetupPace
from bridge.shell.switchboard import Switchboard
from bridge.shell.systemd import Notifier
from bridge.shell.tracing.traces import Traces
from bridge.shell.webhooks import Answered, Webhooks
from bridge.shell.websocket_server import accept

RETRY_AFTER_S = 5
"""When a media socket that is refused with 503 may come again: a balancer has found another server by then."""

CLOSE_S = 2.0
"""How long the closing handshake of a media socket may take, behind the goodbye."""

log = structlog.get_logger()


Make = Callable[[bytes, Released], asyncio.Protocol]
"""Makes the protocol of a connection, from what was read of it."""


class ConnectionSource(Protocol):
    """Where a server gets its connections from."""

    async def open(self, make: Make, make_control: Make) -> int:
        """Begin. `make_control`: for what comes to the port of [control]. Returns the port that is open."""
        ...

    def close(self) -> None:
        """Take no more connections."""
        ...


class Server:
    """What one process serves. Enter `running` to open the port. Raises `ConfigurationError` as `checks` does.

    `keeps_files`: whether it looks after the files of old calls; of several processes one does.
    """

    def __init__(
        self, settings: Settings, notifier: Notifier | None = None, *, keeps_files: bool = True
    ) -> None:
        check_doors(settings)
        check_folders(settings)
        check_carriers(settings)
        self._tls = tls_context(settings)
        self._settings = settings
        self.notifier = notifier or Notifier()
        self.network = Network(settings.proxy)
        """How servers are reached."""
        self.files = FileWriter()
        """Writes the files of calls."""
        self.metrics = ProcessMetrics()
        self.files.count_failure = self.metrics.file_failed
        after_call = AfterCall(self.network, self.files.written)
        switchboard = Switchboard(settings, self.network)
        self.traces = Traces(settings)
        """Of calls."""
        self.admission = Admission(settings, switchboard, self.files, after_call, self.metrics, self.traces)
        self.lifecycle = Lifecycle(self.admission, self._stop_rules, self.notifier)
        self.certificate = Certificate(self._tls, settings)
        self.control = ControlApi(settings, self.admission)
        """Who may see the calls under way and steer them."""
        self._metrics_access = access_of(settings.metrics)
        self._refused = RefusedRequests(self.metrics.webhook_refused)
        self._webhooks = tuple(
            Webhooks(
                carrier,
                partial(kind.webhooks, settings.carrier(carrier)),
                self.admission,
                allows_unauthenticated=settings.security.allow_unauthenticated,
                network=self.network,
                refused=self._refused,
                measured=self.metrics.carrier_asked,
            )
            for carrier, kind in CARRIERS.items()
        )
        self._loop_watch = LoopWatch(probed=self.metrics.figures.loop_lag.observe)
        self._retention = Retention(kept_folders(settings) if keeps_files else (), self.files)
        self.admission.lag_s = lambda: self._loop_watch.lag_s
        self.port = settings.port
        """The port that is open; the system's choice where the settings say 0."""
        self.metrics_port: int | None = None
        """That of [metrics], if it has one."""
        self.control_port: int | None = None
        """That of [control], if it has one."""

    @asynccontextmanager
    async def running(self, source: "ConnectionSource | None" = None) -> AsyncIterator["Server"]:
        """Connections are served inside; `source`: where they come from, by default a port that is opened.

        At the end, calls under way are closed once the caller has heard what was said.
        """
        paths = media_paths()
        self.metrics.start(self._load)
        self._retention.start()
        errors = ExitStack()
        errors.enter_context(connection_errors_in_one_line())
        try:
            own_metrics = self._settings.metrics if source is None else NO_PORT
            async with (
                http_server(self._routes()) as http,
                MetricsPort(own_metrics, self.metrics.scrape) as self.metrics_port,
                control_port(self._settings, self._tls, self._add_control, is_open=source is None) as control,
            ):
                self.control_port = control.number
                source = source or _OwnPort(self._settings, self._tls)
                media = partial(
                    accept, self.admission.admit, refusals=SampledLog(), retry_after_s=RETRY_AFTER_S
                )
                pace = SetupPace(lambda: self.admission.calls, asyncio.get_running_loop().call_later)
                self.port = await source.open(
                    lambda read, released: FrontDoor(paths, media, http, released, read, pace.enter),
                    control.make,
                )
                self._loop_watch.start()  # what it took to get here kept no call waiting
                self.admission.public_url = self._settings.reachable_url(self.port)
                self.control.access.public_url = self.admission.public_url
                self.admission.setups.current.switchboard.prepare()
                watch = asyncio.create_task(self.certificate.watch())
                try:
                    yield self
                finally:
                    # the port is still open: a carrier that calls is answered that the server is closing
                    await self.lifecycle.close()
                    source.close()
                    watch.cancel()
        finally:
            for webhooks in self._webhooks:
                await webhooks.aclose()
            await self.admission.after_call.aclose()
            await self.admission.setups.aclose()
            await self.network.aclose()
            await self.traces.aclose()
            self._retention.stop()
            await self.files.aclose()
            self._loop_watch.stop()
            self.metrics.stop()
            errors.close()

    def watch_webhooks(self, answered: Answered) -> None:
        """Have this called for each webhook that was answered."""
        for webhooks in self._webhooks:
            webhooks.answered = answered

    def _stop_rules(self) -> StopRules:
        setup = self.admission.setups.current
        limits = setup.settings.limits
        goodbye_s = limits.goodbye_s + setup.switchboard.goodbye_s + LAST_MARK_S + CLOSE_S
        return StopRules(limits.drain_s, goodbye_s, limits.linger_s)

    def _routes(self) -> web.Application:
        app = application()
        app.middlewares.append(self._refused.middleware)
        for webhooks in self._webhooks:
            app.add_routes(webhooks.routes())
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        if self._settings.control.port is None:
            self._add_control(app)
        may_read = partial(self.control.guard.may, need="metrics")
        app.add_routes([metrics_route(self._metrics_access, self.metrics.scrape, may_read)])
        return app

    def use_tokens(self, control: Sequence[KnownToken], metrics: Sequence[str]) -> None:
        """The tokens of [control] and [metrics] from now on."""
        self.control.access.replace(control)
        self._metrics_access.replace(metrics)

    def _add_control(self, app: web.Application) -> None:
        """Serve the control API there, and the page that uses it."""
        self.control.add_to(app)
        page = Page(self.control.guard, lambda: self.admission.setups.current.settings)
        app.add_routes(page.routes())
        if self._settings.control.port is None:  # its media socket has to be at the page's own address
            app.add_routes(Phone(page, self.control.guard.access, self.admission).routes())
        histories = Histories(self._settings)
        app.add_routes(HistoryRoutes(histories, self.control.guard, self._live_lines).routes())

    def _live_lines(self, call_id: str) -> Sequence[JournalEntry] | None:
        call = self.admission.live.find(call_id)
        return None if call is None else call.entries()

    def _load(self) -> Load:
        limits = self.admission.setups.current.settings.limits
        open_circuits = self.admission.readiness.open_circuits()
        ahead = dict.fromkeys(CARRIERS, 0.0)
        for call in self.admission.active:
            ahead[call.carrier] = max(ahead[call.carrier], call.session.playout_ahead_s)
        return Load(
            self.admission.closing, limits.max_calls or 0, limits.longest_call_s, open_circuits, ahead
        )

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"} | self._details(request))

    async def _readyz(self, request: web.Request) -> web.Response:
        if self.admission.closing:
            return web.json_response({"status": "draining"} | self._details(request), status=503)
        if not self._tells_more(request):
            return web.json_response({"status": "ready"})
        answer: dict[str, object] = {"status": "ready"}
        health = self.admission.readiness
        circuits = health.open_circuits()
        if faults := {name: circuit.why for name, circuit in circuits.items()} | health.faults:
            # still ready: only a call shows that an assistant works again
            answer |= {"status": "degraded", "assistants": faults}
        if circuits:
            answer["open_circuits"] = {name: _since(circuit.since) for name, circuit in circuits.items()}
        return web.json_response(answer | self._details(request))

    def _details(self, request: web.Request) -> dict[str, object]:
        return {"calls": self.admission.calls} if self._tells_more(request) else {}

    def _tells_more(self, request: web.Request) -> bool:
        """Whether whoever asks is on this machine, or has a token that may see the calls."""
        return is_local(request.remote or "", request.headers) or self.control.guard.may(request, "see")


def pending_connections(settings: Settings) -> PendingConnections:
    """The bounds of connections that are not calls, in this process."""
    return PendingConnections(most_pending(descriptor_limit()), settings.limits.connections_per_address)


class _OwnPort:
    """A port of this process. `open` raises `ConfigurationError` if it cannot be opened."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._tls = tls
        self._listener: Listener | None = None

    async def open(self, make: Make, make_control: Make) -> int:
        """See `ConnectionSource`."""
        settings = self._settings
        self._listener = await open_port(
            partial(make, b""), settings.host, settings.port, self._tls, pending_connections(settings)
        )
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """See `ConnectionSource`."""
        if self._listener is not None:
            self._listener.close()


def _since(at: float) -> str:
    """A time on the sessions' clock, as UTC."""
    return (datetime.now(UTC) - timedelta(seconds=clock() - at)).isoformat(timespec="seconds")


def _note_log_rotation() -> None:
    """A tool that rotates logs may send SIGUSR1, which would end a process that does not know it."""
    log.debug("= SIGUSR1: nothing to do, the log has no file of its own")


async def serve(
    settings: Settings,
    read: Callable[[], Settings] | None = None,
    set_log_level: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then let the calls end; see `lifecycle`. SIGHUP: see `Reload`, for `read` as well."""
    limit_malloc()
    notifier = Notifier(service_manager())
    server = Server(settings, notifier)
    reload = Reload(
        server.admission.setups,
        server.certificate,
        server.network,
        read or (lambda: settings),
        set_log_level,
        lambda: server.lifecycle.stage is not Stage.SERVING,
        notifier,
        server.use_tokens,
    )
    handle = asyncio.get_running_loop().add_signal_handler
    for number in (signal.SIGTERM, signal.SIGINT):
        handle(number, server.lifecycle.signal)
    handle(signal.SIGHUP, reload.signal)
    handle(signal.SIGUSR1, _note_log_rotation)
    notifier.start_watchdog()
    try:
        async with server.running():
            settle()
            for doubt in doubts(settings):
                log.warning("= doubtful settings", reason=doubt)
            log.info("= serving", host=settings.host, port=server.port, assistant=settings.assistant)
            log.info("= the page is open", address=page_address(settings, server.control_port or server.port))
            notifier.ready("serving")
            await server.lifecycle.finished()
            await reload.aclose()
    finally:
        notifier.close()
