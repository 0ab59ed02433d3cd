"""A server process that stops while a caller talks with a person: they go on talking, and whoever comes after it has the call."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.twilio.people_call import place_people_call
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall
from bridge.simulators.phone.plan import CallPlan
from telecodecs.format import Samples
from tests.end_to_end.people.twilio_line import (
    AGAIN,
    ANN,
    RATE_HZ,
    Row,
    script_of,
    settings_of,
)
from tests.processes import free_port

WORDS = "that was the third invoice"
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("VOICEBRIDGE_", "TWILIO_", "OPENAI_"))
}
TIMEOUT_S = 60.0


def people(says_at_s: float, stays_s: float) -> People:
    """Ann says the words, and leaves, so long after she and the caller were joined."""
    ann = {
        "says": [{"at_s": says_at_s, "since": "joined", "words": WORDS}],
        "hangs_up_after_s": stays_s,
        "hangs_up_since": "joined",
    }
    caller = {"hangs_up_after_s": 3.0, "hangs_up_since": "left"}
    return People.model_validate({"people": {"ann": ANN | ann}, "caller": caller})


@contextmanager
def serving(folder: Path, settings: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """A server process that serves."""
    lines = (f"{name} = {toml(value)}" for name, value in settings.items())
    (folder / "voicebridge.toml").write_text("\n".join(lines))
    with subprocess.Popen(
        [sys.executable, "-m", "bridge", "serve"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if json.loads(line)["event"] == "= serving":
                    break
            yield process
        finally:
            process.kill()


def toml(value: Any) -> str:
    """As an inline table."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(one)}" for name, one in value.items()) + " }"
    return json.dumps(value)


class Talk:
    """A caller talks with Ann, who says something after a while and leaves later, and then waits for the assistant."""

    def __init__(self, folder: Path, openai: SimulatedOpenAI, people: People, *, drain_s: float) -> None:
        port, api_port = free_port(), free_port()
        limits = {"limits": {"max_lag_ms": 0, "silent_s": 30, "drain_s": drain_s}}
        self.settings = settings_of(Row(settings=limits), openai.url, api_port, folder) | {"port": port}
        self.log = ApiLog()
        self.heard: dict[str, Samples] = {}
        self._asked = PeopleCall(
            f"http://127.0.0.1:{port}/twilio/voice",
            lambda _: CallPlan(),
            people,
            log=self.log,
            port=api_port,
        )

    async def place(self) -> None:
        report = await place_people_call(self._asked)
        self.heard = {party.name: party.heard for party in report.parties}

    async def joined(self) -> None:
        """Wait until the two talk, and the server knows that Ann is no machine."""
        while not any(one.get("fields", {}).get("AnsweredBy") == "human" for one in self.log.lines):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def at(self, **fields: Any) -> float:
        return float(next(one["at_ms"] for one in self.log.lines if fields.items() <= one.items()))

    def back(self) -> dict[str, Any]:
        (asked,) = [one for one in self.log.lines if "/twilio/back/" in one.get("url", "")]
        return asked

    def hears(self, words: str, after_ms: float) -> bool:
        """Whether the caller heard this after that moment."""
        heard = self.heard["caller"][int(after_ms * RATE_HZ / 1000) :]
        return find_sound(heard, spoken(words, RATE_HZ)).likeness >= 0.95


@pytest.fixture
async def openai() -> AsyncIterator[SimulatedOpenAI]:
    async with asyncio.timeout(TIMEOUT_S), SimulatedOpenAI(script_of(Row())).running() as simulator:
        yield simulator


async def test_they_go_on_talking_and_the_next_server_has_the_call(
    tmp_path: Path, openai: SimulatedOpenAI
) -> None:
    """Twilio asks the next one, here this process, how the call goes on; it knows nothing of it, and answers it anew."""
    talk = Talk(tmp_path, openai, people(4.0, 6.0), drain_s=0.2)
    with serving(tmp_path, talk.settings) as first:
        placing = asyncio.create_task(talk.place())
        await talk.joined()
        first.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.wait, 10.0) == 0
    stopped_ms = (time.monotonic() - talk.log.started) * 1000
    assert [one.closed is None for one in openai.connections] == [False]
    async with Server(Settings.model_validate(talk.settings)).running():
        await placing
    assert talk.hears(WORDS, stopped_ms)
    left_ms = talk.at(party="ann", event="left")
    assert left_ms > stopped_ms
    assert talk.back()["status"] == 200
    assert "<Connect>" in talk.back()["answer"]
    assert talk.hears("Hello.", left_ms), "the assistant begins as in every call"
    assert "left behind" not in [one.get("event") for one in talk.log.lines]


async def test_a_server_that_drains_has_the_caller_back(tmp_path: Path, openai: SimulatedOpenAI) -> None:
    talk = Talk(tmp_path, openai, people(2.0, 4.5), drain_s=30.0)
    with serving(tmp_path, talk.settings) as server:
        placing = asyncio.create_task(talk.place())
        await talk.joined()
        server.send_signal(signal.SIGTERM)
        await placing
        assert await asyncio.to_thread(server.wait, 10.0) == 0
    assert talk.hears(WORDS, talk.at(party="ann", event="answered"))
    assert talk.hears(AGAIN[:20], talk.at(party="ann", event="left"))
