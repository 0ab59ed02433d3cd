"""The phone in the browser: its page, and the calls that it places over a media socket, as a carrier does.

    GET  /phone                       the page
    GET  /phone/assistants            {"assistants", "default"}: whom it can call
    POST /phone/calls                 {"assistant"} → {"url", "call_id", "stream_sid", "trace"}; addresses are relative
    GET  /phone/calls/HANDLE/trace    the call so far as a trace, which `replay` plays again

A call may be placed from this machine, and by whoever logged in with a token that can `place`. The page has to be our
own: its origin is checked here, and once more where its browser opens the media socket, whose token is good once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec
from aiohttp import web

from bridge.carriers.registry import PAGE_PHONE
from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.observers.call_file import stem
from bridge.observers.trace import SUFFIX
from bridge.shell.admission import Admission
from bridge.shell.control.access import ControlAccess
from bridge.shell.control.problems import Problem
from bridge.shell.handles import new_handle
from bridge.shell.page.routes import PHONE, Page
from bridge.shell.session import clock
from bridge.vocabulary.message_rate import MessageRate

RETURNS_S = 10.0
"""How long the phone may take to come back where its network was cut."""

CALLS_PER_S, CALLS_AT_ONCE = 0.5, 10
"""The most calls that are placed on one server, and the most traces that are fetched; see `MessageRate`."""

LATER = {"Retry-After": "2"}

COMPLETE_S = 3.0
"""How long the end of a call's trace is waited for."""

NO_STORE = {"Cache-Control": "no-store"}


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    assistant: str = ""


class Phone:
    """The phones of one server, beside its page. `access`: who asks. `now`: seconds."""

    def __init__(
        self, page: Page, access: ControlAccess, admission: Admission, now: Callable[[], float] = clock
    ) -> None:
        self._page = page
        self._access = access
        self._admission = admission
        self._now = now
        self._rate = MessageRate(CALLS_PER_S, CALLS_AT_ONCE)
        self._trace_rate = MessageRate(CALLS_PER_S, CALLS_AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get("/phone", self._answer_page),
            web.get("/phone/assistants", self._answering(self._assistants)),
            web.post("/phone/calls", self._answering(self._place)),
            web.get("/phone/calls/{handle}/trace", self._answering(self._trace)),
        ]

    async def _answer_page(self, request: web.Request) -> web.Response:
        return self._page.answer_page(request, PHONE)

    def _answering(
        self, handle: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A handler for whoever may place calls; problems become answers."""

        async def answer(request: web.Request) -> web.Response:
            try:
                self._check_caller(request)
                return await handle(request)
            except Problem as problem:
                return problem.answer()

        return answer

    async def _assistants(self, request: web.Request) -> web.Response:
        settings = self._admission.setups.current.settings
        told = {"assistants": list(settings.assistant_kinds), "default": settings.assistant}
        return web.json_response(told, headers=NO_STORE)

    async def _place(self, request: web.Request) -> web.Response:
        """Announce a call, and tell where its stream may be opened."""
        origin = self._own_origin(request)
        wanted = await _wanted(request)
        if not self._admission.has_assistant(wanted.assistant):
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"assistant = {wanted.assistant!r}: unknown: expected a name from the settings",
            )
        if not self._rate.take(1, self._now()):
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many calls were placed: expected at most one every two seconds",
                LATER,
            )
        handle, own = new_handle(self._admission.owner), new_handle(self._admission.owner)
        call_id = f"CA{own[-32:]}"
        if why := self._admission.why_refused(PAGE_PHONE, call_id, by_page=True):
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"the call is not taken: {why}", LATER)
        self._admission.kept_traces.keep(PAGE_PHONE, call_id, handle)
        url = self._admission.expect(
            PAGE_PHONE,
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
        if not self._trace_rate.take(1, self._now()):
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too many traces were asked for", LATER)
        handle = request.match_info["handle"]
        kept = self._admission.kept_traces.with_handle(handle) if handle.isascii() else None
        if kept is None:
            raise Problem(HTTPStatus.NOT_FOUND, "the trace of this call is not kept, or no longer")
        call_id = kept.call_id
        if self._admission.active.with_call(PAGE_PHONE, call_id) is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(kept.is_over.wait(), COMPLETE_S)
        if kept.is_empty:
            raise Problem(HTTPStatus.NOT_FOUND, "the trace of this call is empty: no assistant answered it")
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
        """Raise `Problem` for whoever may place no calls."""
        visitor = self._page.visitor(request)
        if visitor is None:
            raise Problem(HTTPStatus.UNAUTHORIZED if self._access.is_on else HTTPStatus.NOT_FOUND)
        if visitor.by != "loopback" and "place" not in visitor.can:
            raise Problem(
                HTTPStatus.FORBIDDEN, "this token may not place calls: its `can` should have 'place'"
            )

    def _own_origin(self, request: web.Request) -> str:
        """The origin of the page that asks. Raises `Problem` if it is not ours, or if there is none."""
        origin = request.headers.get("Origin", "")
        if not self._access.is_own_origin(origin, request.host):
            raise Problem(HTTPStatus.FORBIDDEN, "another site's page asks: expected our own")
        return origin


async def _wanted(request: web.Request) -> _Wanted:
    body = await request.read()
    try:
        return msgspec.json.decode(body or b"{}", type=_Wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f'{error}: expected {{"assistant": NAME}}') from None
