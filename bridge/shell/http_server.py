"""The HTTP side of the server: aiohttp with a time limit for each request, no decompression, and short answers to faults.

No answer names the software. A malformed request is one line at debug; a fault of our own is one line with its traceback.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import cast

import structlog
from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from bridge.shell.pending_connections import Released

MOST_BODY_BYTES = 65_536
"""The longest body of a request. A webhook has some thousand bytes."""

REQUEST_TIMEOUT_S = 30.0
"""How long a connection may last, from its request's head to the end of the answer."""

NO_LOG = logging.getLogger("voicebridge.access")
NO_LOG.disabled = True

log = structlog.get_logger()


def application() -> web.Application:
    """An application whose answers close their connection and do not name the software."""
    app = web.Application(client_max_size=MOST_BODY_BYTES)
    app.on_response_prepare.append(_finish_headers)
    return app


@asynccontextmanager
async def http_server(app: web.Application) -> AsyncIterator["HttpServer"]:
    """Serve an application inside; at the end its answers under way are given a second."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    assert runner.server is not None
    try:
        yield HttpServer(runner.server)
    finally:
        await runner.cleanup()


class HttpServer:
    """Makes the protocol of each connection."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def __call__(self, released: Released = lambda: None) -> asyncio.Protocol:
        """The protocol of one connection. `released` is called when that is lost."""
        connection = _Connection(
            self._server,
            loop=asyncio.get_running_loop(),
            access_log=NO_LOG,
            lingering_time=0.5,
            auto_decompress=False,  # a small body could become a large one before anybody has looked at its signature
        )
        connection.released = released
        return connection


def give_more_time(request: web.Request) -> None:
    """The answer is a long one and makes progress: its connection has `REQUEST_TIMEOUT_S` from now on."""
    connection = request.protocol
    if isinstance(connection, _Connection):
        connection.give_more_time()


def may_last(request: web.Request, lost: Callable[[], None]) -> None:
    """The answer to this request is a stream without an end. `lost` is called when the connection is lost."""
    connection = request.protocol
    assert isinstance(connection, _Connection), "a request of this server"
    connection.may_last(lost)


class _Connection(RequestHandler):
    """One connection, which carries one request."""

    released: Released
    lost: Released = staticmethod(lambda: None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        abort = cast(
            asyncio.Transport, transport
        ).abort  # aiofastnet's transports do not derive from asyncio's
        self._abort = abort
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_TIMEOUT_S, abort)
        super().connection_made(transport)

    def give_more_time(self) -> None:
        """See the function of this name."""
        self._deadline.cancel()
        if self.transport is not None:
            self._deadline = asyncio.get_running_loop().call_later(REQUEST_TIMEOUT_S, self._abort)

    def may_last(self, lost: Callable[[], None]) -> None:
        """Its answer is a stream without an end: it has no time limit, and is not dropped for a newer connection."""
        self._deadline.cancel()
        self.released()
        self.lost = lost

    async def start(self) -> None:
        """Serve the request, unless the connection is gone already: aiohttp would fail, with a traceback in the log."""
        if self.transport is not None:
            await super().start()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._deadline.cancel()
        self.released()
        self.lost()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that aiohttp could not read, or whose handler failed."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            log.debug("malformed request", status=status, why=_first_line(message))
            text = _first_line(message)
        elif isinstance(exc, ConnectionError):  # whoever asked is gone
            log.debug("a request was broken off", path=request.path)
            text = ""
        else:
            log.error("= a request failed", path=request.path, exc_info=exc)
            text = HTTPStatus(status).phrase
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer was sent")
        answer = _ErrorAnswer(status=status, text=text)
        answer.force_close()
        return answer


class _ErrorAnswer(web.Response):
    """An answer that no signal of the application sees: the request was not read."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)


def _first_line(message: str | None) -> str:
    return (message or "the request is malformed").partition("\n")[0].rstrip(":")


async def _finish_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """The front door looks at the first request of a connection only."""
    response.headers[hdrs.CONNECTION] = "close"
    response.headers.popall(hdrs.SERVER, None)
    response.force_close()
