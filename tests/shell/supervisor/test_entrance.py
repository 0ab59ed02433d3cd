"""The supervisor's side of connections: who is handed on, who is dropped, and what happens without descriptors."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from bridge.shell.listener import bind
from bridge.shell.supervisor import entrance
from bridge.shell.supervisor.entrance import Entrance
from bridge.shell.supervisor.request import Request
from bridge.vocabulary.errors import ConfigurationError

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Opened(NamedTuple):
    listener: socket.socket
    handed: asyncio.Queue[tuple[socket.socket, Request]]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(*self.listener.getsockname()[:2])
        try:
            yield reader, writer
        finally:
            writer.close()


@asynccontextmanager
async def opened() -> AsyncIterator[Opened]:
    (listener,) = bind("127.0.0.1", 0, 16)
    handed: asyncio.Queue[tuple[socket.socket, Request]] = asyncio.Queue()
    entry = Entrance([listener], lambda connection, request: handed.put_nowait((connection, request)))
    try:
        yield Opened(listener, handed)
    finally:
        entry.close()


async def test_a_connection_is_handed_on_with_what_was_read() -> None:
    async with opened() as port, port.connection() as (reader, writer):
        for start in range(0, len(REQUEST), 5):
            writer.write(REQUEST[start : start + 5])
            await asyncio.sleep(0)
        connection, request = await port.handed.get()
        assert (request.path, request.read) == ("/healthz", REQUEST)
        connection.send(b"answer")
        connection.close()
        assert await reader.read() == b"answer"


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n", REQUEST[:-2]])
async def test_who_does_not_send_a_request_in_time_is_dropped(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "HEAD_TIMEOUT_S", 0.05)
    async with opened() as port, port.connection() as (reader, writer):
        writer.write(sent)
        assert await reader.read() == b""
        assert port.handed.empty()


async def test_who_sends_too_much_or_no_more_is_dropped() -> None:
    async with opened() as port:
        async with port.connection() as (reader, writer):
            writer.write(b"x" * 20_000)
            with suppress(ConnectionError):
                assert await reader.read() == b""
        async with port.connection() as (reader, writer):
            writer.write(REQUEST[:-2])
            writer.write_eof()
            assert await reader.read() == b""
        assert port.handed.empty()


async def test_the_oldest_gives_way_where_too_many_have_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "MOST_READING", 2)
    async with opened() as port, port.connection() as (oldest, _), port.connection():
        async with port.connection() as (_, writer):
            writer.write(REQUEST)
            connection, _ = await port.handed.get()
            connection.close()
            assert await oldest.read() == b""


async def test_without_descriptors_it_waits_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "PAUSE_S", 0.02)
    failures = [OSError(errno.EMFILE, "Too many open files")] * 3

    class Short(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            if failures:
                raise failures.pop()
            return super().accept()

    monkeypatch.setattr(socket, "socket", Short)
    with capture_logs() as lines:
        async with opened() as port:
            async with port.connection() as (_, writer):
                writer.write(REQUEST)
                connection, request = await port.handed.get()
                connection.close()
                assert request.path == "/healthz"
    assert [line["reason"] for line in lines] == ["Too many open files"]


def test_a_port_that_is_taken_is_refused() -> None:
    (taken,) = bind("127.0.0.1", 0, 16)
    with taken, pytest.raises(ConfigurationError, match="port"):
        bind("127.0.0.1", taken.getsockname()[1], 16)
