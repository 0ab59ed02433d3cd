"""Telnyx's webhooks."""

from aiohttp import web

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.reception import Reception


class TelnyxWebhooks:
    """One server's."""

    def __init__(self, settings: TelnyxSettings, reception: Reception, *, open_doors: bool) -> None:
        self._settings = settings
        self._reception = reception
        self._open_doors = open_doors

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return []

    async def aclose(self) -> None:
        """Nothing is left behind."""
