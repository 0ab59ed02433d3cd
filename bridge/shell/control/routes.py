"""The control API over HTTP: see the calls under way, and watch them."""

from http import HTTPStatus

from aiohttp import web
from msgspec import json

from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.control.access import ControlAccess, Visitor
from bridge.shell.control.feed import Feed
from bridge.shell.control.guard import Guard
from bridge.shell.control.problems import Problem
from bridge.shell.session import clock

JSON = "application/json"

NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ControlApi:
    """The API of one process. `settings`: what holds until the server stops."""

    def __init__(self, settings: Settings, admission: Admission) -> None:
        control = settings.control
        self.access = ControlAccess(control.tokens)
        """Who may use it; the page asks it too."""
        self.guard = Guard(self.access, control.requests_per_s)
        self._live = admission.live
        self.feed = Feed(self._live)
        """The streams of those who watch."""

    def add_to(self, app: web.Application) -> None:
        """Serve it there."""
        guarded = self.guard.guarded
        app.add_routes(
            [
                web.get("/calls", guarded("see", self._calls)),
                web.get("/calls/events", guarded("see", self._events)),
                web.get("/calls/{id}", guarded("see", self._call)),
                web.get("/calls/{id}/events", guarded("see", self._events)),
            ]
        )
        app.on_shutdown.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        self.feed.close()

    async def _calls(self, _request: web.Request, _visitor: Visitor) -> web.Response:
        return answer(self._live.calls())

    async def _call(self, request: web.Request, _visitor: Visitor) -> web.Response:
        call = self._live.find(request.match_info["id"])
        if call is None:
            raise unknown_call()
        return answer(call.details(clock()))

    async def _events(self, request: web.Request, _visitor: Visitor) -> web.StreamResponse:
        return await self.feed.stream(request, request.match_info.get("id", ""))


def answer(body: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=json.encode(body), content_type=JSON, headers=NO_STORE)


def unknown_call() -> Problem:
    """No call of this id."""
    return Problem(HTTPStatus.NOT_FOUND, "no call of this id is under way")
