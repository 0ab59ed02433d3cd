"""The port of [control], if it has one: the control API and the page alone are served there."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog
from aiohttp import web

from bridge.config.settings import Settings
from bridge.shell.descriptors import descriptor_limit
from bridge.shell.front_door import FrontDoor
from bridge.shell.http_server import application, http_server
from bridge.shell.listener import open_port
from bridge.shell.pending_connections import PendingConnections, most_pending

log = structlog.get_logger()


@asynccontextmanager
async def control_port(
    settings: Settings, tls: ssl.SSLContext | None, add_to: Callable[[web.Application], None]
) -> AsyncIterator[int | None]:
    """Open it inside; its number, or None. `add_to`: adds what is served. Raises `ConfigurationError` if it cannot be opened."""
    if settings.control.port is None:
        yield None
        return
    app = application()
    add_to(app)
    pending = PendingConnections(most_pending(descriptor_limit()), settings.limits.connections_per_address)
    async with http_server(app) as http:
        door = partial(FrontDoor, (), http, http)
        listener = await open_port(door, settings.control.host, settings.control.port, tls, pending)
        port: int = listener.sockets[0].getsockname()[1]
        log.info("= the control API has a port of its own", host=settings.control.host, port=port)
        try:
            yield port
        finally:
            listener.close()
