"""The circuit over loopback: an assistant that nobody can reach, its fallback, /readyz, and its return."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
from websockets.asyncio.server import ServerConnection, serve

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from tests.processes import free_port

GIVE_UP_S = 20.0
TONE = bytes(range(0x10, 0x60)) * 10
PAUSE_S = 2.0


async def mine(peer: ServerConnection) -> None:
    """An assistant that says one word."""
    await peer.send(json.dumps({"type": "hello"}))
    await peer.send(json.dumps({"type": "reply"}))
    await peer.send(TONE)
    await peer.send(json.dumps({"type": "reply_end"}))
    async for _ in peer:
        pass


async def opened_by(server: Server, journals: Path) -> list[str]:
    """Place a call: the assistants that were opened for it."""
    before = set(journals.glob("*.jsonl"))
    await place_call(f"ws://127.0.0.1:{server.port}/twilio/media", CallPlan(hang_up_at_ms=300))
    await server.admission.idle()
    await server.files.written()
    (journal,) = set(journals.glob("*.jsonl")) - before
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return [line["assistant"] for line in lines if line["what"] == "OpenAssistant"]


async def readyz(server: Server) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}/readyz") as answer,
    ):
        body: dict[str, Any] = await answer.json()
        return body


async def test_calls_go_to_the_fallback_until_the_assistant_is_back(tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "port": 0,
        "security": {"allow_unauthenticated": True},
        "assistant": "mine",
        "assistants": {"mine": {"kind": "stream", "url": f"ws://127.0.0.1:{port}/", "fallback": "parrot"}},
        "circuit": {"failures": 2, "calls": 2, "first_pause_s": PAUSE_S},
        "limits": {"open_s": 0.1, "retry_s": 0},
        "journal": {"directory": tmp_path},
    }
    async with asyncio.timeout(GIVE_UP_S), Server(Settings.model_validate(settings)).running() as server:
        for _ in range(2):
            opened = await opened_by(server, tmp_path)
            assert (opened[0], opened[-1]) == ("mine", "parrot")
        assert await opened_by(server, tmp_path) == ["parrot"]
        health = await readyz(server)
        assert health["status"] == "degraded"
        assert "failures in a row, the last: no WebSocket was opened" in health["assistants"]["mine"]
        assert health["open_circuits"]["mine"].endswith("+00:00")
        async with serve(mine, "127.0.0.1", port):
            while "open_circuits" in await readyz(server):
                opened = await opened_by(server, tmp_path)
            assert opened == ["mine"]
            assert await readyz(server) == {"status": "ready", "calls": 0}
