"""The pretend Twilio's shell: the REST API on one port, a task for each stream, each callback and each question.

Base `http://host:port`, as the real one's. What a request does, `exchange` decides.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import aiohttp
import structlog
from aiohttp import web
from msgspec import json
from yarl import URL

from bridge.errors import CallRefused
from bridge.fake_twilio.acts import Act, Ask, EndStream, OpenStream, Received, Request, Tell
from bridge.fake_twilio.calls import Call
from bridge.fake_twilio.exchange import Exchange
from bridge.fake_twilio.faults import Callee, Faults
from bridge.fake_twilio.stream import Media, Stream, silence
from bridge.phone.webhook import CONNECT_TIMEOUT_S, MAX_ANSWER_BYTES, TIMEOUT_S, StreamOrder, signed_headers

CALLER = "+15550199"
CALLED = "+15550100"

PARTING_S = 2.0
"""A phone whose stream was ended is let go after this."""

log = structlog.get_logger()


class Sent(NamedTuple):
    """A callback, or a question for TwiML. `status`: None where no answer came in time."""

    act: Tell | Ask
    status: int | None
    answer: bytes


class FakeTwilio:
    """The server. Enter `running` to open the port. `media` carries the streams."""

    def __init__(
        self,
        media: Media = silence,
        *,
        account_sid: str = "AC" + "0" * 32,
        auth_token: str = "token_pretend",  # noqa: S107 - protects nothing
        host: str = "127.0.0.1",
        port: int = 0,
        callee: Callee = Callee(),  # noqa: B008 - frozen
        faults: Faults = Faults(),  # noqa: B008 - frozen
    ) -> None:
        self.port = port
        """The port that is open; the system's choice where 0 was asked for."""
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.sent: list[Sent] = []
        """Every callback and every question, in order."""
        self.exchange = Exchange(account_sid, auth_token, callee=callee, faults=faults)
        self._host = host
        self._media = media
        self._streams: dict[str, Stream] = {}
        self._last: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = asyncio.Event()
        self._news = asyncio.Event()
        self._http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """What a client has instead of https://api.twilio.com."""
        return f"http://{self._host}:{self.port}"

    @property
    def requests(self) -> list[Received]:
        """Every request, in order."""
        return self.exchange.requests

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeTwilio"]:
        """The port is open inside. What a task of ours failed with is raised at the end."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as self._http:
            try:
                await web.TCPSite(runner, self._host, self.port).start()
                self.port = runner.addresses[0][1]
                yield self
            finally:
                self._closing.set()
                await runner.cleanup()
                await self._stop()

    def ring(self, webhook_url: str, *, caller: str = CALLER, called: str = CALLED) -> Call:
        """Someone calls a number with this voice webhook, and what its TwiML says is done."""
        call, acts = self.exchange.ring(caller, called, webhook_url, time.time())
        self._perform(acts)
        return call

    def hang_up(self, call: Call) -> None:
        """The other party hangs up."""
        self._perform(self.exchange.hang_up(call, time.time()))

    async def requested(self, name: str, times: int = 1) -> Received:
        """The request of this name, `create` or `update` and so on, that makes it so many."""
        while len(found := [request for request in self.requests if request.name == name]) < times:
            await self._news.wait()
        return found[times - 1]

    async def told(self, times: int = 1, **fields: str) -> Sent:
        """The callback or question with these fields that makes it so many."""
        while len(found := [one for one in self.sent if fields.items() <= one.act.form.items()]) < times:
            await self._news.wait()
        return found[times - 1]

    async def over(self, call: Call) -> Call:
        """The call, once it and its stream have ended and all was told."""
        while not (call.over and call.order is None and self._all_told(call)):
            await self._news.wait()
        return call

    def _all_told(self, call: Call) -> bool:
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
            asked = Request(
                name,
                request.match_info["account"],
                request.headers.get("Authorization"),
                tuple(parse_qsl(form, keep_blank_values=True)),
                request.match_info.get("call", ""),
            )
            answer = self.exchange.ask(asked, time.time())
            log.info("< twilio request", request=name, status=answer.status)
            self._perform(answer.acts)
            if answer.silent:
                await self._closing.wait()
            if isinstance(answer.body, str):
                return web.Response(text=answer.body, status=answer.status, content_type="text/html")
            body = json.encode(answer.body)
            return web.Response(body=body, status=answer.status, content_type="application/json")

        return answer

    def _perform(self, acts: list[Act]) -> None:
        for act in acts:
            match act:
                case Tell():
                    call = act.form["CallSid"]
                    self._last[call] = self._spawn(self._tell(act, self._last.get(call)))
                case Ask(call_sid):
                    self._spawn(self._ask(self.exchange.calls[call_sid], act))
                case OpenStream(call_sid, order):
                    self._open(self.exchange.calls[call_sid], order)
                case EndStream(call_sid):
                    self._streams[call_sid].ended.set()
        self._tell_news()
        self._arm()

    async def _tell(self, act: Tell, before: asyncio.Task[None] | None) -> None:
        """After the callbacks of this call that came before."""
        if before is not None:
            await asyncio.wait([before])
        await self._send(act)

    async def _ask(self, call: Call, act: Ask) -> None:
        sent = await self._send(act)
        now = time.time()
        if sent.status == 200:
            self._perform(self.exchange.twiml_came(call, sent.answer, act.url, now))
        else:
            why = "nothing in time" if sent.status is None else f"HTTP {sent.status}"
            self._perform(self.exchange.twiml_failed(call, f"the webhook answered {why}", now))

    async def _send(self, act: Tell | Ask) -> Sent:
        """Signed; a form goes into the body, or with GET into the address."""
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
            pass  # as good as no answer
        sent = Sent(act, status, answer)
        self.sent.append(sent)
        log.info("> twilio webhook", kind=type(act).__name__, status=status)
        self._tell_news()
        return sent

    def _open(self, call: Call, order: StreamOrder) -> None:
        def opened(stream_sid: str) -> None:
            self._perform(self.exchange.stream_opened(call, stream_sid, time.time()))

        self._streams[call.sid] = stream = Stream(order, call.sid, call.account_sid, opened)
        self._spawn(self._carry(call, stream))

    async def _carry(self, call: Call, stream: Stream) -> None:
        try:
            hung_up = await self._until_ended(stream)
        except CallRefused as refused:
            acts = self.exchange.stream_failed(call, str(refused), time.time())
        else:
            acts = self.exchange.stream_over(call, time.time(), hung_up=hung_up)
        del self._streams[call.sid]
        self._perform(acts)

    async def _until_ended(self, stream: Stream) -> bool:
        """What `media` returns; once the stream is ended, it has a short while left."""

        async def part() -> None:
            await stream.ended.wait()
            await asyncio.sleep(PARTING_S)

        carried = asyncio.ensure_future(self._media(stream))
        parted = asyncio.ensure_future(part())
        try:
            await asyncio.wait({carried, parted}, return_when=asyncio.FIRST_COMPLETED)
            return await carried if carried.done() else False
        finally:
            for task in (carried, parted):
                task.cancel()
            await asyncio.wait({carried, parted})

    def _wake(self) -> None:
        self._perform(self.exchange.due(time.time()))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.exchange.deadline()
        if deadline is not None and not self._closing.is_set():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, deadline - time.time()), self._wake)

    def _tell_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        """Unless it failed: that is told at the end."""
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)

    async def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
