"""An assistant that refuses the call for a while, over real sockets: when it is asked again, and who has the call then."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from email.utils import formatdate

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.timers import Limits
from bridge.settings.assistants import UPGRADED, SocketAddress
from bridge.shell.assistant_socket import AssistantSockets
from bridge.shell.preconnect import Preconnections
from bridge.shell.session import Session
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import (
    AssistantCommand,
    CarrierCommand,
    OpenAssistant,
    RetryAssistant,
)
from bridge.vocabulary.contracts import (
    Account,
    AssistantOutcome,
    CarrierOutcome,
    Connection,
    LegMessage,
    Lost,
    Receive,
    WireMessage,
)
from bridge.vocabulary.events import AssistantReady, CallEnded, CallStarted, LegLost, Word
from telecodecs.format import PCMU_8K

GIVE_UP_S = 5.0


class Quiet:
    """A carrier's dialect that says nothing."""

    reorder_ms = 0
    start_s: float | None = None
    silent_s: float | None = None

    def decode(self, _message: WireMessage, _now: float) -> Sequence[CarrierOutcome]:
        return [CallStarted("CA1", "MZ1", PCMU_8K)]

    def encode(self, _command: CarrierCommand, _now: float) -> Sequence[CarrierOutcome]:
        return []

    def deadline(self) -> None:
        return None

    def due(self, _now: float) -> Sequence[CarrierOutcome]:
        return []

    def counts(self) -> dict[str, int]:
        return {}


class Connected:
    """An assistant's dialect: it is ready when it is connected."""

    def decode(self, message: LegMessage, _now: float) -> Sequence[AssistantOutcome]:
        return [AssistantReady(PCMU_8K, PCMU_8K)] if message == UPGRADED else []

    def encode(self, _command: AssistantCommand, _now: float) -> Sequence[AssistantOutcome]:
        return []

    def deadline(self) -> None:
        return None

    def due(self, _now: float) -> Sequence[AssistantOutcome]:
        return []

    def is_reply_owed(self, _now: float) -> bool:
        return False


class NoPeer:
    """The carrier's leg."""

    stalled = False

    def send(self, _message: WireMessage) -> None:
        pass

    def close(self, code: int = 1000, reason: str = "") -> None:
        pass


class Caller:
    """A call from its start: an observer of it, too."""

    sees: frozenset[type[Word]] = frozenset({AssistantReady, LegLost, OpenAssistant, RetryAssistant})

    def __init__(self, *ports: int, preconnects: bool = False, scheme: str = "ws") -> None:
        self._sockets = AssistantSockets()
        self._preconnections = Preconnections(self._sockets.connect)
        self._addresses = {
            str(port): SocketAddress(f"{scheme}://127.0.0.1:{port}/", {}, tells_upgrade=True)
            for port in ports
        }
        self.words: list[Word] = []
        self.seen_at: list[float] = []
        self._more = asyncio.Event()
        call = Call(
            time.monotonic(),
            Limits(retry_s=4.0),
            DialogueRules(reorder_ms=0),
            plan=FailoverPlan(tuple(self._addresses)),
        )
        self._session = Session(Quiet(), call, self._connect, [self], lambda _session: None)
        if preconnects:
            name, address = next(iter(self._addresses.items()))
            self._preconnections.open("CA1", name, address)
        self.began_at = time.monotonic()
        self._session.attach(NoPeer())
        self._session.carrier_said("start")

    def _connect(self, command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        address, name = self._addresses[command.assistant], command.assistant
        leg = self._preconnections.claim("CA1", name, receive, lost) or self._sockets.connect(
            address, receive, lost
        )
        return Connection(Connected(), leg, Toolbox("", {}).open(call_id="CA1", parameters={}))

    def saw(self, word: Word, now: float) -> None:
        self.words.append(word)
        self.seen_at.append(now)
        self._more.set()

    def close(self, now: float, account: Account) -> None:
        pass

    async def is_answered(self, times: int = 1) -> float:
        """Seconds from the beginning until an assistant was ready for the nth time."""
        async with asyncio.timeout(GIVE_UP_S):
            while sum(isinstance(word, AssistantReady) for word in self.words) < times:
                self._more.clear()
                await self._more.wait()
        return self.seen_at[-1] - self.began_at

    async def is_tried_again(self, times: int) -> None:
        async with asyncio.timeout(GIVE_UP_S):
            while len(self.reasons()) < times:
                self._more.clear()
                await self._more.wait()

    def opened(self) -> list[str]:
        return [word.assistant for word in self.words if isinstance(word, OpenAssistant)]

    def reasons(self) -> list[str]:
        return [word.why for word in self.words if isinstance(word, RetryAssistant)]

    async def aclose(self) -> None:
        self._session.handle(CallEnded())
        self._preconnections.close()
        await self._sockets.aclose()


Answer = Callable[[float], Response | None]
"""What the server answers to an upgrade, so many seconds after the first one; None: it takes the call."""


class Server:
    """A server of an assistant. It closes the first call with `close_with`, if that is set, and is away for `away_s`."""

    def __init__(self, answer: Answer, close_with: int | None = None, away_s: float = 0.0) -> None:
        self._answer = answer
        self._close_with, self._away_s = close_with, away_s
        self._first_at: float | None = None
        self.asked_at: list[float] = []
        self.port = 0

    def _process(self, _peer: ServerConnection, _request: Request) -> Response | None:
        now = time.monotonic()
        self._first_at = self._first_at or now
        self.asked_at.append(now - self._first_at)
        return self._answer(self.asked_at[-1])

    async def _converse(self, peer: ServerConnection) -> None:
        if self._close_with is not None and len(self.asked_at) == 1:
            await peer.close(self._close_with, "restart")
        with suppress(Exception):
            await peer.wait_closed()

    async def run(self, started: asyncio.Event, port: int = 0) -> None:
        async with serve(self._converse, "127.0.0.1", port, process_request=self._process) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            started.set()
            await asyncio.get_running_loop().create_future()


@pytest.fixture
async def tasks() -> AsyncIterator[list["asyncio.Task[None]"]]:
    running: list[asyncio.Task[None]] = []
    yield running
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def serving(tasks: list["asyncio.Task[None]"], server: Server, port: int = 0) -> Server:
    started = asyncio.Event()
    tasks.append(asyncio.create_task(server.run(started, port)))
    await started.wait()
    return server


def says(status: int, body: str = "", **headers: str) -> Response:
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    fields["Content-Length"] = str(len(body))
    return Response(status, "No", fields, body.encode())


def until(seconds: float, refusal: Callable[[], Response]) -> Answer:
    return lambda since: refusal() if since < seconds else None


def always(refusal: Response) -> Answer:
    return lambda _since: refusal


ROWS: dict[str, tuple[Answer, float, float]] = {
    "429 and Retry-After": (until(0.4, lambda: says(429, Retry_After="1")), 1.0, 1.5),
    "503 and Retry-After, a date": (
        until(0.4, lambda: says(503, Retry_After=formatdate(time.time() + 2, usegmt=True))),
        0.9,  # a date has whole seconds
        2.9,
    ),
    "429 and words": (until(0.3, lambda: says(429, '{"error":"Please try again in 400ms."}')), 0.4, 0.8),
    "429": (until(0.2, lambda: says(429)), 0.2, 1.0),
    "503": (until(0.2, lambda: says(503)), 0.2, 1.0),
    "408, 409, 425": (until(0.2, lambda: says(409)), 0.2, 1.0),
}


@pytest.mark.parametrize(("answer", "from_s", "until_s"), ROWS.values(), ids=list(ROWS))
async def test_a_refusal_that_lasts_a_moment(
    tasks: list["asyncio.Task[None]"], answer: Answer, from_s: float, until_s: float
) -> None:
    server = await serving(tasks, Server(answer))
    caller = Caller(server.port)
    assert from_s <= await caller.is_answered() < until_s
    assert len(server.asked_at) <= 4
    assert all("HTTP" in reason for reason in caller.reasons())
    await caller.aclose()


async def test_a_refusal_of_a_connection_ahead_of_the_call_follows_the_same_rule(
    tasks: list["asyncio.Task[None]"],
) -> None:
    answer, from_s, until_s = ROWS["429 and words"]
    server = await serving(tasks, Server(answer))
    caller = Caller(server.port, preconnects=True)
    assert from_s <= await caller.is_answered() < until_s
    assert len(server.asked_at) == 2
    await caller.aclose()


async def test_a_server_that_starts_late(tasks: list["asyncio.Task[None]"]) -> None:
    """Until then the connection is refused."""
    server = await serving(tasks, Server(lambda _since: None))
    tasks.pop().cancel()
    await asyncio.sleep(0.05)
    caller = Caller(server.port)
    await asyncio.sleep(0.4)
    await serving(tasks, server, server.port)
    assert await caller.is_answered() < 1.5
    assert len(caller.reasons()) in (2, 3)
    await caller.aclose()


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [("ws", b""), ("wss", b""), ("wss", b"HTTP/1.1 400 This is not TLS\r\n\r\n")],
    ids=["closed", "closed in TLS", "no TLS"],
)
async def test_a_connection_that_fails_before_there_is_an_answer(scheme: str, answer: bytes) -> None:
    met = 0

    async def each(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(each, "127.0.0.1", 0) as server:
        caller = Caller(server.sockets[0].getsockname()[1], scheme=scheme)
        await caller.is_tried_again(2)
        assert met == 2
        await caller.aclose()


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013])
async def test_a_server_that_restarts_in_mid_call(tasks: list["asyncio.Task[None]"], code: int) -> None:
    server = Server(lambda since: says(503) if 0 < since < 0.5 else None, close_with=code)
    await serving(tasks, server)
    caller = Caller(server.port)
    assert 0.5 < await caller.is_answered(times=2) < 1.5
    assert server.asked_at[1] < 0.2, "the first try is made at once"
    await caller.aclose()


FINAL = {
    "401": says(401),
    "404": says(404),
    "the quota": says(429, '{"error":{"code":"insufficient_quota"}}', Retry_After="1"),
    "a wait that is too long": says(429, Retry_After="60"),
}


@pytest.mark.parametrize("refusal", FINAL.values(), ids=list(FINAL))
async def test_what_does_not_pass_in_time_goes_to_the_fallback_at_once(
    tasks: list["asyncio.Task[None]"], refusal: Response
) -> None:
    refuses = await serving(tasks, Server(always(refusal)))
    other = await serving(tasks, Server(lambda _since: None))
    caller = Caller(refuses.port, other.port)
    assert await caller.is_answered() < 0.5
    assert caller.opened() == [str(refuses.port), str(other.port)]
    assert len(refuses.asked_at) == 1
    await caller.aclose()
