"""The routes of the page: its files, and who is logged in.

    GET /                 the page, or the form to log in
    GET /web/PATH         a file of the page
    GET /login            the form to log in, for whoever sees the page without a token
    GET /session          {"name", "can", …} of whoever asks
    POST /session         {"token"}: log in, which sets a cookie
    DELETE /session       log out

Another address than this machine's gets the form and its two files if the server has a token of [control], else nothing.
"""

import time
from collections.abc import Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from bridge.carriers.registry import CARRIERS
from bridge.config.settings import Settings
from bridge.shell.control.access import COOKIE, SESSION_S, Visitor
from bridge.shell.control.guard import Guard
from bridge.shell.page.web_files import WebFile, web_files

PAGE, LOGIN, PHONE = "index.html", "login.html", "phone/index.html"

OPEN_FILES = frozenset({"style.css", "login.js"})
"""What the form to log in needs."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "media-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NO_STORE = {"Cache-Control": "no-store"}
ASK_AGAIN = {"Cache-Control": "no-cache"}
"""Kept by the browser, which asks each time whether it is still the same."""

unix_clock = time.time


class _Login(msgspec.Struct, forbid_unknown_fields=True):
    token: str


class Page:
    """The page of one server. `settings`: returns those that hold for new calls."""

    def __init__(self, guard: Guard, settings: Callable[[], Settings]) -> None:
        self._guard = guard
        self._access = guard.access
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        """The routes; other pages beside this one have their own, see `answer_page`."""
        return [
            web.get("/", self._page),
            web.get("/login", self._login),
            web.get("/web/{path:.+}", self._file),
            web.get("/session", self._session),
            web.post("/session", self._log_in),
            web.delete("/session", self._log_out),
        ]

    def visitor(self, request: web.Request) -> Visitor | None:
        """Who asks; None: nobody who may see the page."""
        visitor = self._access.visitor(request.remote or "", request.headers, unix_clock())
        return visitor if visitor is not None and "see" in visitor.can else None

    def answer_page(self, request: web.Request, path: str) -> web.Response:
        """A page, by its path among the files; the form to log in for whoever may not see it. Raises `HTTPNotFound`."""
        if self.visitor(request) is not None:
            return _answer(web_files()[path], NO_STORE)
        if not self._access.is_on:
            raise web.HTTPNotFound
        refused = _answer(web_files()[LOGIN], NO_STORE | {"WWW-Authenticate": "Bearer"})
        refused.set_status(HTTPStatus.UNAUTHORIZED)
        return refused

    async def _page(self, request: web.Request) -> web.Response:
        return self.answer_page(request, PAGE)

    async def _login(self, request: web.Request) -> web.Response:
        if not self._access.is_on:
            raise web.HTTPNotFound
        return _answer(web_files()[LOGIN], NO_STORE)

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        is_open = path in OPEN_FILES and self._access.is_on
        file = web_files().get(path)
        if file is None or path.endswith(".html") or not (is_open or self.visitor(request)):
            raise web.HTTPNotFound
        if file.etag in [tag.strip().removeprefix("W/") for tag in _tags(request)]:
            return web.Response(status=304, headers=HEADERS | ASK_AGAIN | {"ETag": file.etag})
        return _answer(file, ASK_AGAIN | {"ETag": file.etag})

    async def _session(self, request: web.Request) -> web.Response:
        visitor = self.visitor(request)
        if visitor is None:
            raise self._refused()
        return web.json_response(self._told(visitor), headers=NO_STORE)

    async def _log_in(self, request: web.Request) -> web.Response:
        if not self._access.is_on:
            raise web.HTTPNotFound
        self._check_origin(request)
        try:
            login = msgspec.json.decode(await request.read(), type=_Login)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise web.HTTPBadRequest(text=f'{error}: expected {{"token": "…"}}') from error
        session = self._access.log_in(login.token, unix_clock())
        if session is None:
            return self._guard.stranger(request.remote or "").answer()
        answer = web.Response(status=HTTPStatus.NO_CONTENT, headers=NO_STORE)
        is_secure = request.secure or request.headers.get("Origin", "").startswith("https:")
        answer.set_cookie(
            COOKIE,
            session,
            max_age=int(SESSION_S),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=is_secure,
        )
        return answer

    async def _log_out(self, request: web.Request) -> web.Response:
        self._check_origin(request)
        answer = web.Response(status=HTTPStatus.NO_CONTENT, headers=NO_STORE)
        answer.del_cookie(COOKIE, path="/")
        return answer

    def _told(self, visitor: Visitor) -> dict[str, object]:
        settings = self._settings()
        return {
            "name": visitor.name,
            "can": sorted(visitor.can),
            "by": visitor.by,
            "can_log_in": self._access.is_on,
            "has_phone": settings.control.port is None and PHONE in web_files(),
            "carriers": sorted(CARRIERS),
            "assistants": sorted(settings.assistants),
            "people": sorted(settings.people),
            "supervisors": sorted(settings.supervisors),
        }

    def _refused(self) -> web.HTTPException:
        if not self._access.is_on:
            return web.HTTPNotFound()
        return web.HTTPUnauthorized(headers=NO_STORE | {"WWW-Authenticate": "Bearer"})

    def _check_origin(self, request: web.Request) -> None:
        """Raise `HTTPForbidden` if another site's page asks."""
        headers = request.headers
        if not self._access.is_own_origin(headers.get("Origin", ""), headers.get("Host", "")):
            raise web.HTTPForbidden(text="The request comes from another site's page.")


def _answer(file: WebFile, more: dict[str, str]) -> web.Response:
    headers = HEADERS | {"Content-Type": file.content_type} | more
    return web.Response(body=file.content, headers=headers)


def _tags(request: web.Request) -> list[str]:
    return request.headers.get("If-None-Match", "").split(",")
