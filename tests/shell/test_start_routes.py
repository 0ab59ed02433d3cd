"""A stream that nobody announced goes where its parameters send it: doors are open, on loopback."""

import json
from pathlib import Path

import pytest

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan

OPEN = {
    "port": 0,
    "assistant": "echo",
    "security": {"allow_unauthenticated": True},
    "routes": [
        {"to": "+1*", "parameters": {"plan": "gold"}, "assistant": "echo"},
        {"parameters": {"plan": "gold"}, "assistant": "parrot"},
    ],
}


@pytest.mark.parametrize(("plan", "assistant"), [("gold", "parrot"), ("silver", "echo")])
async def test_a_stream_that_nobody_announced(plan: str, assistant: str, tmp_path: Path) -> None:
    settings = OPEN | {"journal": {"directory": tmp_path}}
    async with Server(Settings.model_validate(settings)).running() as server:
        called = CallPlan(hang_up_at_ms=100, parameters={"plan": plan})
        await place_call(f"ws://127.0.0.1:{server.port}/twilio/media", called)
    (journal,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["assistant"] for line in lines if line["what"] == "OpenAssistant"] == [assistant]
