"""A peer that is gone, or that reads nothing: what notices it, and after how long."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.frames import Frame, Opcode

from bridge.settings.assistants import Pings
from bridge.shell import websocket
from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect as open_socket
from bridge.shell.websocket_server import accept, listen
from bridge.vocabulary.contracts import WireMessage

GIVE_UP_S = 10.0


class Accepted:
    """The leg of a media socket, and what it received."""

    def __init__(self, pings: Pings | None) -> None:
        self.received: asyncio.Queue[WireMessage] = asyncio.Queue()
        self.lost: asyncio.Future[tuple[int, str]] = asyncio.Future()
        self.leg = SocketLeg(
            self.received.put_nowait, lambda *how: self.lost.set_result(how), self._keep, pings=pings
        )
        self.port = 0
        self.connected: socket.socket

    def _keep(self, leg: SocketLeg) -> None:
        assert leg._transport is not None
        self.connected = leg._transport.underlying_transport.get_extra_info("socket")


@asynccontextmanager
async def accepting(pings: Pings | None = None) -> AsyncIterator[Accepted]:
    accepted = Accepted(pings)
    server = await listen(lambda: accept(lambda _path, _headers: accepted.leg), "127.0.0.1", 0, None)
    try:
        accepted.port = server.sockets[0].getsockname()[1]
        yield accepted
    finally:
        accepted.leg.abort()
        async with asyncio.timeout(GIVE_UP_S):
            await accepted.lost
        server.close()
        await server.wait_closed()


async def silent_peer(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that upgrades, and then neither sends nor reads."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await reader.readexactly(1)
    return reader, writer


async def test_a_half_open_line_is_noticed_by_a_ping() -> None:
    async with accepting(Pings(0.1, 0.1)) as accepted:
        _, writer = await silent_peer(accepted.port)
        async with asyncio.timeout(GIVE_UP_S):
            assert await accepted.lost == (1006, "no answer to a ping")
        writer.transport.abort()


async def test_a_peer_that_pauses_and_answers_pings_keeps_its_socket() -> None:
    async with accepting(Pings(0.1, 0.1)) as accepted, connect(f"ws://127.0.0.1:{accepted.port}/") as peer:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(accepted.lost), 0.6)
        await peer.send("back again")
        assert await accepted.received.get() == "back again"


async def test_a_peer_that_sends_and_reads_nothing_is_dropped_however_little_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "STALL_TIMEOUT_S", 0.3)
    async with accepting() as accepted:
        _, writer = await silent_peer(accepted.port)
        while accepted.leg.backlog == 0:
            accepted.leg.send("x" * 30_000)
        assert not accepted.leg.stalled  # so little waits that the socket does not count as full
        async with asyncio.timeout(GIVE_UP_S):
            while not accepted.lost.done():
                writer.write(Frame(Opcode.TEXT, b"still here").serialize(mask=True))
                await asyncio.wait([accepted.lost], timeout=0.02)
        assert accepted.lost.result() == (1006, "the peer has read nothing for 0.3 s")
        assert accepted.received.get_nowait() == "still here"
        writer.transport.abort()


async def test_a_peer_that_reads_slowly_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "STALL_TIMEOUT_S", 0.5)
    async with accepting() as accepted:
        reader, writer = await silent_peer(accepted.port)
        while accepted.leg.backlog == 0:
            accepted.leg.send("x" * 30_000)
        for _ in range(12):
            await reader.read(1_000_000)
            while accepted.leg.backlog == 0:
                accepted.leg.send("x" * 30_000)
            await asyncio.sleep(0.1)
        assert not accepted.lost.done()
        writer.transport.abort()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the platform has no TCP_USER_TIMEOUT")
async def test_the_system_drops_what_is_not_confirmed_on_both_kinds_of_legs() -> None:
    async with accepting() as accepted, connect(f"ws://127.0.0.1:{accepted.port}/"):
        assert user_timeout_ms(accepted.connected) == 10_000
    lost: asyncio.Future[int] = asyncio.Future()
    async with serve(lambda peer: peer.wait_closed(), "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        leg = await open_socket(url, print, lambda code, _why: lost.set_result(code))
        assert leg._transport is not None
        assert user_timeout_ms(leg._transport.underlying_transport.get_extra_info("socket")) == 10_000
        leg.close()
        assert await lost == 1000


def user_timeout_ms(connected: socket.socket) -> int:
    return connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
