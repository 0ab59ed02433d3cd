"""The routes of the page: its files, and who is logged in.

    GET /                 the page, or the form to log in
    GET /web/PATH         a file of the page
    GET /session          {"name", "can"} of whoever asks
    POST /session         {"token"}: log in, which sets a cookie
    DELETE /session       log out

Another address than this machine's gets the form and its two files if the server has a token of [control], else nothing.
"""

from http import HTTPStatus

import msgspec
from aiohttp import web

from bridge.shell.page.visitor import COOKIE, PageAccess, Visitor
from bridge.shell.page.web_files import WebFile, web_files

PAGE, LOGIN = "index.html", "login.html"

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

SESSION_S = 12 * 3600
"""How long a login holds."""


class _Login(msgspec.Struct, forbid_unknown_fields=True):
    token: str


class Page:
    """The page of one server."""

    def __init__(self, access: PageAccess) -> None:
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """The routes; other pages beside this one have their own, see `answer_page`."""
        return [
            web.get("/", self._page),
            web.get("/web/{path:.+}", self._file),
            web.get("/session", self._session),
            web.post("/session", self._log_in),
            web.delete("/session", self._log_out),
        ]

    def visitor(self, request: web.Request) -> Visitor | None:
        """Who asks; None: nobody who may see the page."""
        return self._access.visitor(request.remote or "", request.headers)

    def answer_page(self, request: web.Request, path: str) -> web.Response:
        """A page, by its path among the files; the form to log in for whoever may not see it. Raises `HTTPNotFound`."""
        if self.visitor(request) is not None:
            return _answer(web_files()[path], NO_STORE)
        if not self._access.has_tokens:
            raise web.HTTPNotFound
        refused = _answer(web_files()[LOGIN], NO_STORE | {"WWW-Authenticate": "Bearer"})
        refused.set_status(HTTPStatus.UNAUTHORIZED)
        return refused

    async def _page(self, request: web.Request) -> web.Response:
        return self.answer_page(request, PAGE)

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        is_open = path in OPEN_FILES and self._access.has_tokens
        file = web_files().get(path)
        if file is None or path.endswith(".html") or not (is_open or self.visitor(request)):
            raise web.HTTPNotFound
        if file.etag in [tag.strip().removeprefix("W/") for tag in _tags(request)]:
            return web.Response(status=304, headers=HEADERS | ASK_AGAIN | {"ETag": file.etag})
        return _answer(file, ASK_AGAIN | {"ETag": file.etag})

    async def _session(self, request: web.Request) -> web.Response:
        visitor = self.visitor(request)
        if visitor is None:
            raise _refused(self._access)
        return _session(visitor, can_log_in=self._access.has_tokens)

    async def _log_in(self, request: web.Request) -> web.Response:
        if not self._access.has_tokens:
            raise web.HTTPNotFound
        _check_origin(request)
        try:
            login = msgspec.json.decode(await request.read(), type=_Login)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise web.HTTPBadRequest(text=f'{error}: expected {{"token": "…"}}') from error
        entered = self._access.log_in(request.remote or "", login.token)
        if entered is None:
            raise _refused(self._access)
        visitor, session = entered
        answer = _session(visitor, can_log_in=True)
        answer.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https",
        )
        return answer

    async def _log_out(self, request: web.Request) -> web.Response:
        _check_origin(request)
        answer = web.Response(status=204, headers=NO_STORE)
        answer.del_cookie(COOKIE, path="/")
        return answer


def _answer(file: WebFile, more: dict[str, str]) -> web.Response:
    headers = HEADERS | {"Content-Type": file.content_type} | more
    return web.Response(body=file.content, headers=headers)


def _tags(request: web.Request) -> list[str]:
    return request.headers.get("If-None-Match", "").split(",")


def _session(visitor: Visitor, *, can_log_in: bool) -> web.Response:
    told = {"name": visitor.name, "can": sorted(visitor.can), "can_log_in": can_log_in}
    return web.json_response(told, headers=NO_STORE)


def _refused(access: PageAccess) -> web.HTTPException:
    if not access.has_tokens:
        return web.HTTPNotFound()
    return web.HTTPUnauthorized(headers=NO_STORE | {"WWW-Authenticate": "Bearer"})


def _check_origin(request: web.Request) -> None:
    """Raise `HTTPForbidden` if another site's page asks: it does not have our host as its origin."""
    origin = request.headers.get("Origin", "")
    if origin.partition("://")[2].lower() != request.host.lower():
        raise web.HTTPForbidden(text="The request comes from another site's page.")
