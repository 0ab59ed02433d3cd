"""Runs the simulated Twilio: its REST API, its media streams, its callbacks and its requests for TwiML.

Paths are those of api.twilio.com. `account` decides what a request does, `rest_server` runs the port and the tasks.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import aiohttp
import structlog
from aiohttp import web
from msgspec import json
from yarl import URL

from bridge.simulators.carriers.rest_server import CALLED, CALLER, RestServer
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
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee, TwilioFaults
from bridge.simulators.carriers.twilio.stream_session import CarryStream, TwilioStreamSession, silence
from bridge.simulators.carriers.twilio.voice_webhook import signed_headers
from bridge.simulators.carriers.voice_xml import (
    CONNECT_TIMEOUT_S,
    MAX_ANSWER_BYTES,
    TIMEOUT_S,
    StreamElement,
)

log = structlog.get_logger()


class SentWebhook(NamedTuple):
    """A callback or a request for TwiML that was sent. `status`: None if no answer came in time."""

    act: SendCallback | FetchTwiml
    status: int | None
    answer: bytes


class SimulatedTwilio:
    """A simulated Twilio with one account. Enter `running` to open its port.

    `media`: carries the streams. `callee`: who answers the calls that are created. `faults`: those to inject.
    """

    def __init__(
        self,
        media: CarryStream = silence,
        *,
        account_sid: str = "AC" + "0" * 32,
        auth_token: str = "token_simulated",  # noqa: S107 - protects nothing
        host: str = "127.0.0.1",
        port: int = 0,
        callee: TwilioCallee = TwilioCallee(),  # noqa: B008 - frozen
        faults: TwilioFaults = TwilioFaults(),  # noqa: B008 - frozen
    ) -> None:
        self.port = port
        """The port that is open; if 0 was asked for, the one that the system chose."""
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.sent: list[SentWebhook] = []
        """Every callback and every request for TwiML, in order."""
        self.account = TwilioAccount(account_sid, auth_token, callee=callee, faults=faults)
        self._host = host
        self._rest = RestServer(self.account, media, self._perform)
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

    def ring(self, webhook_url: str, *, caller: str = CALLER, called: str = CALLED) -> TwilioCall:
        """Somebody calls a number with this voice webhook: obey its TwiML."""
        call, actions = self.account.ring(caller, called, webhook_url, time.time())
        self._rest.perform(actions)
        return call

    def hang_up(self, call: TwilioCall) -> None:
        """The other party hangs up."""
        self._rest.perform(self.account.hang_up(call, time.time()))

    async def requested(self, name: str, times: int = 1) -> ReceivedRequest:
        """Wait for the request number `times` (from 1) of this name: `create`, `update`, `fetch` or `list`."""
        return await self._rest.changes.nth(times, self.requests, lambda request: request.name == name)

    async def told(self, times: int = 1, **fields: str) -> SentWebhook:
        """Wait for number `times` (from 1) of the callbacks and requests for TwiML with these form fields."""
        return await self._rest.changes.nth(
            times, self.sent, lambda one: fields.items() <= one.act.form.items()
        )

    async def over(self, call: TwilioCall) -> TwilioCall:
        """Wait until the call and its stream have ended and all its callbacks were sent."""
        await self._rest.changes.until(
            lambda: call.over and call.stream is None and self._has_no_callbacks_left(call)
        )
        return call

    def _has_no_callbacks_left(self, call: TwilioCall) -> bool:
        return call.sid not in self._last or self._last[call.sid].done()

    def _application(self) -> web.Application:
        app = web.Application()
        calls = "/2010-04-01/Accounts/{account}/Calls"
        app.add_routes(
            [
                web.post(f"{calls}.json", self._answer("create")),
                web.get(f"{calls}.json", self._answer("list")),
                web.post(f"{calls}/{{call}}.json", self._answer("update")),
                web.get(f"{calls}/{{call}}.json", self._answer("fetch")),
            ]
        )
        return app

    def _answer(self, name: str) -> Any:
        async def answer(request: web.Request) -> web.Response:
            form = request.query_string if request.method == "GET" else (await request.read()).decode()
            asked = TwilioRequest(
                name,
                request.match_info["account"],
                request.headers.get("Authorization"),
                tuple(parse_qsl(form, keep_blank_values=True)),
                request.match_info.get("call", ""),
            )
            answer = self.account.ask(asked, time.time())
            log.info("< twilio request", request=name, status=answer.status)
            self._rest.perform(answer.actions)
            if answer.silent:
                await self._rest.closing.wait()
            if isinstance(answer.body, str):
                return web.Response(text=answer.body, status=answer.status, content_type="text/html")
            body = json.encode(answer.body)
            return web.Response(body=body, status=answer.status, content_type="application/json")

        return answer

    def _perform(self, act: Action) -> None:
        match act:
            case SendCallback():
                call = act.form["CallSid"]
                self._last[call] = self._rest.spawn(self._tell(act, self._last.get(call)))
            case FetchTwiml(call_sid):
                self._rest.spawn(self._ask(self.account.calls[call_sid], act))
            case OpenStream(call_sid, wanted):
                self._open_stream(self.account.calls[call_sid], wanted)
            case EndStream(call_sid):
                self._rest.streams[call_sid].ended.set()

    async def _tell(self, act: SendCallback, before: asyncio.Task[None] | None) -> None:
        """Send a callback, after those that came before it for the same call."""
        if before is not None:
            await asyncio.wait([before])
        await self._send(act)

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
        try:
            async with self._http.request(
                act.method,
                URL(url, encoded=True),
                data=form or None,
                headers=signed_headers(url, form, self.auth_token),
                allow_redirects=False,
            ) as response:
                answer = await response.content.read(MAX_ANSWER_BYTES)
                status = response.status
        except (TimeoutError, aiohttp.ClientError):
            pass  # recorded as no answer
        sent = SentWebhook(act, status, answer)
        self.sent.append(sent)
        log.info("> twilio webhook", kind=type(act).__name__, status=status)
        self._rest.changes.notify()
        return sent

    def _open_stream(self, call: TwilioCall, wanted: StreamElement) -> None:
        def opened(stream_sid: str) -> None:
            self._rest.perform(self.account.stream_opened(call, stream_sid, time.time()))

        self._rest.carry(call.sid, call, TwilioStreamSession(wanted, call.sid, call.account_sid, opened))
