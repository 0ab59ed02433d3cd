"""The waist against a strict peer: what comes through, what closes the leg, and with which code."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
import trustme
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from bridge.shell import websocket
from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect as open_socket
from bridge.shell.websocket_server import accept
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import CallRefused

Lost = asyncio.Future[tuple[int, str]]

GIVE_UP_S = 5.0


def loses(lost: Lost) -> Callable[[int, str], None]:
    return lambda code, reason: lost.set_result((code, reason))


@asynccontextmanager
async def accepting(received: list[WireMessage], lost: Lost) -> AsyncIterator[tuple[str, list[SocketLeg]]]:
    """A server with one leg that keeps what it receives and sends it back."""
    legs: list[SocketLeg] = []

    def answer(path: str, _headers: object) -> SocketLeg | HTTPStatus:
        if path != "/here":
            return HTTPStatus.NOT_FOUND

        def receive(message: WireMessage) -> None:
            received.append(message)
            legs[-1].send(message)

        legs.append(SocketLeg(receive, loses(lost)))
        return legs[-1]

    server = await asyncio.get_running_loop().create_server(lambda: accept(answer), "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/here", legs
    finally:
        server.close()
        await server.wait_closed()


async def test_text_binary_and_fragments_come_through_whole() -> None:
    received: list[WireMessage] = []
    async with accepting(received, asyncio.Future()) as (url, _), connect(url) as peer:
        await peer.send("grüße")
        await peer.send(b"\x00\xff")
        await peer.send(["in ", "three ", "pieces"])
        await peer.send([b"\x01", b"\x02"])
        await peer.send("")
        echoed = [await peer.recv() for _ in range(5)]
    assert received == echoed == ["grüße", b"\x00\xff", "in three pieces", b"\x01\x02", ""]


async def test_a_ping_is_answered() -> None:
    async with accepting([], asyncio.Future()) as (url, _), connect(url) as peer:
        await (await peer.ping())


async def send_raw(peer: ClientConnection, *frames: Frame) -> None:
    for frame in frames:
        peer.transport.write(frame.serialize(mask=True))


class Reserved(Frame):
    """A frame that the peer's library would not send."""

    def check(self) -> None:
        pass


BREACHES = [
    ("text that is not UTF-8", [Frame(Opcode.TEXT, b"\xff\xfe")], 1007),
    (
        "fragments that are not UTF-8",
        [Frame(Opcode.TEXT, b"\xff", fin=False), Frame(Opcode.CONT, b"\xfe")],
        1007,
    ),
    ("reserved bits", [Reserved(Opcode.TEXT, b"x", rsv1=True)], 1002),
    ("a fragment of nothing", [Frame(Opcode.CONT, b"x")], 1002),
    ("a message within a message", [Frame(Opcode.TEXT, b"x", fin=False), Frame(Opcode.TEXT, b"y")], 1002),
    ("a frame too long", [Frame(Opcode.TEXT, b"x" * (websocket.MAX_MESSAGE_BYTES + 1))], 1009),
    (
        "fragments too long together",
        [Frame(Opcode.TEXT, b"x" * 40_000, fin=False), Frame(Opcode.CONT, b"x" * 40_000, fin=False)],
        1009,
    ),
    (
        "fragments without end and without content",
        [
            Frame(Opcode.TEXT, b"", fin=False),
            *[Frame(Opcode.CONT, b"", fin=False)] * websocket.MAX_MESSAGE_BYTES,
        ],
        1009,
    ),
]


@pytest.mark.parametrize(("frames", "code"), [row[1:] for row in BREACHES], ids=[row[0] for row in BREACHES])
async def test_a_breach_of_the_protocol_closes_with_its_code(frames: list[Frame], code: int) -> None:
    lost: Lost = asyncio.Future()
    received: list[WireMessage] = []
    async with accepting(received, lost) as (url, _), connect(url) as peer:
        await send_raw(peer, *frames, Frame(Opcode.TEXT, b"after the breach"))
        with pytest.raises(ConnectionClosed):
            await peer.recv()
        assert peer.close_code == code
        assert (await lost)[0] == code
    assert received == []


async def test_whoever_closes_both_learn_the_code_once() -> None:
    lost: Lost = asyncio.Future()
    async with accepting([], lost) as (url, _), connect(url) as peer:
        await peer.close(4001, "that is all")
        assert await lost == (4001, "that is all")
    lost = asyncio.Future()
    async with accepting([], lost) as (url, legs), connect(url) as peer:
        legs[0].close(1011, "ü" * 100)
        legs[0].close(1000, "again")
        with pytest.raises(ConnectionClosed):
            await peer.recv()
        assert (peer.close_code, peer.close_reason) == (1011, "ü" * 61)
        assert (await lost)[0] == 1011


async def test_a_connection_that_breaks_is_1006() -> None:
    lost: Lost = asyncio.Future()
    async with accepting([], lost) as (url, legs):
        peer = await connect(url)
        peer.transport.abort()
        assert (await lost)[0] == 1006
        legs[0].send("into the void")
        legs[0].close()


async def test_a_peer_that_does_not_answer_the_close_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_S", 0.05)
    lost: Lost = asyncio.Future()
    async with accepting([], lost) as (url, legs):
        reader, writer = await raw_upgrade(url)
        legs[0].close(1000, "bye")
        assert await lost == (1000, "bye")
        await reader.read()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", 1000),
        (b"\x03\xe8", 1000),
        (b"\x0f\xa1bye", 4001),
        (b"\x03\xf3", 1011),
        (b"\x13\x88", 1000),  # 5000
    ],
)
async def test_a_close_is_answered_with_a_code_that_may_be_sent(sent: bytes, answered: int) -> None:
    async with accepting([], asyncio.Future()) as (url, _):
        reader, writer = await raw_upgrade(url)
        writer.write(Frame(Opcode.CLOSE, sent).serialize(mask=True))
        head, length, *code = await reader.readexactly(4)
        assert (head, length, int.from_bytes(bytes(code))) == (0x88, 2, answered)
        writer.close()
        await writer.wait_closed()


async def test_a_peer_that_lets_too_much_wait_is_cut_off_at_once() -> None:
    lost: Lost = asyncio.Future()
    async with accepting([], lost) as (url, legs):
        _, writer = await raw_upgrade(url)
        for _ in range(2 * websocket.MOST_UNREAD_BYTES // 60_000):
            legs[0].send("x" * 60_000)
        assert (await lost)[0] == 1006
        assert legs[0].backlog == 0
        writer.transport.abort()


async def test_a_peer_that_stops_reading_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "STALL_TIMEOUT_S", 0.05)
    lost: Lost = asyncio.Future()
    async with accepting([], lost) as (url, legs):
        _, writer = await raw_upgrade(url)
        while legs[0].backlog < 1_000_000:
            legs[0].send("x" * 60_000)
        assert (await lost)[0] == 1006
        writer.transport.abort()


async def test_a_stalled_reader_shows_until_it_reads_again() -> None:
    lost: Lost = asyncio.Future()
    async with accepting([], lost) as (url, legs):
        reader, writer = await raw_upgrade(url)
        assert not legs[0].stalled
        while not legs[0].stalled:
            legs[0].send("x" * 60_000)
        async with asyncio.timeout(GIVE_UP_S):
            while legs[0].stalled:
                await reader.read(1_000_000)
        legs[0].abort()
        assert await lost == (1006, "the connection broke")
        writer.transport.abort()


async def test_a_peer_that_closes_and_reads_nothing_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PARTING_S", 0.05)
    lost: Lost = asyncio.Future()
    async with accepting([], lost) as (url, legs):
        _, writer = await raw_upgrade(url)
        while not legs[0].stalled:
            legs[0].send("x" * 60_000)
        writer.write(Frame(Opcode.CLOSE, b"\x03\xf3").serialize(mask=True))
        async with asyncio.timeout(GIVE_UP_S):
            assert await lost == (1011, "")
        writer.transport.abort()


async def test_a_peer_that_breaks_the_protocol_and_reads_nothing_can_be_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """picows sends the close frame then, and waits for the peer to read what is before it."""
    monkeypatch.setattr(websocket, "PARTING_S", 0.05)
    lost: Lost = asyncio.Future()
    async with accepting([], lost) as (url, legs):
        _, writer = await raw_upgrade(url)
        unread = -1
        while legs[0].backlog != unread:  # until the kernel takes no more
            while legs[0].backlog == 0:
                legs[0].send("x" * 30_000)
            unread = legs[0].backlog
            await asyncio.sleep(0.01)
        assert not legs[0].stalled
        writer.write(b"\x83\x80....")  # no such frame
        while legs[0].backlog == unread:  # noqa: ASYNC110  # what picows does on its own, nothing tells
            await asyncio.sleep(0.001)
        legs[0].close()
        async with asyncio.timeout(GIVE_UP_S):
            assert (await lost)[0] == 1002
        writer.transport.abort()


async def raw_upgrade(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket client that upgrades and then does nothing."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    writer.write(
        b"GET /here HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await reader.readexactly(1)
    return reader, writer


async def test_a_path_that_is_not_served_is_refused() -> None:
    async with accepting([], asyncio.Future()) as (url, _):
        with pytest.raises(InvalidStatus, match="404"):
            await connect(url + "/else")


# Dialling


async def test_dials_with_headers_and_carries_messages() -> None:
    seen: list[str] = []
    got: asyncio.Future[WireMessage] = asyncio.Future()
    lost: Lost = asyncio.Future()

    async def echo(peer: ServerConnection) -> None:
        assert peer.request is not None
        seen.append(peer.request.headers["X-Key"])
        await peer.send(await peer.recv())
        await peer.close(1001, "enough")

    async with serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        leg = await open_socket(
            f"ws://127.0.0.1:{port}/", got.set_result, loses(lost), headers={"X-Key": "k"}
        )
        leg.send("hello")
        assert await got == "hello"
        assert await lost == (1001, "enough")
    assert seen == ["k"]


NO_PEER = [  # address, headers
    ("ws://127.0.0.1:1/?key=sesame", {}),
    ("ws://127.0.0.1:99999/?key=sesame", {}),
    ("ws://[x/?key=sesame", {}),
    ("http://127.0.0.1/?key=sesame", {}),
    ("sesame", {}),
    ("ws://127.0.0.1:1/", {"Authorization": "Bearer sesame\r\nX-More: sesame"}),
    ("ws://127.0.0.1:1/", {"X-sesame\n": ""}),
]


@pytest.mark.parametrize(("url", "headers"), NO_PEER)
async def test_no_server_and_no_address_are_refusals_in_words_and_none_of_them_secret(
    url: str, headers: dict[str, str]
) -> None:
    with pytest.raises(CallRefused, match=r"no WebSocket was opened|a header of the upgrade") as refused:
        await open_socket(url, lambda _: None, lambda _code, _reason: None, headers=headers)
    assert refused.value.status is None
    assert "sesame" not in str(refused.value)


async def test_a_refused_upgrade_tells_its_status() -> None:
    def refuse(peer: ServerConnection, _request: Request) -> Response:
        return peer.respond(HTTPStatus.UNAUTHORIZED, "who are you?")

    async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(CallRefused, match="the upgrade was refused with HTTP 401") as refused:
            await open_socket(f"ws://127.0.0.1:{port}/", lambda _: None, lambda _code, _reason: None)
    assert refused.value.status == 401


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_certificate_is_verified(trusted: bool) -> None:
    authority, other = trustme.CA(), trustme.CA()
    certified = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(certified)
    trusting = ssl.create_default_context()
    (authority if trusted else other).configure_trust(trusting)
    got: asyncio.Future[WireMessage] = asyncio.Future()
    lost: Lost = asyncio.Future()

    async with serve(lambda peer: peer.send("hello"), "127.0.0.1", 0, ssl=certified) as server:
        url = f"wss://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        if trusted:
            await open_socket(url, got.set_result, loses(lost), tls=trusting)
            assert await got == "hello"
            assert (await lost)[0] == 1000
        else:
            for doubting in (trusting, None):  # None: the system's authorities
                with pytest.raises(CallRefused, match=r"(?i)certificate"):
                    await open_socket(url, got.set_result, loses(lost), tls=doubting)


async def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with pytest.raises(CallRefused, match=r"within 0\.05 s"):
            await open_socket(f"ws://127.0.0.1:{mute.getsockname()[1]}/", print, print, timeout_s=0.05)
