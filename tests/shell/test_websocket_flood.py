"""A peer that sends too much: how much of it is handled in one turn of the event loop, and what closes the connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from websockets.frames import Frame, Opcode

from bridge.shell.websocket import PINGS_AT_ONCE, TURN_MESSAGES, SocketLeg
from bridge.shell.websocket_server import accept, listen
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.message_rate import MessageRate

GIVE_UP_S = 10.0

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Peer:
    """A leg, what it received, and the raw connection of its peer. `turns`: of the event loop so far."""

    def __init__(self, rate: MessageRate | None) -> None:
        self.received: list[tuple[int, WireMessage]] = []
        self.lost: asyncio.Future[tuple[int, str]] = asyncio.Future()
        self.turns = 0
        self.raises, self.drops = "a fault", "a drop"  # at which message
        self.leg = SocketLeg(self._receive, lambda code, why: self.lost.set_result((code, why)), rate=rate)
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self._counts = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self.turns += 1
        self._counts = asyncio.get_running_loop().call_soon(self._turn)

    def _receive(self, message: WireMessage) -> None:
        self.received.append((self.turns, message))
        if message == self.raises:
            raise RuntimeError("a fault of ours")
        if message == self.drops:
            self.leg.abort()

    def sends(self, *frames: Frame) -> None:
        self.writer.write(b"".join(frame.serialize(mask=True) for frame in frames))

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(GIVE_UP_S):
            while not is_so():  # noqa: ASYNC110  # each case waits for another thing
                await asyncio.sleep(0.001)

    def is_read(self) -> bool:
        """Whether more is read of what it sends."""
        assert self.leg._transport is not None
        return self.leg._transport.underlying_transport.is_reading()

    async def is_lost(self) -> tuple[int, str]:
        async with asyncio.timeout(GIVE_UP_S):
            return await self.lost

    def close(self) -> None:
        self._counts.cancel()
        self.writer.transport.abort()


@asynccontextmanager
async def connected(
    rate: MessageRate | None = None, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
) -> AsyncIterator[Peer]:
    """The peer of a leg of a real server, after the upgrade."""
    peer = Peer(rate)
    server = await listen(lambda: accept(lambda _path, _headers: peer.leg), "127.0.0.1", 0, tls and tls[0])
    try:
        port = server.sockets[0].getsockname()[1]
        peer.reader, peer.writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls and tls[1])
        peer.writer.write(UPGRADE)
        await peer.reader.readuntil(b"\r\n\r\n")
        yield peer
    finally:
        peer.close()
        server.close()
        await server.wait_closed()
        await asyncio.wait([peer.lost], timeout=GIVE_UP_S)


def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def text(words: str) -> Frame:
    return Frame(Opcode.TEXT, words.encode())


def numbered(count: int, size: int = 1) -> list[Frame]:
    return [text(f"{n:0{size}}") for n in range(count)]


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(("count", "size"), [(1_000, 1), (1_000, 300), (60, 5_000)])
async def test_what_comes_at_once_is_handled_in_order_in_many_turns(
    count: int, size: int, is_secure: bool
) -> None:
    async with connected(tls=certified() if is_secure else None) as peer:
        peer.sends(*numbered(count, size))
        await peer.until(lambda: len(peer.received) == count)
        assert [message for _, message in peer.received] == [f"{n:0{size}}" for n in range(count)]
        turns = [turn for turn, _ in peer.received]
        most = 2 * TURN_MESSAGES  # the first time it may be twice as many
        assert max(turns.count(turn) for turn in set(turns)) <= most
        assert sorted(turns.count(turn) for turn in set(turns))[-2] <= TURN_MESSAGES


async def test_a_call_is_not_paused_by_what_comes_evenly() -> None:
    async with connected() as peer:
        for n in range(3 * TURN_MESSAGES):
            peer.sends(text(str(n)))
            await peer.until(lambda n=n: len(peer.received) == n + 1)  # type: ignore[misc]
        assert [message for _, message in peer.received] == [str(n) for n in range(3 * TURN_MESSAGES)]


async def test_fragments_pings_and_the_close_keep_their_place_in_a_burst() -> None:
    async with connected() as peer:
        peer.sends(
            *numbered(40),
            Frame(Opcode.TEXT, b"in ", fin=False),
            Frame(Opcode.PING, b"ping"),
            Frame(Opcode.CONT, b"two"),
            Frame(Opcode.BINARY, b"\x00"),
            text("the last"),
            Frame(Opcode.CLOSE, b"\x0f\xa1bye"),
        )
        assert await peer.is_lost() == (4001, "bye")
        assert [message for _, message in peer.received[40:]] == ["in two", b"\x00", "the last"]
        assert await peer.reader.read() == b"\x8a\x04ping\x88\x02\x0f\xa1"


async def test_what_came_before_the_connection_broke_is_handled() -> None:
    async with connected() as peer:
        peer.sends(*numbered(200))
        peer.writer.write_eof()
        assert await peer.is_lost() == (1006, "the connection broke")
        assert [message for _, message in peer.received] == [str(n) for n in range(200)]


async def test_nothing_is_handled_after_the_leg_was_dropped() -> None:
    async with connected() as peer:
        peer.drops = "39"
        peer.sends(*numbered(200))
        assert (await peer.is_lost())[0] == 1006
        assert len(peer.received) == 40


async def test_a_fault_of_ours_in_a_burst_ends_it_as_elsewhere() -> None:
    async with connected() as peer:
        peer.raises = "39"
        peer.sends(*numbered(60))
        assert (await peer.is_lost())[0] == 1011
        assert len(peer.received) == 40


TOO_MANY = (1008, "too many messages: expected those of one call")
FLOODS = [
    ("texts", [text("x")] * 2_000),
    ("empty texts", [text("")] * 2_000),
    ("pongs", [Frame(Opcode.PONG, b"")] * 2_000),
    ("fragments", [Frame(Opcode.TEXT, b"", fin=False), *[Frame(Opcode.CONT, b"", fin=False)] * 2_000]),
    ("long texts", [text("x" * 60_000)] * 50),
    ("pings", [Frame(Opcode.PING, b"x")] * 2_000),
]


@pytest.mark.parametrize("frames", [flood[1] for flood in FLOODS], ids=[flood[0] for flood in FLOODS])
async def test_a_flood_closes_the_connection(frames: list[Frame]) -> None:
    async with connected(MessageRate(per_s=10.0, at_once=400)) as peer:
        peer.sends(*frames)
        code, reason = await peer.is_lost()
        assert code == 1008
        assert reason in {TOO_MANY[1], "too many pings: expected at most 5 a second"}
        assert len(peer.received) <= 400 + TURN_MESSAGES
        assert peer.leg.backlog == 0


async def test_a_flood_after_our_close_is_not_waited_for() -> None:
    async with connected(MessageRate(per_s=10.0, at_once=100)) as peer:
        peer.leg.close(1000, "the call ended")
        peer.sends(*numbered(1_000))
        async with asyncio.timeout(2.0):  # the answer to a close is waited for longer
            assert (await peer.lost)[0] == 1000
        assert peer.received == []


async def test_pings_are_answered_and_too_many_close_the_connection() -> None:
    async with connected() as peer:
        peer.sends(*[Frame(Opcode.PING, b"%02d" % n) for n in range(PINGS_AT_ONCE)])
        for n in range(PINGS_AT_ONCE):
            assert await peer.reader.readexactly(4) == b"\x8a\x02%02d" % n
        peer.sends(*[Frame(Opcode.PING, b"")] * 1_000)
        await peer.until(lambda: len(peer.leg._held) == 0 and peer.leg._left > TURN_MESSAGES)
        assert not peer.is_read()
        assert await peer.is_lost() == (1008, "too many pings: expected at most 5 a second")


async def test_pings_of_a_peer_that_reads_nothing_add_nothing_to_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.shell.websocket.STALL_TIMEOUT_S", 0.5)
    async with connected() as peer:
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        while not peer.leg.backlog:
            peer.leg.send("x" * 30_000)
        await asyncio.sleep(0.05)
        waits = peer.leg.backlog
        peer.sends(*[Frame(Opcode.PING, b"%02d" % n) for n in range(30)], text("and now"))
        await peer.until(lambda: bool(peer.received))
        assert peer.leg.backlog <= waits
        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        read = b""
        async with asyncio.timeout(GIVE_UP_S):
            while not read.endswith(b"\x8a\x0229"):
                read = read[-100:] + await peer.reader.read(1_000_000)
        assert b"\x8a\x0228" not in read


async def test_a_peer_that_sends_much_before_it_has_the_answer_gets_none() -> None:
    async with connected() as peer:
        host, port = peer.writer.get_extra_info("peername")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(UPGRADE + text("x").serialize(mask=True) * 10_000)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()
        peer.leg.close()
        peer.sends(Frame(Opcode.CLOSE, b"\x03\xe8"))
        assert (await peer.is_lost())[0] == 1000


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "TLS"])
async def test_a_flood_does_not_pile_up_in_this_process(is_secure: bool) -> None:
    """Of a peer whose rate is not limited either: what it sends waits in the system, which stops it."""
    async with connected(tls=certified() if is_secure else None) as peer:
        peer.sends(*numbered(20_000))
        most = 0
        async with asyncio.timeout(GIVE_UP_S):
            while len(peer.received) < 20_000:
                most = max(most, len(peer.leg._held))
                await asyncio.sleep(0)
        assert 0 < most < 2_000
        assert [message for _, message in peer.received] == [str(n) for n in range(20_000)]
