"""The pretend Telnyx's shell: the REST API on one port, a task for each media stream and each webhook, one timer.

Base `http://host:port/v2`, as the real one's. What a request does, `exchange` decides.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from msgspec import json

from bridge.errors import CallRefused
from bridge.fake_telnyx.acts import Act, AnswerStream, Command, EndStream, OpenStream, Request, Tell
from bridge.fake_telnyx.calls import Call, State
from bridge.fake_telnyx.checks import COMMANDS, NOT_FOUND, Refusal
from bridge.fake_telnyx.delivery import Deliveries, Delivery
from bridge.fake_telnyx.exchange import Exchange
from bridge.fake_telnyx.faults import Callee, Faults
from bridge.fake_telnyx.stream import Media, Stream, StreamOrder, silence
from bridge.fake_telnyx.webhooks import TEST_SEED, Signer

CALLER = "+15550199"
CALLED = "+15550100"

PARTING_S = 2.0
"""A phone whose stream was ended is let go after this."""

ACTIONS = "|".join(name for name in COMMANDS if name != "dial")

log = structlog.get_logger()


class FakeTelnyx:
    """The server. Enter `running` to open the port. `media` carries the streams; `webhook_url` is the connection's."""

    def __init__(
        self,
        media: Media = silence,
        *,
        api_key: str = "KEY_pretend",
        webhook_url: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        codec: str = "PCMU",
        callee: Callee = Callee(),  # noqa: B008 - frozen
        faults: Faults = Faults(),  # noqa: B008 - frozen
        seed: str = TEST_SEED,
        webhook_timeout_s: float = 2.0,
        webhook_attempts: int = 3,
    ) -> None:
        self.port = port
        """The port that is open; the system's choice where 0 was asked for."""
        self.api_key = api_key
        self.deliveries: list[Delivery] = []
        """Every try to deliver a webhook, in order."""
        self.exchange = Exchange(api_key, webhook_url=webhook_url, codec=codec, callee=callee, faults=faults)
        self._host = host
        self._media = media
        self._signer = Signer(seed)
        self._post = Deliveries(
            self._signer,
            faults,
            self._spawn,
            self._tried,
            timeout_s=webhook_timeout_s,
            attempts=webhook_attempts,
        )
        self._streams: dict[str, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = asyncio.Event()
        self._news = asyncio.Event()
        self._http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """What a client has for its `base_url`."""
        return f"http://{self._host}:{self.port}/v2"

    @property
    def public_key(self) -> str:
        """What checks its webhooks."""
        return self._signer.public_key

    @property
    def commands(self) -> list[Command]:
        """Every request, in order."""
        return self.exchange.commands

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeTelnyx"]:
        """The port is open inside. What a task of ours failed with is raised at the end."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        async with aiohttp.ClientSession() as self._http:
            try:
                await web.TCPSite(runner, self._host, self.port).start()
                self.port = runner.addresses[0][1]
                yield self
            finally:
                self._closing.set()
                await runner.cleanup()
                await self._stop()

    def ring(self, webhook_url: str = "", *, caller: str = CALLER, called: str = CALLED) -> Call:
        """Someone calls; the webhook is told, and what the server commands is done."""
        call, acts = self.exchange.ring(caller, called, time.time(), webhook_url=webhook_url)
        self._perform(acts)
        return call

    def hang_up(self, call: Call) -> None:
        """The other party hangs up."""
        self._perform(self.exchange.hang_up(call, time.time()))

    async def commanded(self, name: str, times: int = 1) -> Command:
        """The request of this name, `dial` or `answer` and so on, that makes it so many."""
        while len(found := [command for command in self.commands if command.name == name]) < times:
            await self._news.wait()
        return found[times - 1]

    async def told(self, kind: str, times: int = 1) -> Delivery:
        """The webhook of this kind, delivered or given up, that makes it so many."""
        while len(found := [one for one in self.deliveries if one.last and one.kind == kind]) < times:
            await self._news.wait()
        return found[times - 1]

    async def over(self, call: Call) -> Call:
        """The call, once it has ended and its last webhook was delivered or given up."""
        while not (call.state is State.ENDED and self._is_told_of(call)):
            await self._news.wait()
        return call

    def _is_told_of(self, call: Call) -> bool:
        if not call.webhook_url:
            return True
        name = call.call_control_id
        return any(
            one.last and one.kind == "call.hangup" and one.event["payload"]["call_control_id"] == name
            for one in self.deliveries
        )

    def _application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/v2/calls", self._ask),
                web.get("/v2/calls/{call}", self._ask),
                web.post(f"/v2/calls/{{call}}/actions/{{command:{ACTIONS}}}", self._ask),
                web.route("*", "/{other:.*}", _nothing_there),
            ]
        )
        return app

    async def _ask(self, request: web.Request) -> web.Response:
        named = request.match_info
        command = named.get("command") or ("status" if "call" in named else "dial")
        body = await request.read()
        asked = Request(command, request.headers.get("Authorization"), body, named.get("call", ""))
        answer = self.exchange.ask(asked, time.time())
        log.info("< telnyx command", command=command, status=answer.status)
        self._perform(answer.acts)
        if answer.silent:
            await self._closing.wait()
        return _json(answer.body, answer.status, answer.headers)

    def _perform(self, acts: list[Act]) -> None:
        for act in acts:
            match act:
                case Tell(url):
                    if url:
                        self._post.tell(self._http, act)
                case OpenStream(order):
                    self._open(order)
                case AnswerStream(stream_id):
                    self._streams[stream_id].answered.set()
                case EndStream(stream_id):
                    self._streams[stream_id].ended.set()
        self._tell_news()
        self._arm()

    def _open(self, order: StreamOrder) -> None:
        call = self.exchange.calls[order.call_control_id]
        stream = Stream(order, lambda: self._perform(self.exchange.stream_opened(call, time.time())))
        self._streams[order.stream_id] = stream
        self._spawn(self._carry(call, stream))

    async def _carry(self, call: Call, stream: Stream) -> None:
        try:
            hung_up = await self._until_ended(stream)
        except CallRefused as refused:
            acts = self.exchange.stream_failed(call, str(refused), time.time())
        else:
            acts = self.exchange.stream_over(call, time.time(), hung_up=hung_up)
        del self._streams[stream.order.stream_id]
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

    def _tried(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        log.info("> telnyx webhook", kind=delivery.kind, attempt=delivery.attempt, status=delivery.status)
        self._tell_news()

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


async def _nothing_there(_request: web.Request) -> web.Response:
    refusal = Refusal(NOT_FOUND, "The requested resource or URL could not be found.", status=404)
    return _json(refusal.body(), refusal.status)


def _json(body: Any, status: int, headers: Any = None) -> web.Response:
    return web.Response(
        body=json.encode(body), status=status, headers=headers, content_type="application/json"
    )
