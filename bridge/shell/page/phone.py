"""The phone in the browser: its page, and the calls that it places over the media socket of Twilio's dialect.

    GET  /phone                       the page
    GET  /phone/assistants            {"assistants", "default"}: whom it can call
    POST /phone/calls                 {"assistant"} → {"url", "call_id", "stream_sid", "trace"}; addresses are relative
    GET  /phone/calls/HANDLE/trace    the call so far as a trace, which `replay` plays again

A call may be placed from this machine, and by whoever logged in with a token that can `place`. The page has to be our
own: its origin is checked here, and once more where its browser opens the media socket, whose token is good once.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.observers.call_file import stem
from bridge.observers.trace import SUFFIX
from bridge.shell.admission import Admission
from bridge.shell.handles import new_handle
from bridge.shell.local_requests import is_local
from bridge.shell.page.address import is_local_name
from bridge.shell.page.visitor import Visitor
from bridge.shell.session import clock
from bridge.vocabulary.message_rate import MessageRate

CARRIER = "twilio"
"""Whose dialect the phone speaks."""

PAGE = "phone/index.html"

RETURNS_S = 10.0
"""How long the phone may take to come back where its network was cut."""

CALLS_PER_S, CALLS_AT_ONCE = 0.5, 10
"""The most calls that are placed on one server; see `MessageRate`."""

RETRY_AFTER_S = 2

COMPLETE_S = 3.0
"""How long the end of a call's trace is waited for."""

NO_STORE = {"Cache-Control": "no-store"}

PLACE = "place"
"""What a token must allow."""

_HANDLE = re.compile(r"[0-9a-f]{8}-([0-9a-f]{32})")


class Pages(Protocol):
    """What the phone needs of the page beside which it stands."""

    def visitor(self, request: web.Request) -> Visitor | None:
        """Who asks; None: nobody who may see the page."""
        ...

    def answer_page(self, request: web.Request, path: str) -> web.Response:
        """A page, or the form to log in."""
        ...


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    assistant: str = ""


class Phone:
    """The phones of one server. `now`: seconds."""

    def __init__(self, pages: Pages, admission: Admission, now: Callable[[], float] = clock) -> None:
        self._pages = pages
        self._admission = admission
        self._now = now
        self._rate = MessageRate(CALLS_PER_S, CALLS_AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get("/phone", self._page),
            web.get("/phone/assistants", self._assistants),
            web.post("/phone/calls", self._place),
            web.get("/phone/calls/{handle}/trace", self._trace),
        ]

    async def _page(self, request: web.Request) -> web.Response:
        return self._pages.answer_page(request, PAGE)

    async def _assistants(self, request: web.Request) -> web.Response:
        self._check_caller(request)
        settings = self._admission.setups.current.settings
        told = {"assistants": list(settings.assistant_kinds), "default": settings.assistant}
        return web.json_response(told, headers=NO_STORE)

    async def _place(self, request: web.Request) -> web.Response:
        """Announce a call, and tell where its stream may be opened."""
        self._check_caller(request)
        origin = self._own_origin(request)
        wanted = await _wanted(request)
        if not self._admission.has_assistant(wanted.assistant):
            raise refusal(
                400, f"assistant = {wanted.assistant!r}: unknown: expected a name from the settings"
            )
        if not self._rate.take(1, self._now()):
            raise refusal(429, "too many calls were placed: expected at most one every two seconds")
        handle = new_handle(self._admission.owner)
        call_id = _call_id(handle)
        if why := self._admission.why_refused(CARRIER, call_id):
            raise refusal(503, f"the call is not taken: {why}")
        self._admission.kept_traces.keep(CARRIER, call_id)
        url = self._admission.expect(
            CARRIER,
            ExpectedCall(
                call_id,
                wanted.assistant,
                returns_s=RETURNS_S,
                direction="inbound",
                route="the phone on the page",
                origin=origin,
            ),
        )
        told = {
            "url": url.removeprefix(self._admission.media_url).removeprefix("/"),
            "call_id": call_id,
            "stream_sid": f"MZ{new_handle(self._admission.owner)[-32:]}",
            "trace": f"phone/calls/{handle}/trace",
        }
        return web.json_response(told, headers=NO_STORE)

    async def _trace(self, request: web.Request) -> web.Response:
        """The trace; of a call that is about to end, it is waited for."""
        self._check_caller(request)
        call_id = _call_id(request.match_info["handle"])
        kept = self._admission.kept_traces.find(CARRIER, call_id)
        if kept is None:
            raise refusal(404, "the trace of this call is not kept, or no longer")
        if self._admission.active.with_call(CARRIER, call_id) is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(kept.is_over.wait(), COMPLETE_S)
        if not kept.content:
            raise refusal(404, "the trace of this call is empty: no assistant answered it")
        name = f"{stem(call_id, datetime.now(UTC))}{SUFFIX}"
        return web.Response(
            body=kept.content,
            headers=NO_STORE
            | {
                "Content-Type": "application/x-ndjson",
                "Content-Disposition": f'attachment; filename="{name}"',
            },
        )

    def _check_caller(self, request: web.Request) -> None:
        """Raise 404 or 403 for whoever may place no calls."""
        visitor = self._pages.visitor(request)
        if visitor is None:
            raise web.HTTPNotFound
        is_here = is_local(request.remote or "", request.headers) and is_local_name(request.host)
        if not (is_here or PLACE in visitor.can):
            raise refusal(403, "this token cannot place calls: expected one that can `place`")

    def _own_origin(self, request: web.Request) -> str:
        """The origin of the page that asks, if it is ours. Raises 403 if not, or if there is none."""
        origin = request.headers.get("Origin", "")
        ours = {request.host.lower(), urlsplit(self._admission.public_url).netloc.lower()}
        if urlsplit(origin).netloc.lower() not in ours:
            raise refusal(403, "another site's page asks: expected our own")
        return origin


def refusal(status: int, detail: str) -> web.HTTPException:
    """An answer with a problem (RFC 9457). `detail`: is shown on the page."""
    kinds = {
        400: web.HTTPBadRequest,
        403: web.HTTPForbidden,
        404: web.HTTPNotFound,
        429: web.HTTPTooManyRequests,
        503: web.HTTPServiceUnavailable,
    }
    headers = dict(NO_STORE)
    if status in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    kind = kinds[status]
    text = msgspec.json.encode({"title": kind(text="").reason, "status": status, "detail": detail}).decode()
    return kind(text=text, content_type="application/problem+json", headers=headers)


async def _wanted(request: web.Request) -> _Wanted:
    body = await request.read()
    try:
        return msgspec.json.decode(body or b"{}", type=_Wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise refusal(400, f'{error}: expected {{"assistant": NAME}}') from None


def _call_id(handle: str) -> str:
    """The call of a handle. Raises 404 if it is none."""
    found = _HANDLE.fullmatch(handle)
    if found is None:
        raise refusal(404, "there is no such call")
    return f"CA{found[1]}"
