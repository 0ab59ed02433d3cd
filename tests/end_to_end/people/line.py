"""One call that goes to a person, over real sockets: simulated carrier and persons, our server, simulated OpenAI server.

Times are ms from the begin of the call, which is where all recordings begin. Everybody speaks in the made-up voice, so
that who heard which words is found in the recordings.
"""

import asyncio
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.config.audio_file import write_wav
from bridge.config.settings import Settings
from bridge.observers.call_history import JournalEntry, read_journal
from bridge.shell.server import Server
from bridge.shell.session import clock
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import RealtimeConnection, SimulatedOpenAI
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PartyReport, PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.format import L16_8K, Samples
from tests.end_to_end.people.side_by_side import Line
from tests.processes import free_port

ANN = "+15550111"
BOB = "+15550112"
GREETING, LAST_WORDS, BACK, BRIEFING = (
    "good day",
    "one moment please, i call ann",
    "here i am again",
    "a caller has a question",
)
QUESTION, ANSWER, YES = "is my order there", "yes it came today", "put her through"
HOLD_FILE = "hold.wav"
HOLD = "themusicthatisplayedtowhoeverwaits"
WHY = "about an order"


@dataclass(frozen=True)
class Carrier:
    """How a carrier is set up here. `keys`: its settings, where the REST API has this port."""

    path: str
    keys: Callable[[int], dict[str, Any]]
    place: Callable[[PeopleCall], Awaitable[PeopleReport]]
    asks: dict[str, Any]
    """Further fields of the `PeopleCall`."""


class Heard(NamedTuple):
    """Where words were heard: from, until, ms, and how like them it was, 0 to 1."""

    likeness: float
    from_ms: float
    until_ms: float


@dataclass
class PutThroughCall:
    """The result of one call."""

    report: PeopleReport
    api: list[dict[str, Any]]
    journals: list[list[JournalEntry]]
    """That of the caller first."""
    connections: list[RealtimeConnection]
    folder: Path
    gone_at: list[float]
    """When each of them was over."""
    started: float
    """The zero of all times, on the clock of the sessions."""

    def party(self, name: str) -> PartyReport:
        return next(one for one in self.report.parties if one.name == name)

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.report.parties]

    def hears(self, name: str, words: str, *, after_ms: float = 0) -> Heard:
        """The best place for these words in what this party heard."""
        party = self.party(name)
        per_ms = party.rate_hz / 1000
        heard, said = party.heard[int(after_ms * per_ms) :], spoken(words, party.rate_hz)
        found = find_sound(heard, said)
        begin = after_ms + found.at / per_ms
        return Heard(found.likeness, begin, begin + len(said) / per_ms)

    def sound(self, name: str, from_ms: float, until_ms: float) -> Samples:
        party = self.party(name)
        per_ms = party.rate_hz / 1000
        return party.heard[int(from_ms * per_ms) : int(until_ms * per_ms)]

    def lines(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """The lines of the carrier's log of this kind with these fields."""
        return [line for line in self.api if line["kind"] == kind and fields.items() <= line.items()]

    def at_ms(self, kind: str, nth: int = 0, **fields: Any) -> float:
        return float(self.lines(kind, **fields)[nth]["at_ms"])

    def wrote(self, what: str) -> list[dict[str, Any]]:
        """The lines of the caller's journal of this kind."""
        return [one.fields for one in self.journals[0] if one.what == what]

    def recorded(self) -> tuple[int, Samples]:
        """The server's own recording of the caller: its rate, Hz, and the samples."""
        (file,) = (path for path in self.folder.glob("*.wav") if path.name != HOLD_FILE)
        with wave.open(str(file), "rb") as recording:
            samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
            return recording.getframerate(), samples.reshape(-1, 2)[:, 0]

    def times(self, what: str) -> list[float]:
        """When the lines of the caller's journal of this kind were written, in seconds of that journal."""
        return [one.at_s for one in self.journals[0] if one.what == what]

    @property
    def journal_ms(self) -> float:
        """The zero of the caller's journal, near enough: when the stream opened."""
        return self.at_ms("stream", party="caller", event="opened")

    def closed_ms(self, connection: int) -> float:
        """When a connection of the assistant was over."""
        return (self.gone_at[connection - 1] - self.started) * 1000

    def opened_ms(self, connection: int) -> float:
        """When a connection of the assistant was opened, from 1."""
        return (self.connections[connection - 1].opened_at - self.started) * 1000

    def items(self, connection: int) -> list[str]:
        """What the bridge put into the conversation."""
        told = []
        for received in self.connections[connection - 1].events("conversation.item.create"):
            item = received.event["item"]
            if item["type"] == "message":
                told.append(f"{item['role']}: " + " ".join(part["text"] for part in item["content"]))
            else:
                told.append(item.get("output") or f"{item['name']} {item['arguments']}")
        return told


TRANSFER = {
    "say": LAST_WORDS,
    "calls": [{"name": "transfer", "arguments": f'{{"person": "ann", "why": "{WHY}"}}'}],
}
SCRIPT: dict[str, Any] = {
    "first_audio_s": 0.1,
    "greeting": GREETING,
    "heard": ["Is my order there?"],
    "replies": [
        {"on_output": "transfer", "say": BACK},
        {"with_tool": "accept", "on_instructions": "", "say": BRIEFING},
        {"with_tool": "accept", "calls": [{"name": "accept"}]},
        {"with_tool": "transfer", **TRANSFER},
    ],
}


def settings(case: dict[str, Any], carrier: dict[str, Any], base_url: str, folder: Path) -> Settings:
    receptionist = {
        "kind": "openai-realtime",
        "base_url": base_url,
        "api_key": "sk-test",
        "instructions": "You answer the phone.",
        "greeting": GREETING,
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
        "tools": {"transfer": {"people": ["ann"]}},
    }
    return Settings.model_validate(
        {
            "port": 0,
            "assistant": "receptionist",
            "assistants": {"receptionist": receptionist},
            "people": {"ann": {"to": ANN, "hold": {"play": str(folder / HOLD_FILE)}} | case.get("ann", {})},
            "journal": {"directory": folder},
            "recording": {"directory": folder},
            "limits": {"max_lag_ms": 0, "silent_s": 30},
            **carrier,
        }
    )


async def watch(openai: SimulatedOpenAI, gone_at: list[float]) -> None:
    """Note when each connection ends, in the order of their beginning."""
    for number in count(1):
        await (await openai.connected(number)).over()
        gone_at.append(clock())


@asynccontextmanager
async def asked_first(answer: dict[str, Any] | None) -> AsyncIterator[dict[str, Any]]:
    """A server that answers so before the call; the settings of it, none without an answer."""
    if answer is None:
        yield {}
        return
    app = web.Application()

    async def before(_request: web.Request) -> web.Response:
        return web.json_response(answer)

    app.router.add_post("/before", before)
    async with TestServer(app) as server:
        yield {"before_call": {"url": str(server.make_url("/before"))}}


async def carry(carrier: Carrier, case: dict[str, Any], folder: Path, line: Line) -> PutThroughCall:
    """One call from the voice webhook until everybody has hung up and everything is written."""
    write_wav(folder / HOLD_FILE, spoken(HOLD, 8_000).tobytes(), L16_8K)
    port = free_port()
    replies = [*case.get("script", {}).get("replies", []), *SCRIPT["replies"]]
    script = OpenAIScript.model_validate(SCRIPT | {"replies": replies})
    parts = {name: case[name] for name in ("caller", "people", "faults") if name in case}
    people = People.model_validate(parts)
    async with (
        SimulatedOpenAI(script).running() as openai,
        asked_first(case.get("before_call")) as before_call,
    ):
        given = settings(case, carrier.keys(port) | before_call, openai.url, folder)
        async with Server(given).running() as server, line.taken():
            log, gone_at = ApiLog(), list[float]()
            watching = asyncio.create_task(watch(openai, gone_at))
            url = f"{server.admission.public_url}{carrier.path}"
            report = await carrier.place(
                PeopleCall(url, lambda _: CallPlan(), people, log=log, port=port, **carrier.asks)
            )
            await server.admission.idle()
            await server.files.written()
            watching.cancel()
    journals = [read_journal(path) for path in sorted(folder.glob("*.jsonl"))]
    is_callers = [
        any(one.fields.get("call_id") == report.caller.call_sid for one in each) for each in journals
    ]
    ordered = [each for _, each in sorted(zip(is_callers, journals, strict=True), key=lambda one: not one[0])]
    return PutThroughCall(report, log.lines, ordered, openai.connections, folder, gone_at, log.started)
