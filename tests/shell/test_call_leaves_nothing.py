"""What a call leaves when it is over: no object that only the garbage collector could find.

Such objects add up until the collector looks at everything, and all calls wait for that.
"""

import asyncio
import gc
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bridge.carriers.shared.webhooks import ExpectedCall
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


def settings_of(files: dict[str, Any] | None = None, /, **own: Any) -> Settings:
    """A server whose assistant "own" has these settings. `files`: the settings of journal and recording."""
    table = {
        "journal": files or {},
        "recording": files or {},
        "port": 0,
        "twilio": {"auth_token": AUTH_TOKEN},
        "assistants": {"own": {"kind": "stream", **own}},
        "limits": {"drain_s": 0.0},
    }
    return Settings.model_validate(table)


async def announce(server: Server, call_id: str, assistant: str) -> str:
    """The address of the media socket of a call that rings."""
    url = f"http://127.0.0.1:{server.port}/twilio/voice?assistant={assistant}"
    form = {"CallSid": call_id}
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, url, form.items())}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
        return (await answer.text()).partition('url="')[2].partition('"')[0]


async def start(socket: ClientConnection, call_id: str, stream_id: str = "MZ1") -> None:
    """The carrier says that the stream begins, and what the caller says first."""
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    body = {"streamSid": stream_id, "callSid": call_id, "tracks": ["inbound"], "mediaFormat": media_format}
    await socket.send(json.dumps({"event": "start", "streamSid": stream_id, "start": body}))
    await say(socket, 0, stream_id)


async def say(socket: ClientConnection, frame: int, stream_id: str = "MZ1") -> None:
    """20 ms of the caller's audio."""
    media = {"track": "inbound", "timestamp": str(frame * 20), "payload": PAYLOAD}
    await socket.send(json.dumps({"event": "media", "streamSid": stream_id, "media": media}))


async def call(
    server: Server, call_id: str, assistant: str, is_there: Awaitable[object] | None, *, says_stop: bool
) -> None:
    """A call that is announced, says something, and ends when its assistant is there."""
    async with connect(await announce(server, call_id, assistant)) as socket:
        await start(socket, call_id)
        if is_there is not None:
            await is_there
        if says_stop:
            await stop(socket, call_id)
    await server.admission.idle()


async def stop(socket: ClientConnection, call_id: str, stream_id: str = "MZ1") -> None:
    """The carrier says that the call is over, and waits until its socket is closed."""
    await socket.send(json.dumps({"event": "stop", "streamSid": stream_id, "stop": {"callSid": call_id}}))
    async for _ in socket:
        pass


async def hear(socket: ClientConnection) -> None:
    """The caller talks until `PAYLOAD` comes back."""
    for frame in count(1):
        await say(socket, frame)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                while PAYLOAD[:80] not in str(await socket.recv()):
                    pass
                return


@pytest.mark.parametrize("says_stop", [True, False])
@pytest.mark.parametrize("assistant", ["echo", "parrot", "own"])
async def test_a_call_that_is_over_leaves_no_circle_of_objects(
    assistant: str, says_stop: bool, garbage: list[Any], tmp_path: Any
) -> None:
    other = Assistant()
    async with serve(other.converse, "127.0.0.1", 0) as own:
        port = next(iter(own.sockets)).getsockname()[1]
        settings = settings_of({"directory": tmp_path}, url=f"ws://127.0.0.1:{port}/")
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
        settings = settings_of(url=f"ws://127.0.0.1:{port}/")
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


async def speak(socket: ServerConnection, frame: bytes) -> None:
    """More of a reply than is read in one turn of the event loop."""
    await socket.send(json.dumps({"type": "hello"}))
    await socket.send(json.dumps({"type": "reply", "item": "i0"}))
    for _ in range(50):
        await socket.send(frame)


async def breaks_off(socket: ServerConnection) -> None:
    socket.transport.abort()


async def talks_nonsense(socket: ServerConnection) -> None:
    for _ in range(1_100):
        await socket.send("{")
    await socket.wait_closed()


async def breaks_the_protocol(socket: ServerConnection) -> None:
    socket.transport.write(b"\xf1\x00")
    await socket.wait_closed()


PASSING_FAULTS: dict[str, Callable[[ServerConnection], Awaitable[None]]] = {
    "closes": lambda socket: socket.close(),
    "fails": lambda socket: socket.close(1011, "it failed"),
    "breaks off": breaks_off,
}
MID_CALL_FAULTS = PASSING_FAULTS | {
    "refuses to go on": lambda socket: socket.close(1008, "no more"),
    "sends what is malformed": talks_nonsense,
    "breaks the protocol": breaks_the_protocol,
}


@pytest.mark.parametrize("says_stop", [True, False])
@pytest.mark.parametrize(
    ("fault", "next_one"),
    [*((fault, "itself") for fault in PASSING_FAULTS), *((fault, "echo") for fault in MID_CALL_FAULTS)],
)
async def test_nor_does_an_assistant_that_is_lost_in_mid_call(
    fault: str, next_one: str, says_stop: bool, garbage: list[Any]
) -> None:
    async def converse(socket: ServerConnection) -> None:
        await socket.recv()
        with suppress(ConnectionClosed):
            if faults.pop():
                await speak(socket, b"\x55" * 160)
                await MID_CALL_FAULTS[fault](socket)
            else:
                await speak(socket, b"\x7f" * 160)
                await socket.wait_closed()

    async with serve(converse, "127.0.0.1", 0) as own:
        port = next(iter(own.sockets)).getsockname()[1]
        other = {} if next_one == "itself" else {"fallback": next_one}
        settings = settings_of(url=f"ws://127.0.0.1:{port}/", **other)
        async with Server(settings).running() as server:
            for number in range(2):
                call_id, faults = f"CA{number}", [False, True]
                async with connect(await announce(server, call_id, "own"), max_queue=None) as socket:
                    await start(socket, call_id)
                    await hear(socket)
                    if says_stop:
                        await stop(socket, call_id)
                await server.admission.idle()
            assert not left(garbage)


async def floods(server: Server, call_id: str) -> None:
    """The carrier sends more than a call can need, and the bridge closes its socket."""
    async with connect(await announce(server, call_id, "own"), max_queue=None) as socket:
        await start(socket, call_id)
        with suppress(ConnectionClosed):
            for frame in range(5_000):
                await say(socket, frame)
        await socket.wait_closed()


async def comes_again(server: Server, call_id: str, *, breaks: bool) -> None:
    """Another socket of the carrier goes on with the call. `breaks`: the first one breaks before that."""
    expected = ExpectedCall(call_id, "own", returns_s=5.0)
    async with connect(server.admission.expect("twilio", expected)) as first:
        await start(first, call_id)
        await hear(first)
        if breaks:
            first.transport.abort()
        async with connect(server.admission.expect("twilio", expected._replace(continues=True))) as socket:
            await start(socket, call_id, "MZ2")
            await stop(socket, call_id, "MZ2")


breaks_and_returns, takes_over = partial(comes_again, breaks=True), partial(comes_again, breaks=False)


async def never_comes(server: Server, call_id: str) -> None:
    """The webhook announces the call, and its assistant is connected; then the caller hangs up."""
    await announce(server, call_id, "own")
    server.admission.call_ended("twilio", call_id)


async def ends_with_its_tool(server: Server, call_id: str) -> None:
    """The call ends while a tool of its assistant runs."""
    async with connect(await announce(server, call_id, "own"), max_queue=None) as socket:
        await start(socket, call_id)
        await hear(socket)
        await stop(socket, call_id)


@pytest.mark.parametrize("what", [floods, breaks_and_returns, takes_over, never_comes, ends_with_its_tool])
async def test_nor_does_a_call_that_goes_another_way(
    what: Callable[[Server, str], Awaitable[None]], garbage: list[Any]
) -> None:
    silent = Silent()

    async def converse(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await socket.recv()
            await socket.send(json.dumps({"type": "hello"}))
            if what is ends_with_its_tool:
                await socket.send(
                    json.dumps({"type": "call_tool", "id": "t1", "tool": "look", "arguments": {}})
                )
                await silent.asked.wait()
            async for message in socket:
                if isinstance(message, bytes):
                    await socket.send(message)

    async with silent.running() as tool_port, serve(converse, "127.0.0.1", 0) as own:
        url = f"ws://127.0.0.1:{next(iter(own.sockets)).getsockname()[1]}/"
        tools = {"look": {"url": f"http://127.0.0.1:{tool_port}/", "description": "It looks."}}
        settings = settings_of(url=url, preconnect=True, tools=tools)
        async with Server(settings).running() as server:
            for number in range(2):
                silent.asked.clear()
                await what(server, f"CA{number}")
                await server.admission.idle()
            assert not left(garbage)


def left(garbage: list[Any]) -> set[str]:
    """The bridge's own classes of which there was an object that only the collector could find; and tasks."""
    gc.collect()
    return {
        type(one).__qualname__
        for one in garbage
        if type(one).__module__.startswith("bridge.") or issubclass(type(one), asyncio.Task)
    }
