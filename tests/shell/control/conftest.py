"""A server with a control API, a caller of it, and what asks it."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect

from bridge.config.settings import Settings
from bridge.shell.server import Server

OPS = "0123456789abcdefghijklmnopqrstuv"
SHOW = "zyxwvutsrqponmlkjihgfedcba98765"

SETTINGS: dict[str, Any] = {
    "port": 0,
    "assistant": "echo",
    "security": {"allow_unauthenticated": True},
    "supervisors": {"boss": {"to": "+15550130"}},
    "control": {
        "tokens": [
            {"name": "ops", "token": OPS},
            {"name": "show", "token": SHOW, "can": ["see"]},
        ],
        "requests_per_s": 10_000,
    },
}

FRAME = b"\x10" * 160


async def until(is_so: Callable[[], bool]) -> None:
    """What happens on another connection is waited for here."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110  # nothing of it sets an event
            await asyncio.sleep(0.01)


class Caller:
    """A call on a media socket."""

    def __init__(self, socket: ClientConnection, call_id: str) -> None:
        self.socket = socket
        self.call_id = call_id
        self._at_ms = 0

    async def speak(self, audio: bytes = FRAME) -> None:
        body = {
            "track": "inbound",
            "chunk": "1",
            "timestamp": str(self._at_ms),
            "payload": b64encode(audio).decode(),
        }
        self._at_ms += 20
        await self.socket.send(
            json.dumps({"event": "media", "streamSid": f"MZ{self.call_id}", "media": body})
        )

    @asynccontextmanager
    async def speaking(self, audio: bytes = FRAME) -> AsyncIterator[None]:
        """Frame after frame, meanwhile."""

        async def speak() -> None:
            while True:
                await self.speak(audio)
                await asyncio.sleep(0.02)

        task = asyncio.create_task(speak())
        try:
            yield
        finally:
            task.cancel()

    async def press(self, digit: str) -> None:
        body = {"track": "inbound_track", "digit": digit}
        await self.socket.send(json.dumps({"event": "dtmf", "streamSid": f"MZ{self.call_id}", "dtmf": body}))


@asynccontextmanager
async def calling(
    port: int, call_id: str = "CA1", *, echoes: bool = True, path: str = "/twilio/media"
) -> AsyncIterator[Caller]:
    async with connect(f"ws://127.0.0.1:{port}{path}", max_queue=None) as socket:
        start = {
            "streamSid": f"MZ{call_id}",
            "callSid": call_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"from": "+15550199", "to": "+15550100"},
        }
        message = {"event": "start", "sequenceNumber": "1", "streamSid": f"MZ{call_id}", "start": start}
        await socket.send(json.dumps(message))
        caller = Caller(socket, call_id)
        await caller.speak()
        if echoes:
            await socket.recv()  # the call talks
        yield caller


class Asking:
    """Asks a server with a token."""

    def __init__(self, http: aiohttp.ClientSession, port: int, token: str = OPS) -> None:
        self.http = http
        self.url = f"http://127.0.0.1:{port}"
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status and the answer, which is JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.request(
            method, self.url + path, data=data, headers=self.headers | (headers or {})
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith("{") else text

    @asynccontextmanager
    async def watching(self, path: str = "/calls/events") -> AsyncIterator["Events"]:
        async with self.http.get(self.url + path, headers=self.headers) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/event-stream"
            yield Events(answer)


class Events:
    """Server-sent events as they come."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._content = answer.content

    async def next(self) -> tuple[str, Any]:
        """The name and the data of the next event."""
        name = ""
        async with asyncio.timeout(5):
            while line := await self._content.readline():
                if line.startswith(b"event: "):
                    name = line[7:].decode().strip()
                elif line.startswith(b"data: "):
                    return name, json.loads(line[6:])
        return "", None

    async def until(self, name: str) -> Any:
        """The data of the next event of this name."""
        while True:
            found, data = await self.next()
            if found == name:
                return data
            assert found, f"the stream ended before {name}"


@asynccontextmanager
async def serving(**more: Any) -> AsyncIterator[Server]:
    async with Server(Settings.model_validate(SETTINGS | more)).running() as running:
        yield running


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.fixture
async def ops(server: Server) -> AsyncIterator[Asking]:
    async with aiohttp.ClientSession() as http:
        yield Asking(http, server.port)
