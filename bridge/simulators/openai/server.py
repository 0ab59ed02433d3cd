"""The fake's shell: one port, a conversation for each WebSocket, and a record of what every client sent.

At /v1/realtime?model=... (Azure's /openai/v1/realtime too), with any key in `Authorization: Bearer` or `api-key`.
One timer for each connection follows its conversation's deadline.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import structlog

from bridge.shell import websocket
from bridge.shell.session import clock
from bridge.simulators.openai.conversation import Conversation, Received
from bridge.simulators.openai.script import Script, read_script
from bridge.simulators.openai.wire import Act, Close, StopReading
from bridge.vocabulary.contracts import WireMessage

PATHS = ("/v1/realtime", "/openai/v1/realtime")
CUT_OFF = 1006

MAX_MESSAGE_BYTES = 16_777_216
"""Above the 15 MiB that the service takes in one event."""

log = structlog.get_logger()


class _ClientLeg(websocket.SocketLeg):
    """A leg that can leave what the client sends where it is, as a server does that has stalled."""

    def stop_reading(self) -> None:
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def read_again(self) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()


class Connection:
    """One client's WebSocket. Times are on the clock of `bridge.shell.session`."""

    def __init__(
        self, number: int, model: str, headers: Mapping[str, str], conversation: Conversation
    ) -> None:
        self.number = number
        self.model = model
        self.headers = headers
        self.conversation = conversation
        self.opened_at = 0.0
        self.closed: tuple[int, str] | None = None
        """WebSocket close code and reason, once it is over."""
        self.leg = _ClientLeg(self._receive, self._lost, self._begin, max_message_bytes=MAX_MESSAGE_BYTES)
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()

    @property
    def received(self) -> list[Received]:
        """Every client event but the appends, with its time of arrival."""
        return self.conversation.received

    def events(self, kind: str) -> list[Received]:
        """Those of one type, such as `conversation.item.truncate`."""
        return [received for received in self.received if received.event.get("type") == kind]

    async def until(self, kind: str, times: int = 1) -> Received:
        """The client event of this type that makes it so many."""
        while len(found := self.events(kind)) < times:
            await self._news.wait()
        return found[times - 1]

    async def over(self) -> tuple[int, str]:
        """How it was closed, once it is."""
        while self.closed is None:
            await self._news.wait()
        return self.closed

    def _tell_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _begin(self, _leg: websocket.SocketLeg) -> None:
        self.opened_at = clock()
        beta = "realtime=v1" in self.headers.get("OpenAI-Beta", "")
        self._perform(self.conversation.begin(self.opened_at, asks_for_beta=beta))

    def _receive(self, message: WireMessage) -> None:
        known = len(self.received)
        self._perform(self.conversation.hear(message, clock()))
        if len(self.received) > known:
            self._tell_news()

    def _wake(self) -> None:
        self._armed_for = None
        self._perform(self.conversation.due(clock()))

    def _perform(self, acts: list[Act]) -> None:
        for act in acts:
            match act:
                case str():
                    self.leg.send(act)
                case Close(code, reason):
                    self.leg.abort() if code == CUT_OFF else self.leg.close(code, reason)
                case StopReading(seconds):
                    self._stop_reading(seconds)
        if self.closed is None:
            self._arm(self.conversation.deadline())

    def _arm(self, deadline: float | None) -> None:
        if deadline == self._armed_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = deadline
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, deadline - clock()), self._wake)

    def _stop_reading(self, seconds: float) -> None:
        self.leg.stop_reading()
        self._reading = asyncio.get_running_loop().call_later(seconds, self.leg.read_again)

    def _lost(self, code: int, reason: str) -> None:
        self.closed = code, reason
        for timer in (self._timer, self._reading):
            if timer is not None:
                timer.cancel()
        self._tell_news()
        log.debug("= realtime client left", connection=self.number, code=code, reason=reason)


class SimulatedOpenAI:
    """The server. Enter `running` to open the port; `keeps_record`: connections stay listed when they are over."""

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
        self.upgrades: list[HTTPStatus] = []
        """What was answered to each upgrade; 101 is a connection."""
        self.connections: list[Connection] = []
        self._script = Script() if script is None else script
        self._host = host
        self._keeps_record = keeps_record
        self._asked = 0
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        """What a client has for its `base_url`."""
        return f"http://{self._host}:{self.port}/v1"

    async def connected(self, times: int = 1) -> Connection:
        """The connection that makes it so many; refused upgrades are none."""
        while len(self.connections) < times:
            await self._news.wait()
        return self.connections[times - 1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SimulatedOpenAI"]:
        """The port is open inside; at the end connections that still stand are cut off."""
        listener = await websocket.listen(self._accept, self._host, self.port, None)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            for connection in self.connections:
                if connection.closed is None:
                    connection.leg.abort()

    def _accept(self) -> asyncio.BufferedProtocol:
        return websocket.accept(self._admit, max_message_bytes=MAX_MESSAGE_BYTES)

    def _admit(self, path: str, headers: Mapping[str, str]) -> websocket.SocketLeg | HTTPStatus:
        answer = self._judge(path, headers)
        status = answer if isinstance(answer, HTTPStatus) else HTTPStatus.SWITCHING_PROTOCOLS
        if self._keeps_record:
            self.upgrades.append(status)
        log.info("< realtime upgrade", path=path, status=status.value)
        if isinstance(answer, HTTPStatus):
            return answer
        if not self._keeps_record:
            self.connections = [standing for standing in self.connections if standing.closed is None]
        self.connections.append(answer)
        self._news.set()
        self._news = asyncio.Event()
        return answer.leg

    def _judge(self, path: str, headers: Mapping[str, str]) -> Connection | HTTPStatus:
        parts = urlsplit(path)
        if parts.path not in PATHS:
            return HTTPStatus.NOT_FOUND
        if not headers.get("Authorization", "").startswith("Bearer ") and not headers.get("api-key"):
            return HTTPStatus.UNAUTHORIZED
        model = parse_qs(parts.query).get("model", [""])[0]
        if not model:
            return HTTPStatus.BAD_REQUEST
        self._asked += 1
        if (refuse := self._script.faults_of(self._asked).refuse) is not None:
            return HTTPStatus(refuse)
        conversation = Conversation(self._script, number=self._asked, model=model, unix_time=time.time())
        return Connection(self._asked, model, headers, conversation)


async def serve(script_path: Path | None, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ConfigurationError` where the script or the port is wrong."""
    script = read_script(script_path) if script_path is not None else None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with SimulatedOpenAI(script, host, port, keeps_record=False).running() as fake:
        log.info("= fake OpenAI Realtime", url=fake.url, script=str(script_path or "built in"))
        await stop.wait()
