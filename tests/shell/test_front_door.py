"""The front door: who gets a connection, however its first bytes are cut, and who gets none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from unittest.mock import Mock

import pytest

from bridge.config.settings import Settings
from bridge.shell import front_door, webhooks
from bridge.shell.http_server import MOST_BODY_BYTES
from bridge.shell.server import Server

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /twilio/media HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PING = b"\x89\x80\x00\x00\x00\x00"


@asynccontextmanager
async def knocking() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    settings = Settings.model_validate({"port": 0, "security": {"allow_unauthenticated": True}})
    async with Server(settings).running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            yield reader, writer
        finally:
            writer.close()


@pytest.mark.parametrize("piece", [1, 7, len(HEALTH)])
async def test_http_in_pieces_of(piece: int) -> None:
    async with knocking() as (reader, writer):
        for start in range(0, len(HEALTH), piece):
            writer.write(HEALTH[start : start + piece])
            await asyncio.sleep(0)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("piece", [1, 7, 10_000])
async def test_an_upgrade_and_what_came_right_behind_it_in_pieces_of(piece: int) -> None:
    request = UPGRADE + PING
    async with knocking() as (reader, writer):
        for start in range(0, len(request), piece):
            writer.write(request[start : start + piece])
            await asyncio.sleep(0)
        assert (await reader.readline()).startswith(b"HTTP/1.1 101")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\x8a\x00"  # the pong


async def test_headers_longer_than_the_media_sockets_first_buffer() -> None:
    long = UPGRADE.replace(b"Host: x", b"Host: x\r\nX-Long: " + b"y" * 9_000)
    async with knocking() as (reader, writer):
        writer.write(long)
        assert (await reader.readline()).startswith(b"HTTP/1.1 101")


async def test_a_media_path_without_an_upgrade_is_told_so() -> None:
    async with knocking() as (reader, writer):
        writer.write(b"GET /twilio/media HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 426")


@pytest.mark.parametrize("before", [b"\r\n", b"\r\n\r\n", b"\n\r\n\r\n\n"])
async def test_empty_lines_before_a_request_mean_nothing(before: bytes) -> None:
    async with knocking() as (reader, writer):
        writer.write(before)
        await asyncio.sleep(0)
        writer.write(HEALTH)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("said", [b"\r\n\r\n", b"\r\n" * 50, b"\n\r\n\r\n"])
async def test_empty_lines_alone_are_no_request(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "HEAD_TIMEOUT_S", 0.05)
    async with knocking() as (reader, writer):
        writer.write(said)
        async with asyncio.timeout(5.0):
            assert await reader.read() == b""


async def test_empty_lines_without_end_are_hung_up_on() -> None:
    async with knocking() as (reader, writer):
        writer.write(b"\r\n" * front_door.HEAD_BYTES)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


@pytest.mark.parametrize("rubbish", [b"\r\n", b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n"])
async def test_rubbish_gets_an_http_error(rubbish: bytes) -> None:
    async with knocking() as (reader, writer):
        writer.write(rubbish)
        writer.write_eof()
        assert (await reader.read()).partition(b"\r\n")[0] in (
            b"",
            b"HTTP/1.1 400 Bad Request",
            b"HTTP/1.0 400 Bad Request",
        )


async def test_a_head_without_end_is_hung_up_on() -> None:
    async with knocking() as (reader, writer):
        writer.write(b"GET /" + b"x" * front_door.HEAD_BYTES)
        assert await reader.read() == b""


@pytest.mark.parametrize("said", [b"", b"GET /health", b"GET /healthz HTTP/1.1\r\nHo"])
async def test_a_visitor_who_does_not_go_on_is_hung_up_on(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_door, "HEAD_TIMEOUT_S", 0.05)
    async with knocking() as (reader, writer):
        writer.write(said)
        assert await reader.read() == b""


async def test_a_form_that_is_never_whole_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "BODY_TIMEOUT_S", 0.05)
    async with knocking() as (reader, writer):
        writer.write(
            b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\nCallSid="
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")


async def test_a_connection_carries_one_request_or_a_proxy_would_ask_http_for_media() -> None:
    async with knocking() as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        assert b"connection: close" in answer.lower()


async def test_a_visitor_who_leaves_at_once_leaves_nothing() -> None:
    async with knocking() as (_, writer):
        writer.close()
        await writer.wait_closed()


async def test_what_comes_while_a_request_waits_for_its_turn_is_kept_up_to_a_bound() -> None:
    waiting: list[Callable[[], None]] = []
    withdrawn: list[str] = []

    def enter(begin: Callable[[], None]) -> Callable[[], None]:
        waiting.append(begin)
        return lambda: withdrawn.append("one")

    def door() -> tuple[front_door.FrontDoor, Mock, Mock]:
        served, transport = Mock(), Mock()
        made = front_door.FrontDoor((b"/media",), Mock(), lambda _: served, lambda: None, b"", enter)
        made.connection_made(transport)
        return made, served, transport

    first, served, transport = door()
    first.data_received(HEALTH)
    first.data_received(b"a body")
    assert not served.mock_calls
    waiting.pop()()
    transport.set_protocol.assert_called_once_with(served)
    served.data_received.assert_called_once_with(HEALTH + b"a body")

    flood, served, transport = door()
    flood.data_received(HEALTH)
    flood.data_received(bytes(front_door.HEAD_BYTES + MOST_BODY_BYTES))
    transport.abort.assert_called_once()
    flood.connection_lost(None)
    assert withdrawn == ["one"]
