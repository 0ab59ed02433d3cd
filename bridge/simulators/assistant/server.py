"""The fake assistant's shell: one port, any path; a WebSocket is a conversation, a POST an utterance or an entry.

One task for each connection, which waits for the next message or for its conversation's deadline. What came stays on
record, for tests.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import structlog
from aiohttp import WSMsgType, web

from bridge.shell.session import clock
from bridge.simulators.assistant.posts import Answer, Posts
from bridge.simulators.assistant.script import Script
from bridge.simulators.assistant.turn_based import Act, Close, Conversation
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import ConfigurationError

CUT_OFF = 1006
MAX_BYTES = 16_777_216
"""Of a message and of a request's body: a client sends a minute of audio at the most."""

PARTING_S = 1.0
"""For the client to answer our close frame; for answers that are under way when the server ends."""

NEVER_S = 600.0
PIECES = 8
"""Of a body that comes slowly."""

log = structlog.get_logger()


class Connection:
    """One client's WebSocket. Times are on the clock of `bridge.shell.session`; `news` is called after each change."""

    def __init__(
        self, number: int, request: web.Request, conversation: Conversation, news: Callable[[], None]
    ) -> None:
        self.number = number
        self.path = request.path
        self.headers: Mapping[str, str] = request.headers
        self.conversation = conversation
        self.closed: int | None = None
        """The WebSocket's close code, once it is over; 1006 where none was given."""
        self._request = request
        self._socket = web.WebSocketResponse(timeout=PARTING_S, compress=False, max_msg_size=MAX_BYTES)
        self._news = news

    async def carry(self) -> web.WebSocketResponse:
        """From the upgrade to the end."""
        try:
            await self._socket.prepare(self._request)
            with suppress(ConnectionError):
                await self._converse()
        finally:
            self.closed = self._socket.close_code or CUT_OFF
            self._news()
        return self._socket

    def cut_off(self) -> None:
        """Drop the connection with nothing said."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _converse(self) -> None:
        acts = self.conversation.begin(clock())
        while await self._perform(acts):
            self._news()
            message = await self._next()
            match message:
                case None:
                    acts = self.conversation.due(clock())
                case str() | bytes():
                    acts = self.conversation.hear(message, clock())
                case WSMsgType():
                    return

    async def _next(self) -> WireMessage | WSMsgType | None:
        """None: something is due. A type without its message: the client has gone."""
        deadline = self.conversation.deadline()
        try:
            async with asyncio.timeout(None if deadline is None else max(0.0, deadline - clock())):
                message = await self._socket.receive()
        except TimeoutError:
            return None
        if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            data: WireMessage = message.data
            return data
        return message.type

    async def _perform(self, acts: list[Act]) -> bool:
        """False: it is closed now."""
        for act in acts:
            match act:
                case str():
                    await self._socket.send_str(act)
                case bytes():
                    await self._socket.send_bytes(act)
                case Close(code):
                    if code == CUT_OFF:
                        self.cut_off()
                    else:
                        await self._socket.close(code=code, message=b"scripted")
                    return False
        return True


class SimulatedAssistant:
    """The server. Enter `running` to open the port; `keeps_record`: what came stays listed when it is over."""

    def __init__(
        self,
        script: Script | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        keeps_record: bool = True,
    ) -> None:
        self.port = port
        """The port that is open; the system's choice where 0 was asked for."""
        self.upgrades: list[int] = []
        """What was answered to each upgrade; 101 is a connection."""
        self.connections: list[Connection] = []
        script = Script() if script is None else script
        self.posts = Posts(script, keeps_record=keeps_record)
        self._script = script
        self._host = host
        self._keeps_record = keeps_record
        self._asked = 0
        self._closing = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        """For WebSockets."""
        return f"ws://{self._host}:{self.port}/assistant"

    @property
    def http_url(self) -> str:
        """For POSTs."""
        return f"http://{self._host}:{self.port}/assistant"

    async def until(self, came: Callable[[], bool]) -> None:
        """Wait for what `came` looks for."""
        while not came():
            await self._news.wait()

    async def connected(self, times: int = 1) -> Connection:
        """The connection that makes it so many; refused upgrades are none."""
        await self.until(lambda: len(self.connections) >= times)
        return self.connections[times - 1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SimulatedAssistant"]:
        """The port is open inside; at the end connections that still stand are cut off.

        Raises `ConfigurationError` if the port cannot be had.
        """
        app = web.Application(client_max_size=MAX_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=PARTING_S)
        await runner.setup()
        try:
            await self._open(runner)
            yield self
        finally:
            self._closing.set()
            for connection in self.connections:
                if connection.closed is None:
                    connection.cut_off()
            await runner.cleanup()

    async def _open(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self._host, self.port).start()
        except OSError as error:
            raise ConfigurationError(
                f"host = {self._host!r}, port = {self.port}: {error.strerror or error}"
            ) from error
        self.port = runner.addresses[0][1]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if web.WebSocketResponse().can_prepare(request):
            return await self._upgrade(request)
        if request.method == "POST":
            return await self._post(request)
        return web.Response(
            status=405, headers={"Allow": "POST"}, text="A POST is right here, or a WebSocket.\n"
        )

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        self._asked += 1
        refused = self._script.faults_of(self._asked, 0).refuse
        if self._keeps_record:
            self.upgrades.append(refused or 101)
        log.info("< upgrade", connection=self._asked, path=request.path, status=refused or 101)
        if refused is not None:
            self._tell_news()
            return web.Response(status=refused)
        if not self._keeps_record:
            self.connections = [standing for standing in self.connections if standing.closed is None]
        conversation = Conversation(self._script, number=self._asked, keeps_record=self._keeps_record)
        connection = Connection(self._asked, request, conversation, self._tell_news)
        self.connections.append(connection)
        socket = await connection.carry()
        log.info("= connection over", connection=connection.number, code=connection.closed)
        return socket

    async def _post(self, request: web.Request) -> web.StreamResponse:
        answer = self.posts.hear(request.headers, await request.read(), clock())
        log.info("< post", path=request.path, status=answer.status, answer_bytes=len(answer.body))
        self._tell_news()
        if not answer.status and not answer.cut:
            answer = answer._replace(after_s=NEVER_S, cut=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(answer.after_s):
                await self._closing.wait()
        if not answer.status:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return await _answered(request, answer)

    def _tell_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


async def _answered(request: web.Request, answer: Answer) -> web.StreamResponse:
    """At once, slowly, or no more than half of it."""
    headers = {"Content-Type": answer.content_type} if answer.content_type else {}
    if not answer.cut and not answer.body_s:
        return web.Response(status=answer.status, headers=headers, body=answer.body)
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    response.force_close()
    await response.prepare(request)
    piece = max(1, -(-len(answer.body) // PIECES))
    until = len(answer.body) // 2 if answer.cut else len(answer.body)
    with suppress(ConnectionError):
        for at in range(0, until, piece):
            await response.write(answer.body[at : min(at + piece, until)])
            await asyncio.sleep(answer.body_s / PIECES)
    if answer.cut and request.transport is not None:
        request.transport.close()
    return response


async def serve(script: Script, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ConfigurationError` where the port cannot be had."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with SimulatedAssistant(script, host, port, keeps_record=False).running() as fake:
        log.info("= fake assistant", url=fake.url, posts=fake.http_url)
        await stop.wait()
