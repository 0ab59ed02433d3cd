"""Runs the simulated Twilio: its REST API, its media streams, its callbacks and its requests for TwiML.

Paths are those of api.twilio.com. `account` decides what a request does, `rest_server` runs the port and the tasks.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import aiohttp
import structlog
from aiohttp import web
from msgspec import json
from yarl import URL

from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import CALLED, CALLER
from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.rest_server import RestServer
from bridge.simulators.carriers.room import Audible
from bridge.simulators.carriers.twilio.account import TwilioAccount
from bridge.simulators.carriers.twilio.actions import (
    Action,
    EndStream,
    FetchTwiml,
    OpenStream,
    ReceivedRequest,
    SendCallback,
    TwilioRequest,
)
from bridge.simulators.carriers.twilio.calls import TwilioCall
from bridge.simulators.carriers.twilio.dialect import TWIML, DocumentDialect
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee, TwilioFaults
from bridge.simulators.carriers.twilio.stream_session import CarryStream, TwilioStreamSession, silence
from bridge.simulators.carriers.voice_xml import (
    CONNECT_TIMEOUT_S,
    MAX_ANSWER_BYTES,
    TIMEOUT_S,
    StreamElement,
)
from bridge.simulators.changes import Changes

log = structlog.get_logger()

ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "token_simulated"  # noqa: S105 - protects nothing
"""The credentials of the account, unless others are given."""

ROUTES = {
    "twilio": ("/2010-04-01/Accounts/{account}*.json",),
    "telnyx": ("/v2/texml/Accounts/{account}*",),
}
"""Where an account's resources are, and after the star what their paths end with."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class SentWebhook(NamedTuple):
    """A callback or a request for TwiML that was sent. `status`: None if no answer came in time."""

    act: SendCallback | FetchTwiml
    status: int | None
    answer: bytes


class SimulatedTwilio:
    """A simulated Twilio with one account. Enter `running` to open its port.

    `media`: carries the streams. `callee`: who answers the calls that are created, unless `callees` has their number.
    `faults`: those to inject. `dialect`: TeXML's for the calls of a Telnyx account. `heard`: is told who hears whom.
    `api_log`: of requests and webhooks. `rehearsal`: webhooks are passed on as a proxy of the server would.
    """

    def __init__(
        self,
        media: CarryStream = silence,
        *,
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
        host: str = "127.0.0.1",
        port: int = 0,
        callee: TwilioCallee = TwilioCallee(),  # noqa: B008 - frozen
        faults: TwilioFaults = TwilioFaults(),  # noqa: B008 - frozen
        callees: Mapping[str, TwilioCallee] | None = None,
        dialect: DocumentDialect = TWIML,
        heard: Callable[[Audible], None] = lambda _: None,
        api_log: ApiLog | None = None,
        rehearsal: Rehearsal | None = None,
    ) -> None:
        self.port = port
        """The port that is open; if 0 was asked for, the one that the system chose."""
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.sent: list[SentWebhook] = []
        """Every callback and every request for TwiML, in order."""
        self.account = TwilioAccount(
            account_sid, auth_token, callee=callee, faults=faults, callees=callees, dialect=dialect
        )
        self.api_log = api_log or ApiLog()
        self._dialect = dialect
        self._rehearsal = rehearsal
        self._host = host
        self._rest = RestServer(self.account, media, self._perform, lambda: heard(self.account.audible()))
        self._last: dict[str, asyncio.Task[None]] = {}
        self._http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """The URL that a client uses instead of https://api.twilio.com."""
        return f"http://{self._host}:{self.port}"

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every request that came, in order."""
        return self.account.requests

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SimulatedTwilio"]:
        """Keep the port open. An exception in a task is raised at the end."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as self._http,
            self._rest.running(self._application(), self._host, self.port) as self.port,
        ):
            yield self

    def ring(
        self, webhook_url: str, *, caller: str = CALLER, called: str = CALLED, status_url: str = ""
    ) -> TwilioCall:
        """Somebody calls a number with this voice webhook and, if given, status callback: obey its TwiML."""
        now = time.time()
        call, actions = self.account.ring(caller, called, webhook_url, now, status_url=status_url)
        self._rest.perform(actions)
        return call

    def hang_up(self, call: TwilioCall) -> None:
        """The other party hangs up."""
        self._rest.perform(self.account.hang_up(call, time.time()))

    async def requested(self, name: str, times: int = 1) -> ReceivedRequest:
        """Wait for the request number `times` (from 1) of this name, one of `REQUESTS`."""
        return await self._rest.changes.nth(times, self.requests, lambda request: request.name == name)

    async def told(self, times: int = 1, **fields: str) -> SentWebhook:
        """Wait for number `times` (from 1) of the callbacks and requests for TwiML with these form fields."""
        return await self._rest.changes.nth(
            times, self.sent, lambda one: fields.items() <= one.act.form.items()
        )

    async def over(self, call: TwilioCall) -> TwilioCall:
        """Wait until the call and its stream have ended and all its callbacks were sent."""
        await self._rest.changes.until(lambda: self.is_done(call))
        return call

    def is_done(self, call: TwilioCall) -> bool:
        """Whether the call and its stream have ended and all its callbacks were sent."""
        return call.over and call.stream is None and self._has_no_callbacks_left(call)

    def has_told_all(self) -> bool:
        """Whether no callback is on its way."""
        return all(task.done() for task in self._last.values())

    @property
    def changes(self) -> Changes:
        """Notified after whatever happens."""
        return self._rest.changes

    def _has_no_callbacks_left(self, call: TwilioCall) -> bool:
        return call.sid not in self._last or self._last[call.sid].done()

    async def failed(self) -> None:
        """Wait until a task of this server has failed; `running` then raises its exception."""
        await self._rest.failed.wait()

    def _application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            web.route(method, path, self._answer(name))
            for base in ROUTES[self._dialect.name]
            for name, method, path in _routes(base)
        )
        return app

    def _answer(self, name: str) -> Any:
        async def answer(request: web.Request) -> web.Response:
            asked = TwilioRequest(
                name,
                request.match_info["account"],
                request.headers.get("Authorization"),
                _fields(request, await request.read()),
                request.match_info.get("call", ""),
                request.match_info.get("conference", ""),
            )
            answer = self.account.ask(asked, time.time())
            log.info("< twilio request", request=name, status=answer.status)
            self._note_request(asked, answer.status, answer.silent)
            self._rest.perform(answer.actions)
            if answer.silent:
                await self._rest.closing.wait()
            if answer.body is None:
                return web.Response(status=answer.status)
            if isinstance(answer.body, str):
                return web.Response(text=answer.body, status=answer.status, content_type="text/html")
            is_refused = answer.status >= HTTPStatus.BAD_REQUEST
            body = json.encode(self._dialect.refusal(answer.body) if is_refused else answer.body)
            return web.Response(body=body, status=answer.status, content_type="application/json")

        return answer

    def _note_request(self, asked: TwilioRequest, status: int, silent: bool) -> None:
        self.api_log.note(
            "request",
            name=asked.name,
            call=asked.call_sid,
            conference=asked.conference,
            fields=_by_name(asked.fields),
            status=None if silent else status,
        )

    def _perform(self, act: Action) -> None:
        match act:
            case SendCallback():
                name = act.form.get("ConferenceSid") or act.form["CallSid"]
                self._last[name] = self._rest.spawn(self._tell(act, self._last.get(name)))
            case FetchTwiml(call_sid):
                self._rest.spawn(self._ask(self.account.calls[call_sid], act))
            case OpenStream(call_sid, wanted, beside):
                self._open_stream(self.account.calls[call_sid], wanted, beside)
            case EndStream(call_sid, beside):
                if (stream := self._rest.streams.get(_stream_name(call_sid, beside))) is not None:
                    stream.ended.set()

    async def _tell(self, act: SendCallback, before: asyncio.Task[None] | None) -> None:
        """Send a callback, after those that came before it for the same call."""
        if before is not None:
            await asyncio.wait([before])
        await self._send(act)
        asyncio.get_running_loop().call_soon(self._rest.changes.notify)  # once this task is done

    async def _ask(self, call: TwilioCall, act: FetchTwiml) -> None:
        sent = await self._send(act)
        now = time.time()
        if sent.status == 200:
            self._rest.perform(self.account.twiml_came(call, sent.answer, act.url, now))
        else:
            why = "nothing in time" if sent.status is None else f"HTTP {sent.status}"
            self._rest.perform(self.account.twiml_failed(call, f"the webhook answered {why}", now))

    async def _send(self, act: SendCallback | FetchTwiml) -> SentWebhook:
        """Send a form, signed, in the body or with GET in the URL."""
        url, form = act.url.partition("#")[0], dict(act.form)
        if act.method == "GET":
            url, form = f"{url}{'&' if '?' in url else '?'}{urlencode(form)}", {}
        status, answer = None, b""
        rehearsal, began = self._rehearsal, time.monotonic()
        headers = self._dialect.headers(url, form, self.auth_token, time.time())
        try:
            async with self._http.request(
                act.method,
                URL(rehearsal.called(url) if rehearsal else url, encoded=True),
                data=urlencode(form).encode() if form else None,
                headers=FORM | headers | (rehearsal.headers if rehearsal else {}),
                ssl=(rehearsal.tls if rehearsal else None) or True,
                allow_redirects=False,
            ) as response:
                answer = await response.content.read(MAX_ANSWER_BYTES)
                status = response.status
        except (TimeoutError, aiohttp.ClientError):
            pass  # recorded as no answer
        sent = SentWebhook(act, status, answer)
        self.sent.append(sent)
        self.api_log.note(
            "webhook",
            url=act.url,
            fields=dict(act.form),
            status=status,
            answer=answer.decode(errors="replace"),
            took_ms=round((time.monotonic() - began) * 1000, 1),
        )
        log.info("> twilio webhook", kind=type(act).__name__, status=status)
        self._rest.changes.notify()
        return sent

    def _open_stream(self, call: TwilioCall, wanted: StreamElement, beside: bool) -> None:
        def opened(stream_sid: str) -> None:
            if not beside:
                self._rest.perform(self.account.stream_opened(call, stream_sid, time.time()))

        name = _stream_name(call.sid, beside)
        session = TwilioStreamSession(wanted, call.sid, call.account_sid, opened)
        if beside:
            self._rest.carry_beside(name, session)
        else:
            self._rest.carry(name, call, session)


def _fields(request: web.Request, body: bytes) -> tuple[tuple[str, str], ...]:
    """The fields of a request, as names and texts: of the query, of a form, or of a JSON object, as Telnyx takes."""
    if request.method == "GET":
        return tuple(parse_qsl(request.query_string, keep_blank_values=True))
    if request.content_type != "application/json":
        return tuple(parse_qsl(body.decode(), keep_blank_values=True))
    given = json.decode(body or b"{}", type=dict[str, Any])
    return tuple((name, _text(value)) for name, value in given.items() if value is not None)


def _by_name(fields: tuple[tuple[str, str], ...]) -> dict[str, str | list[str]]:
    """The fields as an object; one that was given several times has a list."""
    values = {name: [value for one, value in fields if one == name] for name, _ in fields}
    return {name: given if len(given) > 1 else given[0] for name, given in values.items()}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stream_name(call_sid: str, beside: bool) -> str:
    return f"{call_sid}/beside" if beside else call_sid


def _routes(base: str) -> Iterator[tuple[str, str, str]]:
    """Name, method and path of each kind of request. `base`: the path of the account, and the end of each path."""
    account, _, end = base.partition("*")
    calls, rooms = f"{account}/Calls", f"{account}/Conferences"
    room = f"{rooms}/{{conference}}"
    people = f"{room}/Participants"
    yield from (
        ("create", "POST", f"{calls}{end}"),
        ("list", "GET", f"{calls}{end}"),
        ("update", "POST", f"{calls}/{{call}}{end}"),
        ("fetch", "GET", f"{calls}/{{call}}{end}"),
        ("conferences", "GET", f"{rooms}{end}"),
        ("conference", "GET", f"{room}{end}"),
        ("end_conference", "POST", f"{room}{end}"),
        ("participants", "GET", f"{people}{end}"),
        ("add_participant", "POST", f"{people}{end}"),
        ("participant", "GET", f"{people}/{{call}}{end}"),
        ("update_participant", "POST", f"{people}/{{call}}{end}"),
        ("remove_participant", "DELETE", f"{people}/{{call}}{end}"),
    )
