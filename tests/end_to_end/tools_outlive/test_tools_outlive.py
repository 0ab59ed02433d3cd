"""A tool of 0.6 s whose assistant is lost after 0.2 s: it runs once, and the assistant that takes over speaks of it.

Whole calls over real sockets on loopback, side by side: a simulated phone, our server, assistants of the stream protocol
and the simulated OpenAI.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bridge.config.settings import Settings
from bridge.observers.call_history import CallHistory, build_history, read_journal
from bridge.shell.server import Server
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport

TONE = bytes(range(0x10, 0x60)) * 50  # half a second that no silence looks like
LOST_AFTER_S = 0.2
ARGUMENTS = {"day": "friday"}
TOOL = {"book": {"function": "agenda:book"}}
TIMEOUT_S = 20.0


@dataclass
class StreamAssistant:
    """Calls a tool on the first of its connections, and drops that one with `code`; on another it speaks of the tool."""

    code: int = 1011
    calls_on: int = 1
    """The connection on which it calls the tool; 0: on none."""
    hellos: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    async def serve(self, socket: ServerConnection) -> None:
        async for message in socket:
            told: dict[str, Any] = json.loads(message) if isinstance(message, str) else {"type": "audio"}
            match told["type"]:
                case "hello":
                    self.hellos.append(told)
                    await self._begin(socket)
                case "answer":
                    self.answers.append(told)
                    await socket.send(TONE)
                    await socket.send('{"type":"hang_up"}')

    async def _begin(self, socket: ServerConnection) -> None:
        await socket.send('{"type":"hello","turns":"assistant"}')
        if len(self.hellos) == self.calls_on:
            called = {"type": "call_tool", "id": "t1", "tool": "book", "arguments": ARGUMENTS}
            await socket.send(json.dumps(called))
            await asyncio.sleep(LOST_AFTER_S)
            await socket.close(self.code)


@dataclass
class Carried:
    """One call, and what its assistants were told."""

    report: CallReport
    history: CallHistory
    openai: SimulatedOpenAI
    stream: StreamAssistant
    booked: int
    was_stopped: bool

    def items(self, connection: int) -> list[dict[str, Any]]:
        """What the bridge put into a conversation of the simulated OpenAI."""
        created = self.openai.connections[connection - 1].events("conversation.item.create")
        return [received.event["item"] for received in created]

    @property
    def hears_the_stream_assistant(self) -> bool:
        return TONE in self.report.heard


OPENAI_CALLS = {
    "first_audio_s": 0.05,
    "replies": [
        {"on_instructions": "", "calls": [{"name": "book", "arguments": json.dumps(ARGUMENTS)}]},
        {"on_output": "book", "say": "It is booked."},
    ],
    "faults": [
        {"connections": 1, "close": 1011, "close_after_s": 0.05 + LOST_AFTER_S},
        {"connections": [2], "refuse": 401},
    ],
}
OPENAI_SPEAKS = {
    "first_audio_s": 0.05,
    "replies": [
        {"on_output": "book", "say": "It is booked."},
        {"on_text": "has ended; its output: booked on friday", "say": "It is booked."},
    ],
}


@asynccontextmanager
async def assistants(
    openai: SimulatedOpenAI, stream: StreamAssistant, row: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    async with openai.running(), serve(stream.serve, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield {
            "openai": {
                "kind": "openai-realtime",
                "base_url": openai.url,
                "api_key": "sk-test",
                "greeting": {"instructions": "Begin."},
            }
            | row.get("openai", {}),
            "stream": {"kind": "stream", "url": f"ws://127.0.0.1:{port}/"} | row.get("stream", {}),
        }


async def carry(agenda: ModuleType, row: dict[str, Any], folder: Path) -> Carried:
    """A call in which nobody says anything; it ends when the assistant hangs up, or after 3 s."""
    folder.mkdir()
    openai = SimulatedOpenAI(OpenAIScript.model_validate(row.get("script", {})))
    stream = StreamAssistant(**row.get("assistant", {}))
    async with assistants(openai, stream, row) as settings:
        given = {
            "port": 0,
            "security": {"allow_unauthenticated": True},
            "assistant": row["first"],
            "assistants": settings,
            "journal": {"directory": folder},
        }
        async with asyncio.timeout(TIMEOUT_S), Server(Settings.model_validate(given)).running() as server:
            plan = CallPlan(linger_s=10.0, longest_s=row.get("longest_s", 3.0))
            report = await place_call(f"ws://127.0.0.1:{server.port}/twilio/media", plan)
            await server.admission.idle()
            await server.files.written()
            await asyncio.sleep(0)
    (journal,) = folder.glob("*.jsonl")
    sid = report.call_sid
    history = build_history(read_journal(journal))
    return Carried(report, history, openai, stream, agenda.BOOKED[sid], sid in agenda.STOPPED)


ROWS: dict[str, dict[str, Any]] = {
    "stream, again": {"first": "stream", "stream": {"tools": TOOL}},
    "openai, then stream": {
        "first": "openai",
        "openai": {"tools": TOOL, "fallback": "stream"},
        "script": OPENAI_CALLS,
        "assistant": {"calls_on": 0},
    },
    "stream, then openai": {
        "first": "stream",
        "stream": {"tools": TOOL, "fallback": "openai"},
        "openai": {"tools": TOOL},
        "script": OPENAI_SPEAKS,
        "assistant": {"code": 1008},
    },
    "stream, then openai without the tool": {
        "first": "stream",
        "stream": {"tools": TOOL, "fallback": "openai"},
        "script": OPENAI_SPEAKS,
        "assistant": {"code": 1008},
    },
    "the caller hangs up": {
        "first": "stream",
        "stream": {"tools": {"book": {"function": "agenda:book_long"}}},
        "longest_s": 0.8,
    },
}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Carried]:
    """All calls, carried side by side."""
    folder = tmp_path_factory.mktemp("calls")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        import agenda  # type: ignore[import-not-found]  # the user's own

        async def carry_all() -> list[Carried]:
            numbers = count()
            rows = (carry(agenda, row, folder / str(next(numbers))) for row in ROWS.values())
            return await asyncio.gather(*rows)

        return dict(zip(ROWS, asyncio.run(carry_all()), strict=True))


OUTLIVED = [name for name in ROWS if name != "the caller hangs up"]


@pytest.mark.parametrize("name", OUTLIVED)
def test_the_tool_runs_once_and_the_journal_says_who_was_told(calls: dict[str, Carried], name: str) -> None:
    call = calls[name]
    assert call.booked == 1
    assert not call.was_stopped
    (run,) = call.history.tools
    assert run.tool == "book"
    assert run.told_to == ("openai" if "then openai" in name else "stream")


@pytest.mark.parametrize("name", ["stream, again", "openai, then stream"])
def test_an_assistant_of_the_stream_protocol_is_told(calls: dict[str, Carried], name: str) -> None:
    call = calls[name]
    hello = call.stream.hellos[-1]
    assert hello["opening"] == "recovered"
    (used,) = hello["history"]
    assert used == {
        "who": "tool",
        "text": "",
        "id": used["id"],
        "tool": "book",
        "arguments": ARGUMENTS,
        "running": True,
    }
    assert call.stream.answers == [{"type": "answer", "id": used["id"], "output": "booked on friday"}]
    assert call.hears_the_stream_assistant
    assert call.report.close_code == 1000


def test_openai_is_told_a_pair_where_it_has_the_tool(calls: dict[str, Carried]) -> None:
    call = calls["stream, then openai"]
    called, output = call.items(1)
    assert (called["type"], called["name"]) == ("function_call", "book")
    assert json.loads(called["arguments"]) == ARGUMENTS
    assert (output["type"], output["call_id"]) == ("function_call_output", called["call_id"])
    assert output["output"] == "booked on friday"
    assert [reply.text for reply in call.history.replies] == ["It is booked."]


def test_openai_is_told_in_words_where_it_lacks_the_tool(calls: dict[str, Carried]) -> None:
    call = calls["stream, then openai without the tool"]
    texts = [item["content"][0]["text"] for item in call.items(1)]
    assert ["it still runs" in text for text in texts] == [True, False]
    assert "its output: booked on friday" in texts[1]
    assert [reply.text for reply in call.history.replies] == ["It is booked."]


def test_a_tool_whose_assistant_is_gone_ends_with_the_call(calls: dict[str, Carried]) -> None:
    call = calls["the caller hangs up"]
    assert call.booked == 1
    assert call.was_stopped
    assert len(call.stream.hellos) == 2
