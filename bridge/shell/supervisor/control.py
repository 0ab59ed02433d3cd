"""What the supervisor does of the control API itself: the list and the feed of all calls, who may ask, and how often.

All else is a worker's: what is about one call goes to the one that has it.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import structlog
from aiohttp import web

from bridge.config.settings import Settings
from bridge.settings.control import Can
from bridge.shell.control.access import ControlAccess, Visitor, may_be_behind_proxy
from bridge.shell.control.feed import Feed
from bridge.shell.control.fleet import FleetCalls
from bridge.shell.control.guard import Guard, unix_clock
from bridge.shell.control.routes import answer
from bridge.shell.descriptors import descriptor_limit
from bridge.shell.front_door import FrontDoor
from bridge.shell.http_server import HttpServer, application, http_server
from bridge.shell.listener import shut_down
from bridge.shell.pending_connections import PendingConnections, most_pending
from bridge.shell.supervisor.health import refused
from bridge.shell.supervisor.request import Request

LIST, EVENTS = "/calls", "/calls/events"

log = structlog.get_logger()


class FleetControl:
    """The supervisor's part. `calls`: those of all workers."""

    def __init__(self, settings: Settings, calls: FleetCalls) -> None:
        self.access = ControlAccess(settings.control.tokens, is_behind_proxy=may_be_behind_proxy(settings))
        """Who may ask."""
        self._guard = Guard(self.access, settings.control.requests_per_s)
        self._calls = calls
        self._feed = Feed(calls)
        self._pending = PendingConnections(
            most_pending(descriptor_limit()), settings.limits.connections_per_address
        )
        self._http: HttpServer
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Requests can be served inside."""
        app = application()
        guarded = self._guard.guarded
        app.add_routes(
            [
                web.get(LIST, guarded("see", self._list)),
                web.get(EVENTS, guarded("see", self._events)),
            ]
        )
        app.on_shutdown.append(self._close)
        async with http_server(app) as self._http:
            yield

    def may(self, address: str, headers: Mapping[str, str], need: Can) -> bool:
        """Whether whoever asks may do it. It counts for no rate."""
        return self.access.may(address, headers, unix_clock(), need)

    def refusal(self, request: Request, address: str) -> bytes | None:
        """The whole answer to a request for a call that a worker is not to be asked, since there are too many; or None."""
        if not (request.path == LIST or request.path.startswith("/calls/")) or serves(request):
            return None
        problem = self._guard.too_many(address, request.headers)
        return None if problem is None else refused(problem)

    def take(self, connection: socket.socket, request: Request, address: str) -> None:
        """Answer a request that is served here."""
        task = asyncio.create_task(self._connect(connection, request, address), name="control")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, request: Request, address: str) -> None:
        released = self._pending.add(address, partial(shut_down, connection))
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: FrontDoor((), self._http, self._http, released, request.read), connection
            )
        except OSError:  # the peer is gone
            connection.close()
            released()

    async def _list(self, _request: web.Request, _visitor: Visitor) -> web.Response:
        return answer(await self._calls.calls())

    async def _events(self, request: web.Request, _visitor: Visitor) -> web.StreamResponse:
        return await self._feed.stream(request, partial(self._guard.may, request, "see"))

    async def _close(self, _app: web.Application) -> None:
        self._feed.close()


def serves(request: Request) -> bool:
    """Whether the supervisor answers this request itself."""
    return request.path == EVENTS or (request.path == LIST and request.method in ("GET", "HEAD"))
