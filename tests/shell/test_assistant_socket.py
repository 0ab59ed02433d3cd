"""The leg to a remote assistant over real sockets: what waits, what is refused, how a loss is told, what is left."""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from bridge.settings.assistants import UPGRADED, Pings, SocketAddress
from bridge.shell import assistant_socket
from bridge.shell.assistant_socket import AssistantSocketLeg, AssistantSockets
from bridge.vocabulary.contracts import LegMessage

GIVE_UP_S = 5.0

HELLO = Frame(Opcode.TEXT, b"hello").serialize(mask=False)

AT_ONCE_S = 0.5
"""A caller waits meanwhile. Half of what may pass before a loss is known."""


class Call:
    """The near end of a leg: hears messages and losses, in order."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[LegMessage] = asyncio.Queue()
        self.losses: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    def lost(self, code: int, reason: str) -> None:
        self.losses.put_nowait((code, reason))

    async def hears(self) -> LegMessage:
        async with asyncio.timeout(GIVE_UP_S):
            return await self.heard.get()

    async def loses(self) -> tuple[int, str]:
        async with asyncio.timeout(GIVE_UP_S):
            return await self.losses.get()


@pytest.fixture
async def sockets() -> AsyncIterator[AssistantSockets]:
    sockets = AssistantSockets(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    yield sockets
    await sockets.aclose()


def connects(
    sockets: AssistantSockets, call: Call, address: SocketAddress, *, timeout_s: float = GIVE_UP_S
) -> AssistantSocketLeg:
    leg = sockets.connect(address, call.heard.put_nowait, call.lost, timeout_s=timeout_s)
    assert (call.heard.empty(), call.losses.empty()) == (True, True)
    return leg


@asynccontextmanager
async def raw(
    converse: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[SocketAddress]:
    """A server for which `converse` plays each connection, to its end."""

    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):  # the bridge went first
            await converse(reader, writer)

    server = await asyncio.start_server(each, "127.0.0.1", 0)
    try:
        yield at(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def strict(converse: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[SocketAddress]:
    async with serve(converse, "127.0.0.1", 0, max_size=None) as server:
        yield at(next(iter(server.sockets)).getsockname()[1])


def at(port: int) -> SocketAddress:
    return SocketAddress(f"ws://127.0.0.1:{port}/?api-key=sesame", {"Authorization": "Bearer sesame"})


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line[19:] for line in head.splitlines() if line.startswith("Sec-WebSocket-Key: "))
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
    )


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Until the bridge is gone."""
    while await reader.read(65_536):
        pass


# What is said


async def test_what_is_said_too_early_waits_and_keeps_its_place(sockets: AssistantSockets) -> None:
    async def assistant(peer: ServerConnection) -> None:
        assert peer.request is not None
        await peer.send(peer.request.headers["Authorization"] + " " + peer.request.path)
        async for message in peer:
            await peer.send(message)

    call = Call()

    def receive(message: LegMessage) -> None:
        if str(message).startswith("Bearer"):
            leg.send("answer")
        call.heard.put_nowait(message)

    async with strict(assistant) as address:
        leg = sockets.connect(address._replace(tells_upgrade=True), receive, call.lost)
        assert leg.stalled  # audio would be spoken to nobody
        for message in ("1", b"2", "3"):
            leg.send(message)
        assert await call.hears() == UPGRADED
        assert not leg.stalled
        assert await call.hears() == "Bearer sesame /?api-key=sesame"
        assert [await call.hears() for _ in range(4)] == ["1", b"2", "3", "answer"]
        leg.close()


async def test_a_reply_may_come_in_megabytes(sockets: AssistantSockets) -> None:
    audio = "x" * 2_000_000

    async def assistant(peer: ServerConnection) -> None:
        await peer.send(audio)
        await peer.send([audio, audio])
        await peer.recv()
        with suppress(ConnectionClosed):  # the system may take all of it before it is refused
            await peer.send("x" * (assistant_socket.MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed):
            await peer.recv()

    call = Call()
    async with strict(assistant) as address:
        leg = connects(sockets, call, address)
        assert await call.hears() == audio
        assert await call.hears() == audio + audio
        leg.send("and on")
        assert (await call.loses())[0] == 1009


@pytest.mark.parametrize("much", [["x"] * 4, ["x" * 6, "x" * 5]], ids=["in number", "in bytes"])
async def test_too_much_said_too_early_costs_the_leg(
    sockets: AssistantSockets, monkeypatch: pytest.MonkeyPatch, much: list[str]
) -> None:
    monkeypatch.setattr(assistant_socket, "MOST_WAITING", 3)
    monkeypatch.setattr(assistant_socket, "MOST_WAITING_BYTES", 10)
    call = Call()
    async with raw(silence) as address:
        leg = connects(sockets, call, address)
        for message in much:
            leg.send(message)
        assert call.losses.empty()
        leg.send("and more")
        assert await call.loses() == (1011, "more waits for the connection than 3 messages or 10 bytes")
        await asyncio.wait([leg.task])
        closed = connects(sockets, call, address)
        for message in much:
            closed.send(message)
        closed.close()
        await asyncio.wait([closed.task])
    assert call.losses.empty()


# Refusals

REFUSED, NOT_THERE = "the upgrade was refused with HTTP ", "no WebSocket was opened: "

ANSWERS = [  # to the upgrade; what the call is told
    ("HTTP/1.1 401 Unauthorized", 1008, REFUSED + "401: the key is missing or not accepted"),
    ("HTTP/1.1 403 Forbidden", 1008, REFUSED + "403: the key has no permission, or none from this address"),
    ("HTTP/1.1 404 Not Found", 1008, REFUSED + "404: there is no such address or no such model"),
    ("HTTP/1.1 400 Bad Request", 1008, REFUSED + "400"),
    # the key is for the address it was given for
    ("HTTP/1.1 307 Elsewhere\r\nLocation: /", 1008, REFUSED + "307"),
    ("HTTP/1.1 200 OK", 1008, REFUSED + "200"),
    ("HTTP/1.1 429 Slowly", 1013, REFUSED + "429: there were too many requests, or the quota is used up"),
    ("HTTP/1.1 503 Service Unavailable", 1013, REFUSED + "503"),
    ("HTTP/1.1 529 Overloaded", 1013, REFUSED + "529"),  # Python does not know it
    ("HTTP/1.0 403 Forbidden", 1008, REFUSED + "403: the key has no permission, or none from this address"),
    ("HTTP/1.1 101 Of course", 1006, NOT_THERE + "the answer is not a WebSocket upgrade"),
    ("220 mail.example.com ESMTP", 1006, NOT_THERE + "the answer is not a WebSocket upgrade"),
    ("", 1006, NOT_THERE + "the server closed the connection without an answer"),
]


@pytest.mark.parametrize(("answer", "code", "reason"), ANSWERS)
async def test_a_refusal_is_told_by_what_a_second_try_would_bring(
    sockets: AssistantSockets, answer: str, code: int, reason: str
) -> None:
    asked = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        if answer:
            writer.write(f"{answer}\r\nContent-Length: 6\r\n\r\nsesame".encode())
            await reader.read()

    call = Call()
    async with raw(refuse) as address:
        connects(sockets, call, address).send("settings")
        assert await call.loses() == (code, reason)
    assert call.losses.empty()
    assert asked == 1


async def test_a_server_that_never_answers_is_given_up(sockets: AssistantSockets) -> None:
    hung_up = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silence(reader, writer)
        hung_up.set()

    call = Call()
    async with raw(mute) as address:
        connects(sockets, call, address, timeout_s=0.05)
        assert await call.loses() == (1006, "no answer within 0.05 s")
        async with asyncio.timeout(AT_ONCE_S):
            await hung_up.wait()


# Ends


@pytest.mark.parametrize(
    ("said", "told"), [("expired", "expired"), ("wrong key: sk-sesame", "wrong key: ***")]
)
async def test_the_assistant_closes(sockets: AssistantSockets, said: str, told: str) -> None:
    async def assistant(peer: ServerConnection) -> None:
        await peer.close(1001, said)

    call = Call()
    async with strict(assistant) as address:
        leg = connects(sockets, call, address)
        assert await call.loses() == (1001, told)
        assert leg.over
        leg.send("into the void")
        leg.close()
        await asyncio.wait([leg.task])
    assert call.losses.empty()


async def test_we_close_behind_what_was_said_and_are_told_nothing_more(sockets: AssistantSockets) -> None:
    said: list[str | bytes] = []
    end: asyncio.Future[tuple[int | None, str | None]] = asyncio.Future()

    async def assistant(peer: ServerConnection) -> None:
        await peer.send("hello")
        said.extend([message async for message in peer])
        end.set_result((peer.close_code, peer.close_reason))

    call = Call()
    async with strict(assistant) as address:
        leg = connects(sockets, call, address)
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


@pytest.mark.parametrize("when", ["at once", "while the upgrade is awaited", "as the upgrade comes"])
async def test_closed_before_it_is_open_it_is_given_up(sockets: AssistantSockets, when: str) -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()
    said = b""

    async def assistant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        if when == "as the upgrade comes":
            await upgrade(reader, writer)
            leg.close()
        else:
            await reader.readuntil(b"\r\n\r\n")
        asked.set()
        try:
            said = await reader.read()
        finally:  # or it was reset
            hung_up.set()

    call = Call()
    async with raw(assistant) as address:
        leg = connects(sockets, call, address)
        leg.send("settings")
        if when != "at once":
            await asked.wait()
        leg.close()
        leg.send("too late")
        async with asyncio.timeout(AT_ONCE_S):
            await asyncio.wait([leg.task])
            if asked.is_set():
                await hung_up.wait()
    assert said == b""
    assert call.losses.empty()


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed without a word"])
async def test_a_connection_that_breaks_is_known_at_once(sockets: AssistantSockets, reset: bool) -> None:
    broke_at = 0.0

    async def assistant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal broke_at
        await upgrade(reader, writer)
        writer.write(HELLO)
        await reader.readexactly(1)
        broke_at = time.monotonic()
        if reset:  # nothing lingers
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        writer.transport.abort()

    call = Call()
    async with raw(assistant) as address:
        leg = connects(sockets, call, address)
        await call.hears()
        leg.send("go")
        assert await call.loses() == (1006, "the connection broke")
        assert time.monotonic() - broke_at < AT_ONCE_S


async def test_the_end_drops_what_stands_and_what_is_being_made() -> None:
    async def assistant(peer: ServerConnection) -> None:
        await peer.send(await peer.recv())
        await peer.wait_closed()

    sockets, talking, connecting = AssistantSockets(), Call(), Call()
    async with strict(assistant) as address, raw(silence) as nowhere:
        standing = connects(sockets, talking, address)
        standing.send("hello")
        await talking.hears()
        coming = connects(sockets, connecting, nowhere)
        async with asyncio.timeout(AT_ONCE_S):
            await sockets.aclose()
        assert standing.task.done()
        assert coming.task.done()
        assert await talking.loses() == (1006, "the connection broke")
        assert connecting.losses.empty()


# Who reads nothing, who says nothing


async def test_an_assistant_that_answers_no_ping_is_gone(sockets: AssistantSockets) -> None:

    async def dead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await silence(reader, writer)

    call = Call()
    async with raw(dead) as address:
        connects(sockets, call, address._replace(pings=Pings(idle_s=0.02, answer_s=0.02)))
        assert await call.loses() == (1006, "no answer to a ping")


@pytest.mark.parametrize("word", [Opcode.PONG, Opcode.TEXT])
async def test_whatever_an_assistant_says_answers_a_ping(sockets: AssistantSockets, word: Opcode) -> None:
    pings = 0

    async def assistant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pings
        await upgrade(reader, writer)
        while pings < 3:
            first, *_ = await reader.readexactly(6)  # two bytes of head, four of mask
            assert first == 0x80 | Opcode.PING
            pings += 1
            writer.write(Frame(word, b"").serialize(mask=False))
        writer.write(b"\x88\x02\x03\xe9")

    call = Call()
    async with raw(assistant) as address:
        connects(sockets, call, address._replace(pings=Pings(idle_s=0.15, answer_s=0.15)))
        assert (await call.loses())[0] == 1001
    assert pings == 3
