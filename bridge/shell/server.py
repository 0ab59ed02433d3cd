"""The server: serves webhooks, media sockets and health on one port, and lets calls end when it closes.

Paths: those of each carrier's webhooks, GET /healthz, GET /readyz, and those of `admission.media_paths`.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from aiohttp import web

from bridge.carriers.registry import CARRIERS
from bridge.config.checks import check_carriers, check_doors, check_folders, doubts, tls_context
from bridge.config.settings import Settings
from bridge.shell import websocket
from bridge.shell.admission import Admission, media_paths
from bridge.shell.front_door import FrontDoor
from bridge.shell.session import clock
from bridge.shell.switchboard import Switchboard
from bridge.shell.webhooks import Webhooks

log = structlog.get_logger()


class Server:
    """What one process serves. Enter `running` to open the port. Raises `ConfigurationError` as `checks` does."""

    def __init__(self, settings: Settings) -> None:
        check_doors(settings)
        check_folders(settings)
        check_carriers(settings)
        self._tls = tls_context(settings)
        self._settings = settings
        self._switchboard = Switchboard(settings)
        self.admission = Admission(settings, self._switchboard)
        self._webhooks = tuple(
            Webhooks(
                carrier,
                partial(kind.webhooks, settings.carrier(carrier)),
                self.admission,
                allows_unauthenticated=settings.security.allow_unauthenticated,
            )
            for carrier, kind in CARRIERS.items()
        )
        self.port = settings.port
        """The port that is open; the system's choice where the settings say 0."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        """The port is open inside. At the end, calls under way are closed once the caller has heard what was said."""
        runner = web.AppRunner(self._routes(), access_log=None, shutdown_timeout=1.0, lingering_time=0.5)
        await runner.setup()
        assert runner.server is not None
        http, paths = runner.server, media_paths()
        try:
            listener = await websocket.listen(
                lambda: FrontDoor(paths, lambda: websocket.accept(self.admission.admit), http),
                self._settings.host,
                self._settings.port,
                self._tls,
            )
            self.port = listener.sockets[0].getsockname()[1]
            self.admission.public_url = self._settings.reachable_url(self.port)
            self._switchboard.prepare()
            try:
                yield self
            finally:
                # the port is still open: a carrier that calls is answered that the server is closing
                await self.admission.drain()
                listener.close()
        finally:
            for webhooks in self._webhooks:
                await webhooks.aclose()
            await self._switchboard.aclose()
            await runner.cleanup()

    def _routes(self) -> web.Application:
        app = web.Application(client_max_size=65_536)
        app.on_response_prepare.append(_one_request_a_connection)
        for webhooks in self._webhooks:
            app.add_routes(webhooks.routes())
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "calls": self.admission.calls})

    async def _readyz(self, _request: web.Request) -> web.Response:
        calls = self.admission.calls
        if self.admission.closing:
            return web.json_response({"status": "draining", "calls": calls}, status=503)
        answer: dict[str, object] = {"status": "ready", "calls": calls}
        health = self.admission.readiness
        circuits = health.open_circuits()
        if faults := {name: circuit.why for name, circuit in circuits.items()} | health.faults:
            # still ready: only a call shows that an assistant works again
            answer |= {"status": "degraded", "assistants": faults}
        if circuits:
            answer["open_circuits"] = {name: _since(circuit.since) for name, circuit in circuits.items()}
        return web.json_response(answer)


def _since(at: float) -> str:
    """A time on the sessions' clock, as UTC."""
    return (datetime.now(UTC) - timedelta(seconds=clock() - at)).isoformat(timespec="seconds")


async def _one_request_a_connection(_request: web.Request, response: web.StreamResponse) -> None:
    """The front door looks at the first request of a connection only."""
    response.headers["Connection"] = "close"
    response.force_close()


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let the calls end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Server(settings).running() as server:
        gc.collect()
        gc.freeze()  # what is loaded now stays loaded, so the collector need not look at it again
        for doubt in doubts(settings):
            log.warning("= doubtful settings", reason=doubt)
        log.info("= serving", host=settings.host, port=server.port, assistant=settings.assistant)
        await stop.wait()
        log.info("= draining", calls=server.admission.calls)
