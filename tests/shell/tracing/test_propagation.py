"""Who is told of the trace beside those of `test_traces`: an assistant that is posted to, and a function."""

import asyncio
import sys
from types import ModuleType

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.settings.assistants import PostAddress, ToolSettings
from bridge.shell.assistant_http import AssistantPosts
from bridge.tools.tool import CallFacts
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import RunTool
from bridge.vocabulary.contracts import LegMessage, Post

TRACEPARENTS = [f"00-{'a' * 32}-{'b' * 15}{number}-01" for number in (1, 2)]


async def test_each_post_has_the_turn_in_which_it_was_sent() -> None:
    got: list[str | None] = []

    async def take(request: web.Request) -> web.Response:
        got.append(request.headers.get("traceparent"))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    server, posts = TestServer(app), AssistantPosts()
    await server.start_server()
    answers: asyncio.Queue[LegMessage] = asyncio.Queue()
    turns = [*TRACEPARENTS, ""]
    leg = posts.open(
        PostAddress(str(server.make_url("/")), {}, 5.0, 1_000),
        answers.put_nowait,
        lambda _code, _why: None,
        lambda: turns.pop(0),
    )
    for _ in range(3):
        leg.send(Post(b"{}", {}))
    async with asyncio.timeout(5):
        for _ in range(3):
            await answers.get()
    leg.close()
    await posts.aclose()
    await server.close()
    assert got == [*TRACEPARENTS, None]


TOLD: list[str] = []


def where(call: CallFacts) -> str:
    """Where the call is."""
    TOLD.append(call.traceparent)
    return "here"


class OneTool:
    """The trace of a call, in which each tool call has a place of its own."""

    def opening(self) -> str:
        return ""

    def asking(self) -> str:
        return ""

    def running(self, tool_call_id: str) -> str:
        return TRACEPARENTS[int(tool_call_id)]


async def test_a_function_is_told_its_place_in_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    TOLD.clear()
    module = ModuleType("compass")
    vars(module)["where"] = where
    monkeypatch.setitem(sys.modules, "compass", module)
    toolbox = Toolbox("sales", {"where": ToolSettings(function="compass:where")})
    tools = toolbox.open(call_id="CA1", parameters={}, tracing=OneTool())
    answers: asyncio.Queue[str] = asyncio.Queue()
    for number in ("0", "1"):
        tools.run(RunTool(number, "where", "{}"), answers.put_nowait)
        async with asyncio.timeout(5):
            assert await answers.get() == "here"
    tools.close()
    await toolbox.aclose()
    assert TOLD == TRACEPARENTS
