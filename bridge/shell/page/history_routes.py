"""The routes of one call's history and of its recording, for whoever may see calls.

GET /calls/ID/history      see `HistoryView`
GET /calls/ID/recording    the WAV, also in parts (`Range`), as far as it has been written

Where too many ask at the same time the answer is 503 with `Retry-After`.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from aiohttp import web

from bridge.observers.call_history import JournalEntry
from bridge.shell.control.access import Visitor
from bridge.shell.control.guard import Guard
from bridge.shell.control.problems import Problem
from bridge.shell.page.at_once import AtOnce
from bridge.shell.page.history import Histories
from bridge.shell.page.routes import NO_STORE
from bridge.shell.page.sent_file import send_file

MOST_HISTORIES = 20
"""The one that is made, and those that wait for it: one of a long call takes 0.1 s."""

MOST_RECORDINGS = 50
"""Each has a file open until its reader has all of it."""

LiveLines = Callable[[str], Sequence[JournalEntry] | None]
"""The lines of a call under way, as far as they are kept in memory; None: no such call is under way here."""


class HistoryRoutes:
    """Those of one server. `guard`: lets requests in."""

    def __init__(self, histories: Histories, guard: Guard, live: LiveLines) -> None:
        self._histories = histories
        self._guard = guard
        self._live = live
        self._drawn = AtOnce(MOST_HISTORIES, "histories")
        self._sent = AtOnce(MOST_RECORDINGS, "recordings")

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        guarded = self._guard.guarded
        return [
            web.get("/calls/{id}/history", guarded("see", self._history)),
            web.get("/calls/{id}/recording", guarded("see", self._recording)),
        ]

    async def _history(self, request: web.Request, _visitor: Visitor) -> web.Response:
        call_id = request.match_info["id"]
        lines = self._live(call_id)
        with self._drawn.place():
            body = await self._histories.encoded(call_id, lines or (), is_live=lines is not None)
        if body is None:
            raise _nothing_kept()
        return web.Response(body=body, content_type="application/json", headers=NO_STORE)

    async def _recording(self, request: web.Request, _visitor: Visitor) -> web.StreamResponse:
        with self._sent.place():
            files = await self._histories.files(request.match_info["id"])
            if files.recording is None:
                raise _nothing_kept()
            return await send_file(request, files.recording, "audio/wav")


def _nothing_kept() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "nothing is kept of a call of this id")
