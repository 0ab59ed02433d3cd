"""The port: who is accepted, what a failed accept does, and that strangers write no traceback."""

import asyncio
import errno
import logging
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from bridge.config.settings import Settings
from bridge.shell import listener as module
from bridge.shell.listener import Listener, open_port
from bridge.shell.pending_connections import PendingConnections, Released
from bridge.shell.server import Server
from bridge.vocabulary.errors import ConfigurationError

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Greeter(asyncio.Protocol):
    """Says hello, and nothing else."""

    def __init__(self, released: Released) -> None:
        self._released = released

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert hasattr(transport, "write")
        transport.write(b"hello")

    def connection_lost(self, _exc: Exception | None) -> None:
        self._released()


@pytest.fixture
async def opened() -> AsyncIterator[tuple[Listener, PendingConnections]]:
    pending = PendingConnections(2, 0)
    listener = await open_port(Greeter, "127.0.0.1", 0, None, pending)
    yield listener, pending
    listener.close()


def port_of(listener: Listener) -> int:
    port: int = listener.sockets[0].getsockname()[1]
    return port


async def until(pending: PendingConnections, count: int) -> None:
    async with asyncio.timeout(5.0):
        while len(pending) != count:  # noqa: ASYNC110  # the peer's close has no event here
            await asyncio.sleep(0.005)


async def test_a_connection_is_pending_until_it_is_lost(opened: tuple[Listener, PendingConnections]) -> None:
    listener, pending = opened
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
    assert await reader.readexactly(5) == b"hello"
    assert len(pending) == 1
    writer.close()
    await writer.wait_closed()
    await until(pending, 0)


async def test_the_one_that_makes_way_is_closed(opened: tuple[Listener, PendingConnections]) -> None:
    listener, pending = opened
    connections = []
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
        assert await reader.readexactly(5) == b"hello"
        connections.append((reader, writer))
    assert await connections[0][0].read() == b""
    assert len(pending) == 2
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    await until(pending, 0)


class Failing:
    """A listening socket whose accept fails so often, and goes on then."""

    def __init__(self, real: socket.socket, times: int) -> None:
        self._real = real
        self.left = times
        self.tries = 0

    def accept(self) -> Any:
        self.tries += 1
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._real.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


async def test_an_accept_that_fails_is_tried_again_later_and_not_over_and_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.05)
    bound = module.bind("127.0.0.1", 0, 16)
    failing: Any = Failing(bound[0], 3)
    listener = Listener([failing], Greeter, None, PendingConnections(2, 0))
    with capture_logs() as log:
        reader, writer = await asyncio.open_connection("127.0.0.1", bound[0].getsockname()[1])
        async with asyncio.timeout(5.0):
            assert await reader.readexactly(5) == b"hello"
    assert failing.left == 0
    assert failing.tries <= 3 + 2
    assert log == [
        {
            "event": "= no connection can be accepted",
            "log_level": "warning",
            "reason": "Too many open files",
        }
    ]
    writer.close()
    await writer.wait_closed()
    listener.close()


async def test_a_port_that_is_taken_is_said(opened: tuple[Listener, PendingConnections]) -> None:
    listener, pending = opened
    with pytest.raises(ConfigurationError, match="port"):
        await open_port(Greeter, "127.0.0.1", port_of(listener), None, pending)


async def leave(port: int, said: bytes, *, by_reset: bool) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    if by_reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_who_leaves_or_speaks_no_tls_writes_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    tables = {
        "port": 0,
        "security": {"allow_unauthenticated": True},
        "ssl_certfile": tmp_path / "cert.pem",
        "ssl_keyfile": tmp_path / "key.pem",
    }
    with capture_logs() as log, caplog.at_level(logging.DEBUG):
        async with Server(Settings.model_validate(tables)).running() as server:
            for said in (b"", b"\x16\x03\x01\x02\x00\x01\x00", HEALTH, b"\0" * 100):
                for by_reset in (False, True):
                    await leave(server.port, said, by_reset=by_reset)
            with suppress(ssl.SSLError):
                await asyncio.open_connection("127.0.0.1", server.port, ssl=ssl.create_default_context())
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
            writer.write(HEALTH)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.transport.abort()
    assert {line["log_level"] for line in log} <= {"debug"}
    assert len(log) <= 4, "they are sampled"
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
