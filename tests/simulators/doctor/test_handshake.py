"""The assistants of the settings: each is opened as a call would open it, and says why it cannot be."""

from typing import Any

import pytest
import websockets
from aiohttp import web

from bridge.config.settings import Settings
from bridge.shell.network import Network
from bridge.simulators.doctor.asking import Asker
from bridge.simulators.doctor.clock import Clock
from bridge.simulators.doctor.findings import Finding, Level
from bridge.simulators.doctor.handshake import look_at_assistants
from bridge.simulators.openai.server import SimulatedOpenAI
from tests.processes import free_port
from tests.simulators.doctor.proxy import answering


async def found(**table: Any) -> Finding:
    """The finding about one assistant, `a`."""
    settings = Settings.model_validate({"assistant": "a", "assistants": {"a": table}})
    network = Network()
    try:
        async with Asker(network, Clock()) as asker:
            (finding,) = await look_at_assistants(settings, network, asker)
    finally:
        await network.aclose()
    assert finding.name == "a"
    return finding


async def test_one_that_lives_in_the_server() -> None:
    finding = await found(kind="echo")
    assert (finding.level, finding.found) == (Level.OK, "It lives in the server (echo).")


async def test_a_stream_that_says_hello() -> None:
    async def hello(socket: websockets.ServerConnection) -> None:
        await socket.send('{"type":"hello"}')
        async for _ in socket:
            pass

    async with websockets.serve(hello, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        finding = await found(kind="stream", url=f"ws://127.0.0.1:{port}/")
    assert finding.level is Level.OK
    assert finding.found.startswith(f"ws://127.0.0.1:{port}/ is ready after ")


@pytest.mark.parametrize(
    ("status", "why", "remedy"),
    [
        (
            401,
            "the upgrade was refused with HTTP 401: the key is missing or not accepted",
            "The key is wrong",
        ),
        (404, "the upgrade was refused with HTTP 404: there is no such address", "Correct the address"),
        (429, "the upgrade was refused with HTTP 429: there were too many requests", "raise the limit"),
    ],
)
@pytest.mark.parametrize("kind", ["stream", "openai-realtime"])
async def test_one_that_refuses(kind: str, status: int, why: str, remedy: str) -> None:
    async with answering(lambda _: web.Response(status=status)) as url:
        address = url.replace("http:", "ws:")
        key = {"url": address} if kind == "stream" else {"base_url": url, "api_key": "sk-" + "a" * 40}
        finding = await found(kind=kind, **key)
    assert finding.level is Level.FAULT, finding
    assert why in finding.found
    assert remedy in finding.remedy
    assert "sk-a" not in finding.found


async def test_one_that_is_not_there() -> None:
    finding = await found(kind="stream", url=f"ws://127.0.0.1:{free_port()}/")
    assert finding.level is Level.FAULT
    assert finding.remedy.startswith("Start it")


@pytest.mark.parametrize(
    ("status", "level"), [(200, Level.OK), (405, Level.OK), (401, Level.FAULT), (500, Level.FAULT)]
)
async def test_one_that_is_reached_by_posts(status: int, level: Level) -> None:
    """It is not sent a turn: that would be one for its books."""
    methods: list[str] = []

    def answer(request: web.Request) -> web.Response:
        methods.append(request.method)
        return web.Response(status=status)

    async with answering(answer) as url:
        finding = await found(kind="turn-based", url=url)
    assert (finding.level, methods) == (level, ["GET"])


async def test_one_that_is_reached_by_posts_and_is_not_there() -> None:
    finding = await found(kind="turn-based", url=f"http://127.0.0.1:{free_port()}/")
    assert finding.level is Level.FAULT
    assert "cannot be reached" in finding.found


async def test_a_session_of_the_realtime_api_without_a_word() -> None:
    async with SimulatedOpenAI().running() as server:
        finding = await found(
            kind="openai-realtime", base_url=server.url, api_key="sk-" + "a" * 40, greeting="Hello"
        )
        (connection,) = server.connections
        assert connection.events("session.update")
        assert not connection.events("response.create"), "what a model says is billed"
    assert finding.level is Level.OK, finding
