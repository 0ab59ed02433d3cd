"""A runaway assistant over a real socket and in the slot: read in slices, in order, and closed with the reason."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress

import pytest
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from bridge.settings.assistants import SocketAddress
from bridge.shell.assistant_slot import MOST_MALFORMED, AssistantSlot
from bridge.shell.assistant_socket import AssistantSockets
from bridge.shell.paced_intake import SLICE_S
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import AssistantCommand, OpenAssistant
from bridge.vocabulary.contracts import AssistantOutcome, Connection, LegMessage, Lost, Receive
from bridge.vocabulary.errors import LimitExceeded, MalformedMessage
from bridge.vocabulary.events import Event, LegLost, LegName, MessageRefused
from telecodecs.format import PCMU_8K

GIVE_UP_S = 10.0
FLOOD = [str(number) for number in range(3_000)]

Converse = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Attached:
    """An assistant that says nothing right, and its leg in one."""

    stalled = False

    def __init__(self) -> None:
        self.closed: list[tuple[int, str]] = []

    def encode(self, _command: AssistantCommand, _now: float) -> Sequence[AssistantOutcome]:
        return ()

    def decode(self, message: LegMessage, _now: float) -> Sequence[AssistantOutcome]:
        if message == "too much":
            raise LimitExceeded("more than 10 items")
        raise MalformedMessage("no word of ours")

    def deadline(self) -> float | None:
        return None

    def due(self, _now: float) -> Sequence[AssistantOutcome]:
        return ()

    def is_reply_owed(self, _now: float) -> bool:
        return False

    def send(self, message: object) -> None:
        raise AssertionError(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed.append((code, reason))


def attached_one() -> tuple[Attached, Receive, list[Event]]:
    """One assistant in a slot, what to give its messages to, and what the core was told."""
    attached, told, receives = Attached(), list[Event](), list[Receive]()

    def connect(_command: OpenAssistant, receive: Receive, _lost: Lost) -> Connection:
        receives.append(receive)
        return Connection(attached, attached, Toolbox("a", {}).open(call_id="CA1", parameters={}))

    slot = AssistantSlot(connect, lambda event, _now: told.append(event), lambda: None, lambda: 0.0)
    slot.open(OpenAssistant("CA1", PCMU_8K), 0.0)
    return attached, receives[0], told


def test_an_assistant_that_sends_malformed_messages_without_an_end_is_closed() -> None:
    attached, receive, told = attached_one()
    for _ in range(MOST_MALFORMED):
        receive("rubbish")
    assert (attached.closed, {type(event) for event in told}) == ([], {MessageRefused})
    for _ in range(10):
        receive("rubbish")
    reason = "more than 1000 malformed messages"
    assert attached.closed == [(1008, reason)]
    assert told[MOST_MALFORMED + 1 :] == [LegLost(LegName.ASSISTANT, 1008, reason)]


def test_an_assistant_beyond_a_limit_is_closed_with_the_reason() -> None:
    attached, receive, told = attached_one()
    receive("too much")
    assert attached.closed == [(1008, "more than 10 items")]
    assert told == [LegLost(LegName.ASSISTANT, 1008, "more than 10 items")]


@pytest.fixture
async def sockets() -> AsyncIterator[AssistantSockets]:
    sockets = AssistantSockets(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    yield sockets
    await sockets.aclose()


@asynccontextmanager
async def assistant(converse: Converse) -> AsyncIterator[SocketAddress]:
    """A server that says what `converse` writes, and then waits until the bridge is gone."""

    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = next(line[19:] for line in head.splitlines() if line.startswith("Sec-WebSocket-Key: "))
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
            )
            await converse(writer)
            while await reader.read(65_536):
                pass

    server = await asyncio.start_server(each, "127.0.0.1", 0)
    try:
        yield SocketAddress(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {})
    finally:
        server.close()
        await server.wait_closed()


def frames(messages: Sequence[str]) -> bytes:
    return b"".join(Frame(Opcode.TEXT, message.encode()).serialize(mask=False) for message in messages)


async def test_a_flood_comes_in_order_in_slices_and_the_loss_behind_it(sockets: AssistantSockets) -> None:
    async def converse(writer: asyncio.StreamWriter) -> None:
        writer.write(frames(FLOOD) + Frame(Opcode.CLOSE, b"\x03\xe9away").serialize(mask=False))
        await writer.drain()

    story: list[object] = []
    lost = asyncio.Event()
    turns = 0

    def receive(message: LegMessage) -> None:
        until = time.perf_counter() + SLICE_S / 20
        while time.perf_counter() < until:
            pass  # the work of a message
        story.append(message)

    def lose(code: int, reason: str) -> None:
        story.append((code, reason))
        lost.set()

    def count_turn() -> None:
        nonlocal turns
        turns += 1
        if not lost.is_set():
            asyncio.get_running_loop().call_soon(count_turn)

    async with assistant(converse) as address, asyncio.timeout(GIVE_UP_S):
        sockets.connect(address, receive, lose)
        count_turn()
        await lost.wait()
    assert story == [*FLOOD, (1001, "away")]
    assert turns > len(FLOOD) / 20 / 2, "other calls had their turns"


async def test_a_leg_that_is_closed_for_its_flood_is_not_read_any_more(sockets: AssistantSockets) -> None:
    async def converse(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(frames(FLOOD))
            await writer.drain()

    came: list[object] = []
    closed = asyncio.Event()

    def receive(message: LegMessage) -> None:
        came.append(message)
        if len(came) == 100:
            leg.close(1008, "too much")
            closed.set()

    async with assistant(converse) as address, asyncio.timeout(GIVE_UP_S):
        leg = sockets.connect(address, receive, lambda code, reason: came.append((code, reason)))
        await closed.wait()
        for _ in range(100):  # what was read already
            await asyncio.sleep(0)
        assert came == FLOOD[:100]
        await sockets.aclose()
