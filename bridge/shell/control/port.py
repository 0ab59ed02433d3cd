"""The port of [control], if it has one: the control API and the page alone are served there."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import structlog
from aiohttp import web

from bridge.config.settings import Settings
from bridge.shell.descriptors import descriptor_limit
from bridge.shell.front_door import FrontDoor
from bridge.shell.http_server import application, http_server
from bridge.shell.listener import open_port
from bridge.shell.pending_connections import PendingConnections, Released, most_pending

log = structlog.get_logger()


class ControlPort(NamedTuple):
    """Its number, if it is open in this process; and what makes the protocol of a connection, from what was read of it."""

    number: int | None
    make: Callable[[bytes, Released], asyncio.Protocol]


@asynccontextmanager
async def control_port(
    settings: Settings,
    tls: ssl.SSLContext | None,
    add_to: Callable[[web.Application], None],
    *,
    is_open: bool = True,
) -> AsyncIterator[ControlPort]:
    """Open it inside. `add_to`: adds what is served. `is_open`: False in a worker, whose supervisor has the port.

    Raises `ConfigurationError` if it cannot be opened.
    """
    if settings.control.port is None:
        yield ControlPort(None, _refuse)
        return
    app = application()
    add_to(app)
    pending = PendingConnections(most_pending(descriptor_limit()), settings.limits.connections_per_address)
    async with http_server(app) as http:

        def make(read: bytes, released: Released) -> asyncio.Protocol:
            return FrontDoor((), http, http, released, read)

        if not is_open:
            yield ControlPort(None, make)
            return
        listener = await open_port(
            partial(make, b""), settings.control.host, settings.control.port, tls, pending
        )
        port: int = listener.sockets[0].getsockname()[1]
        log.info("= the control API has a port of its own", host=settings.control.host, port=port)
        try:
            yield ControlPort(port, make)
        finally:
            listener.close()


def _refuse(_read: bytes, _released: Released) -> asyncio.Protocol:
    raise AssertionError("there is no port of [control]")
