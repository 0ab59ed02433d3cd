"""Answers requests for `/metrics` on connections whose request was read: of a port of its own, or of the supervisor's."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus

import structlog

from bridge.observers.metrics.snapshot import CONTENT_TYPE
from bridge.settings.metrics import MetricsSettings
from bridge.shell.listener import bind
from bridge.shell.metrics.access import Access
from bridge.shell.supervisor.entrance import Entrance
from bridge.shell.supervisor.request import Request

PATH = "/metrics"

ANSWER_S = 10.0
"""How long a whole answer may take; Prometheus waits as long by default."""

BACKLOG = 16

NO_PORT = MetricsSettings()
"""Of a worker: the supervisor has the port."""

Scrape = Callable[[], Awaitable[bytes]]
"""Returns the figures as text."""

MayAsk = Callable[[str, Mapping[str, str]], bool]
"""Whether somebody at an address may ask, by the headers of the request."""

log = structlog.get_logger()


class MetricsAnswers:
    """Answers each request in a task of its own. `access`: who may ask; None: everybody. `also`: who else may."""

    def __init__(
        self, scrape: Scrape, access: Access | None, also: MayAsk = lambda _address, _headers: False
    ) -> None:
        self._scrape = scrape
        self._access = access
        self._also = also
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, connection: socket.socket, request: Request) -> None:
        """Answer, and close the connection."""
        task = asyncio.create_task(self._serve(connection, request), name="metrics")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Break off what is being answered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, connection: socket.socket, request: Request) -> None:
        try:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    answer = await self._answer(request, connection)
                    await asyncio.get_running_loop().sock_sendall(connection, answer)
                    connection.shutdown(socket.SHUT_WR)
        except Exception:
            log.exception("= a request failed", path=PATH)
        finally:
            connection.close()

    async def _answer(self, request: Request, connection: socket.socket) -> bytes:
        if request.path != PATH:
            return _answer(HTTPStatus.NOT_FOUND)
        if request.method not in ("GET", "HEAD"):
            return _answer(HTTPStatus.METHOD_NOT_ALLOWED, more="Allow: GET, HEAD\r\n")
        address = connection.getpeername()[0]
        if not self._may_ask(address, request.headers):
            return _answer(HTTPStatus.UNAUTHORIZED, more="WWW-Authenticate: Bearer\r\n")
        body = await self._scrape()
        return _answer(HTTPStatus.OK, body, CONTENT_TYPE, is_head=request.method == "HEAD")

    def _may_ask(self, address: str, headers: Mapping[str, str]) -> bool:
        access = self._access
        return access is None or access.is_allowed(address, headers) or self._also(address, headers)


def _answer(
    status: HTTPStatus,
    body: bytes | None = None,
    kind: str = "text/plain; charset=utf-8",
    *,
    more: str = "",
    is_head: bool = False,
) -> bytes:
    body = f"{status.value}: {status.phrase}".encode() if body is None else body
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if is_head else body)


class MetricsPort:
    """The port of [metrics], if it has one: open inside, or from `open` to `aclose`."""

    def __init__(self, settings: MetricsSettings, scrape: Scrape) -> None:
        self._settings = settings
        self._answers = MetricsAnswers(scrape, None)
        self._entrance: Entrance | None = None

    async def __aenter__(self) -> int | None:
        return self.open()

    async def __aexit__(self, *_fault: object) -> None:
        await self.aclose()

    def open(self) -> int | None:
        """Returns the number of the port, or None. Raises `ConfigurationError` if it cannot be opened."""
        if self._settings.port is None:
            return None
        listeners = bind(self._settings.host, self._settings.port, BACKLOG)
        port: int = listeners[0].getsockname()[1]
        self._entrance = Entrance(listeners, self._answers.take)
        log.info("= metrics have a port of their own", host=self._settings.host, port=port)
        return port

    async def aclose(self) -> None:
        """Close it, and break off what is being answered."""
        if self._entrance is not None:
            self._entrance.close()
        await self._answers.aclose()
