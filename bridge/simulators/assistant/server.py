"""Runs the simulated assistant: a port on which every path takes WebSockets and POSTs.

A WebSocket is a conversation, a POST an utterance or an entry. Each connection has a task, which waits for the next
message or for the deadline of the conversation. What came is kept, for tests.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import structlog
from aiohttp import WSMsgType, web

from bridge.shell.session import clock
from bridge.simulators.assistant.posts import PostAnswer, Posts
from bridge.simulators.assistant.script import AssistantScript
from bridge.simulators.assistant.turn_based import Action, Close, TurnBasedConversation
from bridge.simulators.changes import Changes
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import ConfigurationError

CUT_OFF = 1006
MAX_BYTES = 16_777_216
"""Limit of a message and of a request's body; clients send at most a minute of audio."""

PARTING_S = 1.0
"""How long to wait for the client's close frame, and at the end of the server for answers under way."""

NEVER_S = 600.0
"""Delay that stands for no answer at all."""

PIECES = 8
"""In how many pieces a slow body is sent."""

log = structlog.get_logger()


class TurnBasedConnection:
    """The WebSocket of one client. Times are on the clock of `bridge.shell.session`.

    `changed` is called after each message, deadline and at the end.
    """

    def __init__(
        self,
        number: int,
        request: web.Request,
        conversation: TurnBasedConversation,
        changed: Callable[[], None],
    ) -> None:
        self.number = number
        self.path = request.path
        self.headers: Mapping[str, str] = request.headers
        self.conversation = conversation
        self.closed: int | None = None
        """The WebSocket's close code, once it is closed; 1006 if there was none."""
        self._request = request
        self._socket = web.WebSocketResponse(timeout=PARTING_S, compress=False, max_msg_size=MAX_BYTES)
        self._changed = changed

    async def carry(self) -> web.WebSocketResponse:
        """Carry the connection from the upgrade to its end."""
        try:
            await self._socket.prepare(self._request)
            with suppress(ConnectionError):
                await self._converse()
        finally:
            self.closed = self._socket.close_code or CUT_OFF
            self._changed()
        return self._socket

    def cut_off(self) -> None:
        """Break the connection without a close frame."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _converse(self) -> None:
        actions = self.conversation.begin(clock())
        while await self._perform(actions):
            self._changed()
            message = await self._next()
            match message:
                case None:
                    actions = self.conversation.due(clock())
                case str() | bytes():
                    actions = self.conversation.hear(message, clock())
                case WSMsgType():
                    return

    async def _next(self) -> WireMessage | WSMsgType | None:
        """The next message; None if something is due before it; the type of the message if the client has closed."""
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

    async def _perform(self, actions: list[Action]) -> bool:
        """Perform actions; whether the connection is still open."""
        for action in actions:
            match action:
                case str():
                    await self._socket.send_str(action)
                case bytes():
                    await self._socket.send_bytes(action)
                case Close(code):
                    if code == CUT_OFF:
                        self.cut_off()
                    else:
                        await self._socket.close(code=code, message=b"scripted")
                    return False
        return True


class SimulatedAssistant:
    """The simulated assistant. Enter `running` to open its port.

    `keeps_record`: keep closed connections and answered turns, for tests.
    """

    def __init__(
        self,
        script: AssistantScript | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        keeps_record: bool = True,
    ) -> None:
        self.port = port
        """The port that is open; if 0 was asked for, the one that the system chose."""
        self.upgrades: list[int] = []
        """The HTTP status of each upgrade; 101 for those accepted."""
        self.connections: list[TurnBasedConnection] = []
        script = AssistantScript() if script is None else script
        self.posts = Posts(script, keeps_record=keeps_record)
        self._script = script
        self._host = host
        self._keeps_record = keeps_record
        self._asked = 0
        self._closing = asyncio.Event()
        self._changes = Changes()

    @property
    def url(self) -> str:
        """The URL for WebSockets."""
        return f"ws://{self._host}:{self.port}/assistant"

    @property
    def http_url(self) -> str:
        """The URL for POSTs."""
        return f"http://{self._host}:{self.port}/assistant"

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until `happened()` is true."""
        await self._changes.until(happened)

    async def connected(self, times: int = 1) -> TurnBasedConnection:
        """Wait for the connection number `times`, from 1; refused upgrades do not count."""
        return await self._changes.nth(times, self.connections, lambda _: True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SimulatedAssistant"]:
        """Keep the port open; at the end connections that are still open are broken.

        Raises `ConfigurationError` if the port cannot be opened.
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
        return web.Response(status=405, headers={"Allow": "POST"}, text="Expected a POST or a WebSocket.\n")

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        self._asked += 1
        refused = self._script.faults_of(self._asked, 0).refuse
        if self._keeps_record:
            self.upgrades.append(refused or 101)
        log.info("< upgrade", connection=self._asked, path=request.path, status=refused or 101)
        if refused is not None:
            self._changes.notify()
            return web.Response(status=refused)
        if not self._keeps_record:
            self.connections = [one for one in self.connections if one.closed is None]
        conversation = TurnBasedConversation(
            self._script, number=self._asked, keeps_record=self._keeps_record
        )
        connection = TurnBasedConnection(self._asked, request, conversation, self._changes.notify)
        self.connections.append(connection)
        socket = await connection.carry()
        log.info("= connection over", connection=connection.number, code=connection.closed)
        return socket

    async def _post(self, request: web.Request) -> web.StreamResponse:
        answer = self.posts.hear(request.headers, await request.read(), clock())
        log.info("< post", path=request.path, status=answer.status, answer_bytes=len(answer.body))
        self._changes.notify()
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


async def _answered(request: web.Request, answer: PostAnswer) -> web.StreamResponse:
    """Send an answer: at once, slowly, or only half of it."""
    headers = {"Content-Type": answer.content_type} if answer.content_type else {}
    if answer.retry_after_s is not None:
        headers["Retry-After"] = str(answer.retry_after_s)
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


async def serve(script: AssistantScript, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ConfigurationError` if the port cannot be opened."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with SimulatedAssistant(script, host, port, keeps_record=False).running() as assistant:
        log.info("= simulated assistant", url=assistant.url, posts=assistant.http_url)
        await stop.wait()
