"""Runs the simulated OpenAI Realtime server: one port, and a conversation for each WebSocket.

The path is /v1/realtime?model=... (or Azure's /openai/v1/realtime), with any key in `Authorization: Bearer` or
`api-key`. Each connection has a timer for the deadline of its conversation. What the clients sent is kept, for tests.
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

from bridge.shell import websocket, websocket_server
from bridge.shell.session import clock
from bridge.simulators.changes import Changes
from bridge.simulators.openai.conversation import RealtimeConversation, Received
from bridge.simulators.openai.event_writer import Action, Close, StopReading
from bridge.simulators.openai.script import OpenAIScript, read_script
from bridge.simulators.openai.session_log import SessionLog
from bridge.vocabulary.contracts import WireMessage

PATHS = ("/v1/realtime", "/openai/v1/realtime")
CUT_OFF = 1006

MAX_MESSAGE_BYTES = 16_777_216
"""Limit of a message; the service takes up to 15 MiB in one event."""

log = structlog.get_logger()


class _ClientLeg(websocket.SocketLeg):
    """A leg that can stop reading what the client sends, like a server that has stalled."""

    def stop_reading(self) -> None:
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def read_again(self) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()


class RealtimeConnection:
    """The WebSocket of one client. Times are on the clock of `bridge.shell.session`."""

    def __init__(
        self,
        number: int,
        model: str,
        headers: Mapping[str, str],
        conversation: RealtimeConversation,
        log: SessionLog | None = None,
    ) -> None:
        self.number = number
        self.model = model
        self.headers = headers
        self.conversation = conversation
        self.opened_at = 0.0
        self.closed: tuple[int, str] | None = None
        """Close code and reason of the WebSocket, once it is closed."""
        self.leg = _ClientLeg(self._receive, self._lost, self._begin, max_message_bytes=MAX_MESSAGE_BYTES)
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._changes = Changes()
        self._log = log

    @property
    def received(self) -> list[Received]:
        """Every client event except the appends, with its time of arrival."""
        return self.conversation.received

    def events(self, kind: str) -> list[Received]:
        """The client events of one type, such as `conversation.item.truncate`."""
        return [received for received in self.received if received.event.get("type") == kind]

    async def until(self, kind: str, times: int = 1) -> Received:
        """Wait for the client event number `times` (from 1) of this type."""
        return await self._changes.nth(times, self.received, lambda one: one.event.get("type") == kind)

    async def over(self) -> tuple[int, str]:
        """Wait until the WebSocket is closed; its close code and reason."""
        await self._changes.until(lambda: self.closed is not None)
        assert self.closed is not None
        return self.closed

    def _begin(self, _leg: websocket.SocketLeg) -> None:
        self.opened_at = clock()
        if (session_log := self._log) is not None:
            session_log.opened(self.number, self.model)
            hears = self.conversation.session
            self.conversation.on_audio = lambda audio: session_log.heard(self.number, audio, hears.hears)
        beta = "realtime=v1" in self.headers.get("OpenAI-Beta", "")
        self._perform(self.conversation.begin(self.opened_at, asks_for_beta=beta))

    def _receive(self, message: WireMessage) -> None:
        known = len(self.received)
        actions = self.conversation.hear(message, clock())
        if self._log is not None:
            for one in self.received[known:]:
                self._log.sent(self.number, one.event)
        self._perform(actions)
        if len(self.received) > known:
            self._changes.notify()

    def _wake(self) -> None:
        self._armed_for = None
        self._perform(self.conversation.due(clock()))

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case str():
                    self.leg.send(action)
                    if self._log is not None:
                        self._log.got(self.number, action)
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
        if self._log is not None:
            self._log.closed(self.number, code)
        for timer in (self._timer, self._reading):
            if timer is not None:
                timer.cancel()
        self._changes.notify()
        log.debug("= realtime client left", connection=self.number, code=code, reason=reason)


class SimulatedOpenAI:
    """The simulated server. Enter `running` to open its port. `keeps_record`: keep closed connections, for tests. `log`: of all that is said."""

    def __init__(
        self,
        script: OpenAIScript | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        keeps_record: bool = True,
        log: SessionLog | None = None,
    ) -> None:
        self.port = port
        """The port that is open; if 0 was asked for, the one that the system chose."""
        self.upgrades: list[HTTPStatus] = []
        """The HTTP status of each upgrade; 101 for those accepted."""
        self.connections: list[RealtimeConnection] = []
        self._script = OpenAIScript() if script is None else script
        self._host = host
        self._keeps_record = keeps_record
        self._log = log
        self._asked = 0
        self._changes = Changes()

    @property
    def url(self) -> str:
        """The `base_url` for a client."""
        return f"http://{self._host}:{self.port}/v1"

    async def connected(self, times: int = 1) -> RealtimeConnection:
        """Wait for the connection number `times`, from 1; refused upgrades do not count."""
        return await self._changes.nth(times, self.connections, lambda _: True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SimulatedOpenAI"]:
        """Keep the port open; at the end connections that are still open are broken."""
        listener = await websocket_server.listen(self._accept, self._host, self.port, None)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            for connection in self.connections:
                if connection.closed is None:
                    connection.leg.abort()

    def _accept(self) -> asyncio.Protocol:
        return websocket_server.accept(self._admit, max_message_bytes=MAX_MESSAGE_BYTES)

    def _admit(self, path: str, headers: Mapping[str, str]) -> websocket.SocketLeg | HTTPStatus:
        answer = self._judge(path, headers)
        status = answer if isinstance(answer, HTTPStatus) else HTTPStatus.SWITCHING_PROTOCOLS
        if self._keeps_record:
            self.upgrades.append(status)
        log.info("< realtime upgrade", path=path, status=status.value)
        if isinstance(answer, HTTPStatus):
            return answer
        if not self._keeps_record:
            self.connections = [one for one in self.connections if one.closed is None]
        self.connections.append(answer)
        self._changes.notify()
        return answer.leg

    def _judge(self, path: str, headers: Mapping[str, str]) -> RealtimeConnection | HTTPStatus:
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
        conversation = RealtimeConversation(
            self._script, number=self._asked, model=model, unix_time=time.time()
        )
        return RealtimeConnection(self._asked, model, headers, conversation, self._log)


async def serve(script_path: Path | None, host: str, port: int, log_path: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT. `log_path`: see `SessionLog`. Raises `ConfigurationError` if the script is wrong or the port cannot be opened."""
    script = read_script(script_path) if script_path is not None else None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    session_log = None if log_path is None else SessionLog(log_path)
    try:
        async with SimulatedOpenAI(
            script, host, port, keeps_record=False, log=session_log
        ).running() as openai:
            log.info("= simulated OpenAI Realtime", url=openai.url, script=str(script_path or "built in"))
            await stop.wait()
    finally:
        if session_log is not None:
            session_log.close()
