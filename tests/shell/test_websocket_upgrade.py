"""Upgrades over real sockets: what the server grants and what a refused one leaves behind; which answers are taken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from http import HTTPStatus
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.settings import Settings
from bridge.shell import websocket_client, websocket_server
from bridge.shell.refused_upgrade import loss
from bridge.shell.server import Server
from bridge.shell.upgrade import HEAD_BYTES
from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import CallRefused

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
PING = Frame(Opcode.PING, b"").serialize(mask=True)
PONG = Frame(Opcode.PONG, b"").serialize(mask=False)

FIELDS = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def request(path: str, method: str = "GET", version: str = "HTTP/1.1", /, **more: str | None) -> bytes:
    """An upgrade that is right but for `more`: headers by name, with _ for -; None leaves one out."""
    fields = FIELDS | {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode()


async def answer(port: int, sent: bytes) -> bytes:
    """The head of the answer. An upgrade that is granted answers the ping right behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        writer.write(sent + PING)
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 101"):
            assert await reader.readexactly(len(PONG)) == PONG
        return head


# The server


@asynccontextmanager
async def expecting() -> AsyncIterator[tuple[Server, str]]:
    """A server that expects a call, and the path of its media socket."""
    settings: dict[str, Any] = {
        "port": 0,
        "assistant": "echo",
        "twilio": {"auth_token": "12345"},
        "limits": {"drain_s": 0.0},
    }
    async with Server(Settings.model_validate(settings)).running() as server:
        url = server.admission.expect("twilio", ExpectedCall("CA1"))
        yield server, url.removeprefix(f"ws://127.0.0.1:{server.port}")


GRANTED: dict[str, dict[str, str | None]] = {
    "Firefox": {"Connection": "keep-alive, Upgrade"},
    "two lines": {"Connection": "keep-alive\r\nConnection: Upgrade"},
    "two lines, the other order": {"Connection": "Upgrade\r\nConnection: keep-alive"},
    "capitals": {"Connection": "CLOSE,UPGRADE", "Upgrade": "WEBSOCKET"},
    "another protocol too": {"Upgrade": "h2c, websocket"},
    "more headers than picows takes": {f"X-{number}": "x" for number in range(200)},
}


@pytest.mark.parametrize("fields", GRANTED.values(), ids=GRANTED.keys())
async def test_lists_of_tokens_are_let_in(fields: dict[str, str | None]) -> None:
    async with expecting() as (server, path):
        assert (await answer(server.port, request(path, **fields))).startswith(b"HTTP/1.1 101")


async def test_a_query_and_an_encoded_path_are_let_in() -> None:
    async with expecting() as (server, path):
        encoded = path.replace("/media/A", "/%6Dedia/%41") + "/?a=1"
        assert encoded.count("%") == 2
        assert (await answer(server.port, request(encoded))).startswith(b"HTTP/1.1 101")


REFUSED: dict[str, tuple[Callable[[str], bytes], int, str]] = {
    # the request for a path; the status and a part of the reason in the log
    "POST": (lambda path: request(path, "POST", Content_Length="0"), 405, "expected GET"),
    "HTTP/1.0": (lambda path: request(path, "GET", "HTTP/1.0"), 505, "expected HTTP/1.1"),
    "no upgrade": (lambda path: request(path, Upgrade=None, Connection=None), 426, "expected websocket"),
    "no Connection": (lambda path: request(path, Connection="keep-alive"), 400, "upgrade is missing"),
    "version 8": (lambda path: request(path, Sec_WebSocket_Version="8"), 426, "Sec-WebSocket-Version: 13"),
    "no version": (lambda path: request(path, Sec_WebSocket_Version=None), 400, "version is missing"),
    "no key": (lambda path: request(path, Sec_WebSocket_Key=None), 400, "Key is missing"),
    "a short key": (lambda path: request(path, Sec_WebSocket_Key="AAAA"), 400, "16 bytes in base64"),
    "a body": (lambda path: request(path, Content_Length="5"), 400, "body"),
    "a malformed header": (lambda path: request(path, X_More="a\x00b"), 400, "a header is malformed"),
}


@pytest.mark.parametrize(("written", "status", "reason"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_refused_upgrade_leaves_nothing_behind(
    written: Callable[[str], bytes],
    status: int,
    reason: str,
    timers_left: Callable[[], list[asyncio.TimerHandle]],
) -> None:
    async with expecting() as (server, path):
        before = timers_left()
        with capture_logs() as lines:
            head = await answer(server.port, written(path))
        assert len(timers_left()) == len(before)
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert (b"Sec-WebSocket-Version: 13" in head) == (reason == "Sec-WebSocket-Version: 13")
        (line,) = [line for line in lines if line["event"] == "upgrade refused"]
        assert (line["log_level"], line["status"]) == ("warning", status)
        assert reason.lower() in line["reason"].lower()
        assert path not in str(lines), "the token is still good"
        assert server.admission.calls == 0
        assert (await answer(server.port, request(path))).startswith(b"HTTP/1.1 101")


async def test_an_answer_that_fails_is_500_and_tells_strangers_nothing() -> None:
    def fail(_path: str, _headers: object) -> SocketLeg:
        raise RuntimeError("sesame")

    async with listening(lambda: websocket_server.accept(fail)) as port:
        with capture_logs() as lines:
            head = await answer(port, request("/"))
    assert head.startswith(b"HTTP/1.1 500")
    assert b"sesame" not in head
    assert [line["log_level"] for line in lines if line["event"] == "upgrade refused"] == ["error"]


@asynccontextmanager
async def listening(protocol: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[int]:
    listener = await websocket_server.listen(protocol, "127.0.0.1", 0, None)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


def never(_path: str, _headers: object) -> HTTPStatus:
    raise AssertionError("nobody is asked")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"x" * (HEAD_BYTES + 1)])
async def test_a_head_that_is_never_complete_is_given_up(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_server, "UPGRADE_TIMEOUT_S", 0.05)
    async with listening(lambda: websocket_server.accept(never)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            writer.write(sent)
            with suppress(ConnectionError):  # what was not read yet resets the connection
                assert await reader.read() == b""


async def test_an_upgrade_in_pieces_of_a_byte() -> None:
    leg: list[SocketLeg] = []
    lost: asyncio.Future[tuple[int, str]] = asyncio.Future()

    def admit(_path: str, _headers: object) -> SocketLeg:
        leg.append(SocketLeg(print, lambda *how: lost.set_result(how)))
        return leg[0]

    async with listening(lambda: websocket_server.accept(admit)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            for byte in request("/") + PING:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            assert await reader.readexactly(len(PONG)) == PONG
        await lost


# The client


@asynccontextmanager
async def answering(said: str, piece: int = 65_536) -> AsyncIterator[str]:
    """A server that answers an upgrade in pieces of so many bytes; ACCEPT stands for the key's answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = next(line[19:] for line in head.splitlines() if line.startswith("Sec-WebSocket-Key: "))
            sent = said.replace("ACCEPT", accept_key(key)).encode("latin-1")
            for start in range(0, len(sent), piece):
                writer.write(sent[start : start + piece])
                await asyncio.sleep(0)
            await reader.read()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await server.wait_closed()


FIRST = "HTTP/1.1 101 Switching Protocols\r\n"
ACCEPT = "Sec-WebSocket-Accept: ACCEPT\r\n"
HELLO = Frame(Opcode.TEXT, b"hello").serialize(mask=False).decode("latin-1")
LISTS = f"{FIRST}Connection: upgrade, keep-alive\r\nUpgrade: websocket\r\n{ACCEPT}\r\n"

TAKEN = {
    "a list": LISTS + HELLO,
    "two lines": f"{FIRST}Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n{ACCEPT}\r\n{HELLO}",
    "the other order": f"{FIRST}{ACCEPT}Upgrade: websocket\r\nConnection: keep-alive,upgrade\r\n\r\n{HELLO}",
    "hints before it": f"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n{LISTS}{HELLO}",
}  # fmt: skip


@pytest.mark.parametrize("piece", [1, 65_536])
@pytest.mark.parametrize("said", TAKEN.values(), ids=TAKEN.keys())
async def test_an_answer_with_lists_is_taken(said: str, piece: int) -> None:
    heard: asyncio.Future[WireMessage] = asyncio.Future()
    lost: asyncio.Future[tuple[int, str]] = asyncio.Future()
    async with answering(said, piece) as url:
        leg = await connect(url, heard.set_result, lambda *how: lost.set_result(how))
        assert await heard == "hello"
        leg.abort()
        await lost


NOT_TAKEN: dict[str, tuple[str, str]] = {
    "no upgrade in Connection": (f"{FIRST}Connection: keep-alive\r\nUpgrade: websocket\r\n{ACCEPT}\r\n", "not a WebSocket upgrade"),
    "another protocol": (f"{FIRST}Connection: upgrade, x\r\nUpgrade: h2c\r\n{ACCEPT}\r\n", "not a WebSocket upgrade"),
    "another key": (f"{FIRST}Connection: upgrade, x\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n", "not a WebSocket upgrade"),
    "a head without end": (f"{FIRST}X-More: {'x' * HEAD_BYTES}", "not a WebSocket upgrade"),
    "refused behind hints": ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n", "HTTP 503"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "reason"), NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
async def test_another_answer_is_not_taken(said: str, reason: str) -> None:
    async with answering(said) as url:
        with pytest.raises(CallRefused, match=reason):
            await connect(url, print, print)


# The body of a refusal

LATE: dict[str, tuple[list[bytes], str, str]] = {
    # what comes behind the head, each piece a moment later; how the connection ends; the body that is read
    "later than the head": ([b"try again", b" in 2 s"], "stays", "try again in 2 s"),
    "more than is read": ([b"x" * 2_000] * 3, "stays", "x" * 3_000),
    "never": ([], "stays", ""),
    "in part": ([b"try "], "stays", "try "),
    "closed before its end": ([b"try "], "closed", "try "),
    "reset before its end": ([b"try "], "reset", "try "),
}


@pytest.mark.parametrize(("pieces", "end", "body"), LATE.values(), ids=list(LATE))
async def test_the_body_of_a_refusal_is_waited_for(
    pieces: list[bytes], end: str, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_client, "BODY_WITHIN_S", 0.2)
    length = 16 if sum(map(len, pieces)) <= 16 else 100_000
    over = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 429 No\r\nContent-Length: {length}\r\n\r\n".encode())
        for piece in pieces:
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.write(piece)
        await asyncio.sleep(0.02)
        if end == "reset":
            writer.transport.abort()
        elif end == "stays":
            await over.wait()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CallRefused) as refusal:
            await connect(f"ws://127.0.0.1:{port}/", lambda _: None, lambda _code, _reason: None)
        over.set()
    assert (refusal.value.status, refusal.value.body[:3_000]) == (429, body)


NOT_OPENED = {
    # the address and the header; the close code that the core is told
    "no address": ("ws://127.0.0.1:1:2/", "x", 1008),
    "a header of two lines": ("ws://127.0.0.1:1/", "x\r\ny", 1008),
    "nobody listens": ("ws://127.0.0.1:1/", "x", 1006),
}


@pytest.mark.parametrize(("url", "header", "code"), NOT_OPENED.values(), ids=list(NOT_OPENED))
async def test_what_no_server_could_mend_is_final(url: str, header: str, code: int) -> None:
    with pytest.raises(CallRefused) as refusal:
        await connect(url, lambda _: None, lambda _code, _reason: None, headers={"X-More": header})
    assert loss(refusal.value)[0] == code
