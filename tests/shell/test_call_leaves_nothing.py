"""What a call leaves when it is over: no object that only the garbage collector could find.

Such objects add up until the collector looks at everything, and all calls wait for that.
"""

import asyncio
import gc
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from bridge.carriers.twilio.signature import signature
from bridge.config.settings import Settings
from bridge.settings.assistants import PostAddress, SocketAddress
from bridge.shell.assistant_http import AssistantPosts
from bridge.shell.assistant_socket import AssistantSockets
from bridge.shell.server import Server
from bridge.vocabulary.contracts import Post

AUTH_TOKEN = "12345"
PAYLOAD = b64encode(b"\x7f" * 160).decode()


@pytest.fixture
def garbage() -> Iterator[list[Any]]:
    """Of the bridge's own classes; filled by `gc.collect`."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.enable()
    gc.garbage.clear()
    gc.collect()


class Silent:
    """A server that takes each connection, and never says a word. `asked`: it was told something."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Its port."""
        ended: set[asyncio.Task[None]] = set()

        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            ended.add(task)
            with suppress(OSError):
                await reader.read(1)
                self.asked.set()
                await reader.read()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]
            await asyncio.gather(*ended)


class Assistant:
    """One of one's own that hears, and says nothing. `connections`: how many have said something."""

    def __init__(self) -> None:
        self.connections = 0
        self.changed = asyncio.Event()

    async def converse(self, socket: ServerConnection) -> None:
        await socket.recv()
        self.connections += 1
        self.changed.set()
        async for _ in socket:
            pass

    async def heard(self, connections: int) -> None:
        while self.connections < connections:
            self.changed.clear()
            await self.changed.wait()


async def call(
    server: Server, call_id: str, assistant: str, is_there: Awaitable[object] | None, *, says_stop: bool
) -> None:
    """A call that is announced, says something, and ends when its assistant is there."""
    url = f"http://127.0.0.1:{server.port}/twilio/voice?assistant={assistant}"
    form = {"CallSid": call_id}
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, url, form.items())}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
        address = (await answer.text()).partition('url="')[2].partition('"')[0]
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    body = {"streamSid": "MZ1", "callSid": call_id, "tracks": ["inbound"], "mediaFormat": media_format}
    media = {"track": "inbound", "timestamp": "0", "payload": PAYLOAD}
    async with connect(address) as socket:
        await socket.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": body}))
        await socket.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": media}))
        if is_there is not None:
            await is_there
        if says_stop:
            await socket.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": call_id}}))
            async for _ in socket:
                pass
    await server.admission.idle()


@pytest.mark.parametrize("says_stop", [True, False])
@pytest.mark.parametrize("assistant", ["echo", "parrot", "own"])
async def test_a_call_that_is_over_leaves_no_circle_of_objects(
    assistant: str, says_stop: bool, garbage: list[Any], tmp_path: Any
) -> None:
    other = Assistant()
    async with serve(other.converse, "127.0.0.1", 0) as own:
        port = next(iter(own.sockets)).getsockname()[1]
        settings = Settings.model_validate(
            {
                "port": 0,
                "twilio": {"auth_token": AUTH_TOKEN},
                "journal": {"directory": tmp_path},
                "recording": {"directory": tmp_path},
                "assistants": {"own": {"kind": "stream", "url": f"ws://127.0.0.1:{port}/"}},
                "limits": {"drain_s": 0.0},
            }
        )
        async with Server(settings).running() as server:
            for number in range(3):
                is_there = other.heard(number + 1) if assistant == "own" else None
                await call(server, f"CA{number}", assistant, is_there, says_stop=says_stop)
            await server.files.written()
            assert not left(garbage)


@pytest.mark.parametrize("says_stop", [True, False])
@pytest.mark.parametrize("waits", ["until it is asked", "not at all"])
async def test_nor_does_a_call_that_ends_while_its_assistant_is_being_connected(
    waits: str, says_stop: bool, garbage: list[Any]
) -> None:
    silent = Silent()
    async with silent.running() as port:
        settings = Settings.model_validate(
            {
                "port": 0,
                "twilio": {"auth_token": AUTH_TOKEN},
                "assistants": {"own": {"kind": "stream", "url": f"ws://127.0.0.1:{port}/"}},
                "limits": {"drain_s": 0.0},
            }
        )
        async with Server(settings).running() as server:
            for number in range(3):
                silent.asked.clear()
                is_there = silent.asked.wait() if waits == "until it is asked" else None
                await call(server, f"CA{number}", "own", is_there, says_stop=says_stop)
            assert not left(garbage)


ANSWERS = {
    "a refusal": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "no WebSocket": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "the end of the connection": b"",
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_nor_does_an_assistant_that_cannot_be_connected(answer: str, garbage: list[Any]) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWERS[answer])
        writer.close()
        await writer.wait_closed()

    lost: asyncio.Queue[int] = asyncio.Queue()
    sockets = AssistantSockets()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        address = SocketAddress(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {})
        leg = sockets.connect(address, lambda _message: None, lambda code, _reason: lost.put_nowait(code))
        assert await lost.get()
        await asyncio.wait([leg.task])
        del leg
        assert not left(garbage)
        await sockets.aclose()


async def test_nor_does_one_that_does_not_answer_in_time(garbage: list[Any]) -> None:
    silent, sockets = Silent(), AssistantSockets()
    async with silent.running() as port:
        address = SocketAddress(f"ws://127.0.0.1:{port}/", {})
        leg = sockets.connect(address, lambda _message: None, lambda *_loss: None, timeout_s=0.2)
        await asyncio.wait([leg.task])
        del leg
        assert not left(garbage)
        await sockets.aclose()


async def test_nor_does_a_leg_whose_post_was_never_answered(
    garbage: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.shell.assistant_http.LAST_WORDS_S", 0.0)
    silent, posts = Silent(), AssistantPosts()
    async with silent.running() as port:
        address = PostAddress(f"http://127.0.0.1:{port}/", {}, 5.0, 1_000)
        leg = posts.open(address, lambda _message: None, lambda *_loss: None)
        leg.send(Post(b"{}", {}))
        await silent.asked.wait()
        leg.close()
        await asyncio.wait([leg.task])
        del leg
        assert not left(garbage)
        await posts.aclose()


def left(garbage: list[Any]) -> set[str]:
    """The bridge's own classes of which there was an object that only the collector could find; and tasks."""
    gc.collect()
    return {
        type(one).__qualname__
        for one in garbage
        if type(one).__module__.startswith("bridge.") or isinstance(one, asyncio.Task)
    }
