"""Whole handovers under Call Control: simulated Telnyx, our server and simulated OpenAI server, each over real sockets.

A `Scenario` is what a call has of its own; `carry_all` carries calls. Times of a `Handed` call are ms on the clock of the
carrier's log, which is also where the recordings of all parties begin.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge.config.audio_file import write_wav
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.people_call import place_people_call
from bridge.simulators.carriers.telnyx.webhooks import Signer
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.session_log import SessionLog
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K
from tests.end_to_end.people.side_by_side import AT_ONCE, Line, side_by_side
from tests.end_to_end.people.telnyx_handed import (
    AGAIN,
    ANN,
    ASKS,
    BACK,
    BRIEFING,
    GONE,
    GREETING,
    PARTING,
    Handed,
    callers_journal,
    read_recording,
    read_sessions,
)
from tests.processes import free_port

SEED = b64encode(bytes(range(32))).decode()
"""Of the key that signs the webhooks."""

API_KEY = "KEY0123456789"
OPTIONS = CallOptions(private_key=SEED, api_key=API_KEY)

LOOK_AGAIN_S = 0.02
TRANSFER = {
    "name": "transfer",
    "arguments": '{"person": "billing", "why": "an invoice", "summary": "invoice six is wrong"}',
}
REPLIES: list[dict[str, Any]] = [
    {"on_output": "transfer", "say": AGAIN, "connections": [1]},
    {"on_output": "transfer", "say": BACK},
    {"on_instructions": "hung up in the meantime", "say": GONE},
    {"on_instructions": "", "with_tool": "accept", "say": BRIEFING},
    {"on_instructions": "", "connections": [1], "say": GREETING},
    {"with_tool": "transfer", "connections": [1], "say": PARTING, "calls": [TRANSFER]},
    {"with_tool": "transfer", "say": "that is noted"},
]
ACCEPTS: dict[str, Any] = {"with_tool": "accept", "calls": [{"name": "accept"}]}
DECLINES: dict[str, Any] = {
    "with_tool": "accept",
    "calls": [{"name": "decline", "arguments": '{"reason": "in a meeting"}'}],
}


def says(words: str, at_s: float, since: str = "answered") -> dict[str, Any]:
    return {"words": words, "at_s": at_s, "since": since}


ASKED = says(ASKS, 0.8, "heard")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What a call has of its own. `person`: settings of people.billing. `people`, `caller`, `faults`: as `People` has them."""

    people: dict[str, Any]
    person: dict[str, Any] = field(default_factory=dict)
    caller: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, Any] = field(default_factory=dict)
    telnyx: dict[str, Any] = field(default_factory=dict)
    replies: tuple[dict[str, Any], ...] = ()
    """In front of the usual ones."""
    settings: dict[str, Any] = field(default_factory=dict)
    stops_after: Callable[["ApiLog"], bool] | None = None
    """The server is told to stop as by SIGTERM as soon as this holds."""


def hold_file(folder: Path) -> Path:
    """Two seconds of music without a pause in it."""
    path = folder / "hold.wav"
    noise = np.random.default_rng(3).normal(0, 700, 16_000).astype(np.int16)
    write_wav(path, encoder(PCMU_8K)(noise), PCMU_8K)
    return path


def _settings(scenario: Scenario, openai_url: str, api_port: int, folder: Path) -> Settings:
    more = dict(scenario.settings)
    telnyx = {
        "public_key": Signer(SEED).public_key,
        "api_key": API_KEY,
        "api_url": f"http://127.0.0.1:{api_port}/v2",
        "connection_id": "7267",
    }
    receptionist = {
        "kind": "openai-realtime",
        "base_url": openai_url,
        "api_key": "sk-test",
        "instructions": "You answer the phone.",
        "greeting": "Greet the caller.",
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        "tools": {"hang_up": {}, "transfer": {"people": ["billing"]}},
    }
    billing = {"to": [ANN], "hold": {"play": str(hold_file(folder))}, **scenario.person}
    plain = {
        "port": 0,
        "assistant": "receptionist",
        "assistants": {"receptionist": receptionist},
        "people": {"billing": billing},
        "journal": {"directory": folder},
        "recording": {"directory": folder},
        "limits": {"max_lag_ms": 0, "silent_s": 60},
        "telnyx": telnyx | scenario.telnyx,
    }
    return Settings.model_validate(plain | more)


async def _until(holds: Callable[[], bool], placed: "asyncio.Task[PeopleReport]") -> None:
    while not (holds() or placed.done()):
        await asyncio.wait([placed], timeout=LOOK_AGAIN_S)


class Ready:
    """One call whose server and assistant are open. `place` carries it, `handed` tells of it afterwards."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.log = ApiLog()
        self._scenario = scenario
        self._folder = folder
        self._port = free_port()
        self._began = self._stopped_at = 0.0
        self._report: PeopleReport

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The server stops before the assistant does."""
        session_log = SessionLog(self._folder / "openai.jsonl")
        given = {
            "first_audio_s": 0.1,
            "heard": (ASKS,),
            "replies": (*self._scenario.replies, *REPLIES),
        }
        openai = SimulatedOpenAI(OpenAIScript.model_validate(given), log=session_log)
        async with openai.running(), AsyncExitStack() as self._serving:
            self._server = Server(_settings(self._scenario, openai.url, self._port, self._folder))
            await self._serving.enter_async_context(self._server.running())
            yield
        session_log.close()

    async def place(self) -> None:
        """Carry the call, from the webhook to the end of everything."""
        scenario = self._scenario
        caller = scenario.caller | {"says": [ASKED, *scenario.caller.get("says", ())]}
        people = People.model_validate(
            {"people": scenario.people, "caller": caller, "faults": scenario.faults}
        )
        url = f"{self._server.admission.public_url}/telnyx/webhook"
        self.log, self._began = ApiLog(), time.time()  # its zero is the begin of the recordings
        asked = PeopleCall(url, lambda _: CallPlan(), people, OPTIONS, port=self._port, log=self.log)
        placed = asyncio.create_task(place_people_call(asked))
        if (stops := scenario.stops_after) is not None:
            await _until(lambda: stops(self.log), placed)
            self.log.note("server", event="stops")
            self._stopped_at = self.log.lines[-1]["at_ms"]
            await self._serving.aclose()
            self.log.note("server", event="stopped")
        self._report = await placed
        if not self._stopped_at:
            await self._server.admission.idle()
            await self._server.files.written()

    def handed(self) -> Handed:
        """What became of it."""
        folder, log = self._folder, self.log
        journal, sessions = callers_journal(folder), read_sessions(folder, log)
        recording, began = read_recording(folder), self._began
        return Handed(self._report, log.lines, journal, sessions, recording, began, self._stopped_at)


def carry_all(
    scenarios: dict[str, Scenario], folder: Path, at_once: Sequence[int] = AT_ONCE
) -> dict[str, Handed | BaseException]:
    """All calls, as `side_by_side` carries them."""

    async def carry(name: str, own: Path, line: Line) -> Handed:
        ready = Ready(scenarios[name], own)
        async with ready.running(), line.taken():
            try:
                await ready.place()
            except BaseException as fault:
                fault.add_note("\n".join(str(one) for one in ready.log.lines))
                raise
        return ready.handed()

    return side_by_side(carry, scenarios, folder, at_once)
