"""A server with few file descriptors, in a process of its own, and strangers who open connections and say nothing.

The server may have 256. A call goes on throughout; what the server writes and computes meanwhile is measured.
"""

import asyncio
import itertools
import json
import os
import resource
import shlex
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.asyncio.client import ClientConnection, connect

DESCRIPTORS = 256
STRANGERS = 300
TIMEOUT_S = 60.0

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
PAYLOAD = b64encode(b"\x7f" * 160).decode()
START = {
    "event": "start",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
}


class Serving(NamedTuple):
    """The process: where it listens, and where its log goes."""

    pid: int
    port: int
    log: Path

    def cpu_s(self) -> float:
        """The processor time that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def lines(self) -> list[str]:
        """Its log."""
        return self.log.read_text().splitlines()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Serving]:
    log = tmp_path / "log"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "VOICEBRIDGE_SECURITY__ALLOW_UNAUTHENTICATED": "true",
        "VOICEBRIDGE_ASSISTANT": "echo",
        "VOICEBRIDGE_PORT": "0",
        "VOICEBRIDGE_LIMITS__DRAIN_S": "0",
        "VOICEBRIDGE_LIMITS__MAX_LAG_MS": "0",
    }
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_shell(
            f"ulimit -n {DESCRIPTORS}; exec {shlex.quote(sys.executable)} -m bridge serve",
            env=environment,
            cwd=tmp_path,
            stderr=file,
        )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not (started := [one for one in log.read_text().splitlines() if "= serving" in one]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # the other process has no event to wait for
        yield Serving(process.pid, json.loads(started[0])["port"], log)
    finally:
        process.terminate()
        await process.wait()


async def is_healthy(port: int) -> bool:
    """Whether /healthz answers within two seconds."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(HEALTH)
                return (await reader.readline()).startswith(b"HTTP/1.1 200")
            finally:
                writer.close()
    return False


@asynccontextmanager
async def strangers(port: int, said: bytes) -> AsyncIterator[None]:
    """Connections that say this and no more; inside they are open."""
    async with AsyncExitStack() as stack:
        for _ in range(STRANGERS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            with suppress(ConnectionError):
                writer.write(said)
        yield


FRAMES = itertools.count()


async def echo(socket: ClientConnection, frames: int) -> int:
    """Send so many frames of speech in their time; how many came back meanwhile."""
    came = 0
    for number in itertools.islice(FRAMES, frames):
        body = {"track": "inbound", "chunk": str(number), "timestamp": str(20 * number), "payload": PAYLOAD}
        await socket.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": body}))
        with suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                while True:
                    came += json.loads(await socket.recv())["event"] == "media"
    return came


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"POST /twilio/voice HTTP/1.1\r\nContent-Le"])
async def test_who_says_nothing_takes_nothing_from_a_call_or_from_a_request(
    said: bytes, server: Serving
) -> None:
    async with asyncio.timeout(TIMEOUT_S), connect(f"ws://127.0.0.1:{server.port}/twilio/media") as socket:
        await socket.send(json.dumps(START))
        await echo(socket, 10)
        async with strangers(server.port, said):
            before = server.cpu_s()
            assert await echo(socket, 50) >= 40
            assert server.cpu_s() - before < 0.5, "a second of a call takes little of it"
            assert await is_healthy(server.port), "also while they are there"
        assert await is_healthy(server.port)
        assert await echo(socket, 25) >= 20
    assert len(server.lines()) < 30
    assert "Traceback" not in server.log.read_text()


async def test_without_file_descriptors_nothing_spins_and_calls_go_on(server: Serving) -> None:
    async with asyncio.timeout(TIMEOUT_S), connect(f"ws://127.0.0.1:{server.port}/twilio/media") as socket:
        await socket.send(json.dumps(START))
        await echo(socket, 10)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, DESCRIPTORS))  # more than that are open
        waiting = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
        before, lines = server.cpu_s(), len(server.lines())
        assert await echo(socket, 100) >= 80
        assert server.cpu_s() - before < 0.7
        failed = [line for line in server.lines()[lines:] if "no connection can be accepted" in line]
        assert 1 <= len(failed) <= 5, "for two seconds and a little"
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        for _, writer in waiting:
            writer.close()
        async with asyncio.timeout(10.0):
            while not await is_healthy(server.port):
                pass
        assert await echo(socket, 25) >= 20
    assert "Traceback" not in server.log.read_text()
