"""The simulated assistant on loopback, driven by the clients of websockets and aiohttp."""

import asyncio
import os
import signal
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.simulators.assistant.bodies import wav
from bridge.simulators.assistant.posts import CALL_HEADER
from bridge.simulators.assistant.script import AssistantScript, parse_script
from bridge.simulators.assistant.server import SimulatedAssistant, serve
from bridge.vocabulary.errors import ConfigurationError

RESTART, END, PREFIX = "RESTART_COMMUNICATION", "SINGLE_UTTERANCE_END", "_MULAW"
QUICK = "reply_s = 0.02\n"
WAV = wav(b"\x01\x02" * 800)
TIMEOUT_S = 10.0


@asynccontextmanager
async def running(script: str = "") -> AsyncIterator[SimulatedAssistant]:
    async with (
        asyncio.timeout(TIMEOUT_S),
        SimulatedAssistant(parse_script(QUICK + script)).running() as simulator,
    ):
        yield simulator


@asynccontextmanager
async def dialled(simulator: SimulatedAssistant, **options: object) -> AsyncIterator[ClientConnection]:
    async with connect(simulator.url, max_size=None, **options) as socket:  # type: ignore[arg-type]
        yield socket


async def say(socket: ClientConnection, audio: bytes) -> None:
    for at in range(0, len(audio), 160):
        await socket.send(b64encode(audio[at : at + 160]).decode())


async def until_closed(socket: ClientConnection) -> list[str | bytes]:
    messages: list[str | bytes] = []
    try:
        while True:
            messages.append(await socket.recv())
    except ConnectionClosed:
        return messages


async def test_a_turn(sentence: bytes) -> None:
    async with running() as simulator:
        async with dialled(simulator, additional_headers={"X-Mine": "1"}) as socket:
            await socket.send(RESTART)
            await say(socket, sentence)
            assert await socket.recv() == END
            reply = await socket.recv()
            assert isinstance(reply, str)
            audio = b64decode(reply.removeprefix(PREFIX), validate=True)
            assert audio in sentence
        connection = await simulator.connected()
        await simulator.until(lambda: connection.closed is not None)
    assert (simulator.upgrades, connection.closed, connection.path) == ([101], 1000, "/assistant")
    assert connection.headers["x-mine"] == "1"
    assert [turn.reply for turn in connection.conversation.turns] == [audio]


async def test_two_callers_do_not_hear_each_other(sentence: bytes) -> None:
    async with running() as simulator, dialled(simulator) as one, dialled(simulator) as other:
        await one.send(RESTART)
        await other.send(RESTART)
        await asyncio.gather(say(one, sentence), say(other, sentence[:2_000] + sentence))
        for socket in (one, other):
            assert await socket.recv() == END
            await socket.recv()
        turns = [connection.conversation.turns[0] for connection in simulator.connections]
        assert {turn.frames + turn.late_frames for turn in turns} == {213, 226}


async def test_a_binary_message_and_a_long_one_are_accepted() -> None:
    async with running() as simulator, dialled(simulator) as socket:
        await socket.send(RESTART)
        await socket.send(b"\x00")
        await socket.send(b64encode(b"\xff" * 3_000_000).decode())
        await socket.send("_DTMF12")
        assert await socket.recv() == END
        (connection,) = simulator.connections
        assert connection.conversation.turns[0].frames == 1
        assert len(connection.conversation.refused) == 1


CLOSES = [(1000, "answering"), (1011, "listening"), (4000, "answered"), (1006, "answered"), (1006, "idle")]


@pytest.mark.parametrize(("code", "state"), CLOSES)
async def test_it_closes_as_the_script_wants(code: int, state: str) -> None:
    script = f'[[faults]]\nclose = {code}\nclose_in = "{state}"\nclose_after_s = 0.01'
    async with running(script) as simulator, dialled(simulator) as socket:
        await socket.send(RESTART) if state != "idle" else None
        await socket.send("_DTMF1") if state not in {"idle", "listening"} else None
        await until_closed(socket)
        assert socket.close_code == code
        await simulator.until(lambda: simulator.connections[0].closed is not None)
        assert simulator.connections[0].closed == code


async def test_it_refuses_the_upgrade() -> None:
    async with running("[[faults]]\nconnections = 1\nrefuse = 503") as simulator:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(simulator.url)
        assert refusal.value.response.status_code == 503
        async with dialled(simulator):
            await simulator.connected()
        assert simulator.upgrades == [503, 101]


async def test_a_reply_of_20_megabytes() -> None:
    async with running("[faults]\nreply_bytes = 20_000_000") as simulator, dialled(simulator) as socket:
        await socket.send(RESTART)
        await socket.send("_DTMF1")
        assert await socket.recv() == END
        assert 19_999_990 < len(await socket.recv()) <= 20_000_000


async def test_posts_and_other_http_requests() -> None:
    async with running() as simulator, aiohttp.ClientSession() as http:
        headers = {"Content-Type": "audio/wav", CALL_HEADER: "CA1"}
        async with http.post(simulator.http_url, data=WAV, headers=headers) as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (200, "audio/wav", WAV)
        async with http.post(simulator.http_url + "/any/path", data=b"", headers=headers) as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        async with http.post(simulator.http_url, data=b"x", headers={"Content-Type": "audio/mpeg"}) as answer:
            assert answer.status == 415
            assert "audio/wav" in await answer.text()
        async with http.get(simulator.http_url) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert [turn.headers[CALL_HEADER] for turn in simulator.posts.turns] == ["CA1", "CA1"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ('reply = "half"', aiohttp.ClientPayloadError),
        ("close = 1006", aiohttp.ServerDisconnectedError),
    ],
)
async def test_posts_are_cut_off(fault: str, error: type[Exception]) -> None:
    async with running(f"[faults]\n{fault}") as simulator, aiohttp.ClientSession() as http:
        with pytest.raises(error):
            async with http.post(
                simulator.http_url, data=WAV, headers={"Content-Type": "audio/wav"}
            ) as answer:
                await answer.read()


async def test_a_body_comes_slowly() -> None:
    async with running("[faults]\nbody_s = 0.2") as simulator, aiohttp.ClientSession() as http:
        began = asyncio.get_running_loop().time()
        async with http.post(simulator.http_url, data=WAV, headers={"Content-Type": "audio/wav"}) as answer:
            headed = asyncio.get_running_loop().time()
            assert await answer.read() == WAV
        assert headed - began < 0.15
        assert asyncio.get_running_loop().time() - headed > 0.15


async def test_no_answer_at_all() -> None:
    async with running('[faults]\nreply = "none"') as simulator, aiohttp.ClientSession() as http:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await http.post(simulator.http_url, data=WAV, headers={"Content-Type": "audio/wav"})
        assert len(simulator.posts.turns) == 1


async def test_open_connections_are_broken_at_the_end() -> None:
    async with SimulatedAssistant().running() as simulator:
        socket = await connect(simulator.url)
        await socket.send(RESTART)
        await simulator.connected()
    await until_closed(socket)
    assert socket.close_code == 1006


async def test_a_port_that_is_taken() -> None:
    async with running() as simulator:
        with pytest.raises(ConfigurationError, match=f"port = {simulator.port}: "):
            async with SimulatedAssistant(port=simulator.port).running():
                pass


async def test_serves_until_sigterm() -> None:
    began = asyncio.Event()

    def note(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        lines.append(line)
        began.set()
        raise structlog.DropEvent

    lines: list[MutableMapping[str, Any]] = []
    structlog.configure(processors=[note])
    serving = asyncio.create_task(serve(AssistantScript(), "127.0.0.1", 0))
    async with asyncio.timeout(TIMEOUT_S):
        await began.wait()
        async with connect(lines[0]["url"]) as socket:
            await socket.send(RESTART)
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
    assert [line["event"] for line in lines] == ["= simulated assistant", "< upgrade", "= connection over"]


async def test_a_refusal_says_when_to_come_again() -> None:
    script = "[faults]\nrefuse = 503\nretry_after_s = 2"
    async with running(script) as simulator, aiohttp.ClientSession() as http:
        headers = {"Content-Type": "audio/wav"}
        async with http.post(simulator.http_url, data=WAV, headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
