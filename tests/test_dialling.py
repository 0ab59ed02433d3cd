"""The way to a remote assistant over real sockets: what waits, what is refused, how a loss is told, what is left."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from bridge import dialling
from bridge.assistant_settings import Address
from bridge.contracts import Message
from bridge.dialling import DialledLeg, Dialler
from bridge.network import Pings

PATIENCE_S = 5.0

AT_ONCE_S = 0.5
"""A caller waits meanwhile. Half of what may pass before a loss is known."""


class Call:
    """The near end of a leg: hears messages and losses, in order."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self.losses: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    def lost(self, code: int, reason: str) -> None:
        self.losses.put_nowait((code, reason))

    async def hears(self) -> Message:
        async with asyncio.timeout(PATIENCE_S):
            return await self.heard.get()

    async def loses(self) -> tuple[int, str]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.losses.get()


@pytest.fixture
async def dialler() -> AsyncIterator[Dialler]:
    dialler = Dialler(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    yield dialler
    await dialler.aclose()


def dials(dialler: Dialler, call: Call, address: Address, *, timeout_s: float = PATIENCE_S) -> DialledLeg:
    leg = dialler.dial(address, call.heard.put_nowait, call.lost, timeout_s=timeout_s)
    assert call.heard.empty()
    assert call.losses.empty()
    return leg


Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(converse: Converse) -> AsyncIterator[Address]:
    """A server for which `converse` plays each connection, to its end."""

    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the bridge went first
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(each, "127.0.0.1", 0)
    try:
        yield at(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def strict(converse: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[Address]:
    async with serve(converse, "127.0.0.1", 0, max_size=None) as server:
        yield at(next(iter(server.sockets)).getsockname()[1])


def at(port: int) -> Address:
    return Address(f"ws://127.0.0.1:{port}/?api-key=sesame", {"Authorization": "Bearer sesame"})


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line[19:] for line in head.splitlines() if line.startswith("Sec-WebSocket-Key: "))
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
    )


def to_client(opcode: Opcode, payload: bytes = b"") -> bytes:
    return Frame(opcode, payload).serialize(mask=False)


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Until the bridge is gone."""
    while await reader.read(65_536):
        pass


# What is said


async def test_what_is_said_too_early_waits_and_keeps_its_place(dialler: Dialler) -> None:
    async def assistant(peer: ServerConnection) -> None:
        assert peer.request is not None
        await peer.send(peer.request.headers["Authorization"] + " " + peer.request.path)
        async for message in peer:
            await peer.send(message)

    call = Call()

    def receive(message: Message) -> None:
        if str(message).startswith("Bearer"):
            leg.send("answer")
        call.heard.put_nowait(message)

    async with strict(assistant) as address:
        leg = dialler.dial(address, receive, call.lost)
        assert leg.stalled  # audio would be spoken to nobody
        for message in ("1", b"2", "3"):
            leg.send(message)
        assert await call.hears() == "Bearer sesame /?api-key=sesame"
        assert not leg.stalled
        assert [await call.hears() for _ in range(4)] == ["1", b"2", "3", "answer"]
        leg.close()


async def test_a_reply_may_come_in_megabytes(dialler: Dialler) -> None:
    audio = "x" * 3_000_000

    async def assistant(peer: ServerConnection) -> None:
        await peer.send(audio)
        await peer.send([audio, audio])
        await peer.recv()
        with pytest.raises(ConnectionClosed):
            await peer.send("x" * (dialling.MAX_MESSAGE_BYTES + 1))

    call = Call()
    async with strict(assistant) as address:
        leg = dials(dialler, call, address)
        assert await call.hears() == audio
        assert await call.hears() == audio + audio
        leg.send("and on")
        assert (await call.loses())[0] == 1009


@pytest.mark.parametrize("much", [["x"] * 4, ["x" * 6, "x" * 5]], ids=["in number", "in bytes"])
async def test_too_much_said_too_early_costs_the_leg(
    dialler: Dialler, monkeypatch: pytest.MonkeyPatch, much: list[str]
) -> None:
    monkeypatch.setattr(dialling, "MOST_WAITING", 3)
    monkeypatch.setattr(dialling, "MOST_WAITING_BYTES", 10)
    call = Call()
    async with raw(silence) as address:
        leg = dials(dialler, call, address)
        for message in much:
            leg.send(message)
        assert call.losses.empty()
        leg.send("and more")
        assert await call.loses() == (1011, "too much was sent before the connection stood")
        await asyncio.wait([leg.task])


# Refusals

REFUSALS = [  # HTTP status, what the call is told
    ("401 Unauthorized", 1008, "HTTP 401: the key is missing, or not accepted"),
    ("403 Forbidden", 1008, "HTTP 403: the key may not use this, or not from here"),
    ("404 Not Found", 1008, "HTTP 404: no such address, or no such model"),
    ("400 Bad Request", 1008, "HTTP 400"),
    ("307 Temporary Redirect\r\nLocation: /", 1008, "HTTP 307"),  # the key is for the address that was named
    ("200 OK", 1008, "HTTP 200"),
    ("429 Too Many Requests", 1013, "HTTP 429: too many requests, or the quota is used up"),
    ("408 Request Timeout", 1013, "HTTP 408"),
    ("500 Internal Server Error", 1013, "HTTP 500"),
    ("503 Service Unavailable", 1013, "HTTP 503"),
    ("529 Overloaded", 1013, "HTTP 529"),  # a status that Python does not know
]


@pytest.mark.parametrize(("status", "code", "reason"), REFUSALS, ids=[row[0][:3] for row in REFUSALS])
async def test_a_refusal_is_told_by_what_a_second_try_would_bring(
    dialler: Dialler, status: str, code: int, reason: str
) -> None:
    asked = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\nsesame".encode())
        await reader.read()

    call = Call()
    async with raw(refuse) as address:
        dials(dialler, call, address).send("settings")
        assert await call.loses() == (code, f"the upgrade was refused with {reason}")
    assert call.losses.empty()
    assert asked == 1


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.com ESMTP\r\n\r\n", b"HTTP/1.1 101 Yes\r\n\r\n"])
async def test_a_server_of_something_else_is_no_connection(dialler: Dialler, answer: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    call = Call()
    async with raw(babble) as address:
        dials(dialler, call, address)
        code, reason = await call.loses()
    assert code == 1006
    assert reason.startswith("no WebSocket there: ")


async def test_a_server_that_never_answers_is_given_up(dialler: Dialler) -> None:
    hung_up = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silence(reader, writer)
        hung_up.set()

    call = Call()
    async with raw(mute) as address:
        dials(dialler, call, address, timeout_s=0.05)
        assert await call.loses() == (1006, "no answer within 0.05 s")
        async with asyncio.timeout(AT_ONCE_S):
            await hung_up.wait()


# Ends


async def test_the_assistant_closes(dialler: Dialler) -> None:
    async def assistant(peer: ServerConnection) -> None:
        await peer.close(1001, "expired")

    call = Call()
    async with strict(assistant) as address:
        leg = dials(dialler, call, address)
        assert await call.loses() == (1001, "expired")
        assert leg.over
        leg.send("into the void")
        leg.close()
        await asyncio.wait([leg.task])
    assert call.losses.empty()


async def test_we_close_behind_what_was_said_and_are_told_nothing_more(dialler: Dialler) -> None:
    said: list[str | bytes] = []
    end: asyncio.Future[tuple[int | None, str | None]] = asyncio.Future()

    async def assistant(peer: ServerConnection) -> None:
        await peer.send("hello")
        said.extend([message async for message in peer])
        end.set_result((peer.close_code, peer.close_reason))

    call = Call()
    async with strict(assistant) as address:
        leg = dials(dialler, call, address)
        leg.send("1")
        await call.hears()
        leg.send("2")
        leg.close(1000, "done")
        leg.close()
        leg.send("too late")
        assert await end == (1000, "done")
        await asyncio.wait([leg.task])
    assert said == ["1", "2"]
    assert call.losses.empty()


@pytest.mark.parametrize("how", ["at once", "while the upgrade is awaited"])
async def test_closed_before_it_stands_the_connection_is_given_up(dialler: Dialler, how: str) -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await silence(reader, writer)
        hung_up.set()

    call = Call()
    async with raw(mute) as address:
        leg = dials(dialler, call, address)
        if how != "at once":
            await asked.wait()
        leg.close()
        leg.send("too late")
        async with asyncio.timeout(AT_ONCE_S):
            await asyncio.wait([leg.task])
            if asked.is_set():
                await hung_up.wait()
    assert call.losses.empty()


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed without a word"])
async def test_a_connection_that_breaks_is_known_at_once(dialler: Dialler, reset: bool) -> None:
    broke_at = 0.0

    async def assistant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal broke_at
        await upgrade(reader, writer)
        writer.write(to_client(Opcode.TEXT, b"hello"))
        await reader.readexactly(1)  # what else has come is unread: the kernel resets
        broke_at = time.monotonic()
        if not reset:
            writer.close()

    call = Call()
    async with raw(assistant) as address:
        leg = dials(dialler, call, address)
        await call.hears()
        leg.send("x" * 10_000)
        assert (await call.loses())[0] == 1006
        assert time.monotonic() - broke_at < AT_ONCE_S


async def test_the_end_drops_what_stands_and_what_is_being_made() -> None:
    async def assistant(peer: ServerConnection) -> None:
        await peer.send("hello")
        await peer.wait_closed()

    dialler, talking, dialling_still = Dialler(), Call(), Call()
    async with strict(assistant) as address, raw(silence) as nowhere:
        standing = dials(dialler, talking, address)
        await talking.hears()
        coming = dials(dialler, dialling_still, nowhere)
        async with asyncio.timeout(AT_ONCE_S):
            await dialler.aclose()
        assert standing.task.done()
        assert coming.task.done()
        assert await talking.loses() == (1006, "the connection broke")
        assert dialling_still.losses.empty()


# Who reads nothing, who says nothing

BRISK = Pings(idle_s=0.05, answer_s=0.05)


async def test_an_assistant_that_answers_no_ping_is_gone(
    dialler: Dialler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "PINGS", BRISK)

    async def dead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await silence(reader, writer)

    call = Call()
    async with raw(dead) as address:
        began = time.monotonic()
        dials(dialler, call, address)
        assert await call.loses() == (1006, "no answer to a ping")
        assert BRISK.idle_s + BRISK.answer_s <= time.monotonic() - began < AT_ONCE_S


@pytest.mark.parametrize("word", [Opcode.PONG, Opcode.TEXT])
async def test_whatever_an_assistant_says_answers_a_ping(
    dialler: Dialler, monkeypatch: pytest.MonkeyPatch, word: Opcode
) -> None:
    monkeypatch.setattr(dialling, "PINGS", BRISK)
    pings = 0

    async def assistant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pings
        await upgrade(reader, writer)
        while pings < 4:
            first, *_ = await reader.readexactly(6)  # two bytes of head, four of mask
            assert first == 0x80 | Opcode.PING
            pings += 1
            writer.write(to_client(word))
        writer.write(to_client(Opcode.CLOSE, b"\x03\xe9"))

    call = Call()
    async with raw(assistant) as address:
        dials(dialler, call, address)
        assert (await call.loses())[0] == 1001
    assert pings == 4
