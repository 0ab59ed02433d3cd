"""The HTTP side as a stranger sees it: raw requests in, and what the server says, logs and keeps."""

import asyncio
import gc
from collections.abc import AsyncIterator
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from bridge.config.settings import Settings
from bridge.shell import http_server
from bridge.shell.server import Server

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    settings = Settings.model_validate({"port": 0, "twilio": {"auth_token": "0123456789abcdef" * 2}})
    async with Server(settings).running() as server:
        yield server.port


async def ask(port: int, request: bytes) -> bytes:
    """The whole answer to a raw request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(10.0):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


REQUESTS: list[tuple[str, bytes, int]] = [
    ("absolute form", b"POST http://evil/twilio/voice HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 0\r\n\r\n", 403),
    ("absolute form that is no address", b"POST http://[/twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
    ("compressed", b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n" + FORM + b"Content-Length: 3\r\n\r\nabc", 415),
    ("two lengths", b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
    ("no method of HTTP", b"SSH-2.0-scan\r\n\r\n", 400),
    ("a control character", b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400),
    ("not ASCII", b"GET /health\xffz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("another path", b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("another method", b"GET /twilio/voice HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ("health", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "status"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS]
)
async def test_every_answer_is_short_and_names_no_software(port: int, request_: bytes, status: int) -> None:
    with capture_logs() as logs:
        answer = await ask(port, request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert b"server:" not in head.lower()
    assert b"aiohttp" not in answer.lower()
    assert len(body) < 200
    assert [line["log_level"] for line in logs if line["log_level"] == "error"] == []
    assert len(logs) <= 1


async def test_strangers_learn_neither_the_calls_nor_what_is_wrong(port: int) -> None:
    for_others = b"GET %s HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
    assert (await ask(port, for_others % b"/healthz")).endswith(b'\r\n\r\n{"status": "ok"}')
    assert (await ask(port, for_others % b"/readyz")).endswith(b'\r\n\r\n{"status": "ready"}')
    own = await ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert own.endswith(b'{"status": "ok", "calls": 0}')


async def test_a_request_that_is_never_complete_has_a_time_limit(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "REQUEST_TIMEOUT_S", 0.05)
    head = b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 10\r\n\r\n"
    try:
        answer = await ask(port, head)
    except ConnectionResetError:
        answer = b""
    assert answer == b"", "the connection is dropped"


async def test_a_connection_that_is_lost_before_its_request_begins_leaves_no_fault() -> None:
    faults: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, fault: faults.append(fault))
    async with http_server.http_server(http_server.application()) as server:
        connection = server()
        transport = Mock(spec=asyncio.Transport)
        transport.get_extra_info.return_value = None
        connection.connection_made(transport)
        connection.data_received(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.connection_lost(None)
        del connection
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)
    assert not faults
