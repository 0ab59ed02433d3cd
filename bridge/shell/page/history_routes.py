"""The routes of one call's history and of its recording, for whoever may see calls.

GET /calls/ID/history      see `HistoryView`
GET /calls/ID/recording    the WAV, also in parts (`Range`), as far as it has been written
"""

from collections.abc import Callable, Sequence

from aiohttp import web

from bridge.observers.call_history import JournalEntry
from bridge.shell.control.access import Visitor
from bridge.shell.page.history import Histories
from bridge.shell.page.routes import NO_STORE
from bridge.shell.page.sent_file import send_file

LiveLines = Callable[[str], Sequence[JournalEntry] | None]
"""The lines of a call under way, as far as they are kept in memory; None: no such call is under way here."""


class HistoryRoutes:
    """Those of one server. `visitor`: who asks; None: nobody who may see anything."""

    def __init__(
        self, histories: Histories, visitor: Callable[[web.Request], Visitor | None], live: LiveLines
    ) -> None:
        self._histories = histories
        self._visitor = visitor
        self._live = live

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/calls/{id}/history", self._history),
            web.get("/calls/{id}/recording", self._recording),
        ]

    async def _history(self, request: web.Request) -> web.Response:
        call_id = self._checked(request)
        lines = self._live(call_id)
        body = await self._histories.encoded(call_id, lines or (), is_live=lines is not None)
        if body is None:
            raise web.HTTPNotFound
        return web.Response(body=body, content_type="application/json", headers=NO_STORE)

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        files = await self._histories.files(self._checked(request))
        if files.recording is None:
            raise web.HTTPNotFound
        return await send_file(request, files.recording, "audio/wav")

    def _checked(self, request: web.Request) -> str:
        """The call that is asked for. Raises `HTTPNotFound` for whoever may not see it."""
        if self._visitor(request) is None:
            raise web.HTTPNotFound
        return request.match_info["id"]
