"""`GET /metrics` on the server's own port, for who may read it."""

from collections.abc import Callable

from aiohttp import web

from bridge.observers.metrics.snapshot import CONTENT_TYPE
from bridge.settings.metrics import MetricsSettings
from bridge.shell.metrics.access import Access
from bridge.shell.metrics.port import PATH, Scrape


def access_of(settings: MetricsSettings) -> Access:
    """Who may read the figures on the server's own port."""
    return Access(tokens_of(settings))


def tokens_of(settings: MetricsSettings) -> list[str]:
    """The token of [metrics], if there is one."""
    return [] if settings.token is None else [settings.token.get_secret_value()]


def metrics_route(
    access: Access, scrape: Scrape, also: Callable[[web.Request], bool] = lambda _: False
) -> web.RouteDef:
    """The route. `also`: whether somebody else may read them, by this request."""

    async def serve(request: web.Request) -> web.Response:
        if not (access.is_allowed(request.remote or "", request.headers) or also(request)):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        return web.Response(body=await scrape(), headers={"Content-Type": CONTENT_TYPE})

    return web.get(PATH, serve)
