"""Whole handovers under Call Control: simulated Telnyx, our server and simulated OpenAI server, each over real sockets.

A `Scenario` is what a call has of its own; `carry_all` carries calls. Times of a `Handed` call are ms on the clock of the
carrier's log, which is also where the recordings of all parties begin.
"""

import asyncio
import json
import random
import socket
import time
import wave
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bridge.config.audio_file import read_wav, write_wav
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.people_call import place_people_call
from bridge.simulators.carriers.telnyx.webhooks import Signer
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.session_log import SessionLog
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PartyReport, PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.codec import encoder
from telecodecs.format import L16_8K, PCMU_8K, Samples

CALLER, ANN, BOB = "+15550199", "+15550111", "+15550112"

GREETING = "good day"
ASKS = "billing please"
PARTING = "one moment i put you through to billing"
AGAIN = "sorry nobody is there what else"
BACK = "can i do anything more for you"
BRIEFING = "a caller waits about invoice number six"
GONE = "they hung up goodbye"
ON_HOLD = "is anybody out there"
QUESTION, ANSWER = "my invoice is wrong", "we will send a new one"
YES, NO = "yes give them to me", "no way not now"

SEED = b64encode(bytes(range(32))).decode()
"""Of the key that signs the webhooks."""

API_KEY = "KEY0123456789"
OPTIONS = CallOptions(private_key=SEED, api_key=API_KEY)

LOUD = 64
"""A sample from here on is a sound."""

TIMEOUT_S = 40.0
APART_S = 0.3
"""From one call's beginning to the next."""

LOOK_AGAIN_S = 0.02
PORTS = 20_000, 32_000

LAG_S = 0.25
"""A call in which the whole process stood still for longer measures the machine: it is carried again."""

ROUNDS = 3
FOUND, ABSENT = 0.9, 0.5
"""A likeness of this and more: it was heard; less than that: it was not."""

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


class Session(NamedTuple):
    """One connection of the assistant. Times in ms."""

    opened: float
    closed: float
    items: list[dict[str, Any]]
    """What it was told of the conversation."""
    said: list[str]
    """The transcripts of what it said."""
    heard: Samples
    """At 8000 Hz, from `opened`."""
    instructions: str

    def hears_between(self, from_ms: float, until_ms: float) -> bool:
        """Whether it heard a sound between, on the clock of the carrier's log."""
        begin, end = (max(0, int((at - self.opened) * 8)) for at in (from_ms, until_ms))
        return bool((np.abs(self.heard[begin:end].astype(np.int32)) >= LOUD).any())

    def output(self) -> str:
        """What it was told of the handover."""
        return str(next(item["output"] for item in self.items if "output" in item))


@dataclass(frozen=True)
class Handed:
    """The result of one call."""

    report: PeopleReport
    log: list[dict[str, Any]]
    journal: list[dict[str, Any]]
    """The caller's."""
    sessions: list[Session]
    recording: Samples
    """What the caller said, as the server recorded it, at 8000 Hz."""
    began: float
    """When the carrier's log began, in seconds since 1970."""
    stopped_at: float
    """When the server was told to stop, ms; 0: it was not."""

    def lines(self, kind: str = "", **fields: Any) -> list[dict[str, Any]]:
        """The lines of the carrier's log with these values."""
        wanted = {**({"kind": kind} if kind else {}), **fields}
        return [line for line in self.log if all(line.get(name) == value for name, value in wanted.items())]

    def at(self, kind: str, *, nth: int = 0, **fields: Any) -> float:
        """When that was."""
        found = self.lines(kind, **fields)
        assert len(found) > nth or nth < 0 < len(found), f"never: {kind} {fields}"
        return float(found[nth]["at_ms"])

    def requests(self, name: str) -> list[dict[str, Any]]:
        return self.lines("request", name=name)

    def webhooks(self, event_type: str, person: str = "") -> list[dict[str, Any]]:
        """The webhooks of this kind about the leg of this person, or of the caller."""
        number = {"ann": ANN, "bob": BOB}.get(person)
        found = [line for line in self.lines("webhook") if line["name"] == event_type]
        return [
            line
            for line in found
            if (line["fields"].get("to") == number if number else line["fields"].get("to") not in (ANN, BOB))
        ]

    def party(self, name: str) -> PartyReport:
        return next(one for one in self.report.parties if one.name == name)

    def likeness(self, name: str, words: str) -> float:
        return find_sound(self.party(name).heard, spoken(words, self.party(name).rate_hz)).likeness

    def heard_at(self, name: str, words: str, after_ms: float = 0) -> float:
        """When this party began to hear these words, which it heard to their end."""
        one = self.party(name)
        begin = int(after_ms * one.rate_hz / 1000)
        found = find_sound(one.heard[begin:], spoken(words, one.rate_hz))
        assert found.likeness >= 0.95, f"{name} heard {words!r} with a likeness of {found.likeness:.2f}"
        return (begin + found.at) * 1000 / one.rate_hz

    def joined_at(self, name: str = "ann") -> float:
        """When the caller and this person began to hear each other."""
        heard = [line for line in self.lines("hears", party="caller") if name in line["whom"]]
        assert heard, f"the caller never heard {name}"
        return float(heard[0]["at_ms"])

    def wrote(self, what: str) -> list[dict[str, Any]]:
        return [line for line in self.journal if line["what"] == what]

    def at_journal(self, what: str) -> float:
        """When the journal has this; both clocks are compared by the time of day."""
        (line,) = self.wrote(what)
        started = datetime.fromisoformat(self.account["started"]).timestamp()
        return float((started + line["at"] - self.began) * 1000)

    @cached_property
    def account(self) -> dict[str, Any]:
        """The journal's last line."""
        (ended,) = self.wrote("Ended")
        return ended

    @property
    def left_behind(self) -> list[dict[str, Any]]:
        return self.lines("party", event="left behind")

    @property
    def outcomes(self) -> list[str]:
        return [one["outcome"] for one in self.account["handovers"]]

    def silences(self, name: str, from_ms: float, until_ms: float) -> float:
        """The longest stretch without sound that this party heard between, in ms."""
        one = self.party(name)
        per_ms = one.rate_hz // 1000
        heard = np.abs(one.heard[int(from_ms) * per_ms : int(until_ms) * per_ms].astype(np.int32))
        (sounds,) = np.nonzero(heard >= LOUD)
        edges = np.concatenate([[0], sounds, [len(heard)]])
        return float(np.max(np.diff(edges))) / per_ms


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


def free_port() -> int:
    """One below those that the system gives to connections, which could take it before it is used."""
    while True:
        port = random.randrange(*PORTS)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


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
        self._folder.mkdir()
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
        async with asyncio.timeout(TIMEOUT_S):
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
        journal, sessions = _callers_journal(folder), _sessions(folder, log)
        recording, began = _recording(folder), self._began
        return Handed(self._report, log.lines, journal, sessions, recording, began, self._stopped_at)


def _callers_journal(folder: Path) -> list[dict[str, Any]]:
    journals = [
        [json.loads(line) for line in file.read_text().splitlines()]
        for file in folder.glob("*.jsonl")
        if file.name != "openai.jsonl"
    ]
    return next(lines for lines in journals if not any(line["what"] == "ReportBriefing" for line in lines))


def _recording(folder: Path) -> Samples:
    (path,) = (path for path in folder.glob("*.wav") if path.name != "hold.wav")
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples[:: file.getnchannels()]


def _sessions(folder: Path, log: ApiLog) -> list[Session]:
    lines = [json.loads(line) for line in (folder / "openai.jsonl").read_text().splitlines()]
    zero = lines[0]["clock_ms"] - log.started * 1000

    def session(number: int) -> Session:
        mine = [line for line in lines if line.get("session") == number]
        opened = next(line for line in mine if line.get("event") == "opened")
        closed = next(line for line in mine if line.get("event") == "closed")
        sent = [line["event"] for line in mine if line["kind"] == "client"]
        got = [line["event"] for line in mine if line["kind"] == "server"]
        updates = [one["session"] for one in sent if one.get("type") == "session.update"]
        path = closed.get("heard")
        heard = np.frombuffer(read_wav(Path(path), L16_8K), np.int16) if path else np.zeros(0, np.int16)
        return Session(
            zero + opened["at_ms"],
            zero + closed["at_ms"],
            [one["item"] for one in sent if one.get("type") == "conversation.item.create"],
            [one["transcript"] for one in got if one.get("type") == "response.output_audio_transcript.done"],
            heard,
            next((one["instructions"] for one in updates if "instructions" in one), ""),
        )

    opened = [line["session"] for line in lines if line.get("event") == "opened"]
    return [session(number) for number in opened]


class LagWatch:
    """When this process stood still, and for how long: everybody's frames and answers are late by that."""

    def __init__(self) -> None:
        self._stood: list[tuple[float, float]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watch())
        yield
        watching.cancel()
        await asyncio.wait([watching])

    def lag_s(self, from_s: float, until_s: float) -> float:
        """The longest time between, in seconds of the monotonic clock."""
        return max((lag for at, lag in self._stood if from_s <= at <= until_s), default=0.0)

    async def _watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(LOOK_AGAIN_S)
            self._stood.append((time.monotonic(), time.monotonic() - before - LOOK_AGAIN_S))


async def carry_all(
    scenarios: dict[str, Scenario], folder: Path, at_once: int = 6, rounds: int = ROUNDS
) -> dict[str, Handed | BaseException]:
    """All calls, some at a time. An exception is kept in the place of the call that it belongs to."""
    became: dict[str, Handed | BaseException] = {}
    left = scenarios
    for nth in range(rounds):
        folder = folder / f"round-{nth + 1}"
        folder.mkdir()
        carried, late = await _carry_round(left, folder, at_once)
        became |= carried
        left = {name: scenario for name, scenario in left.items() if name in late}
        if not left:
            break
    return became


async def _carry_round(
    scenarios: dict[str, Scenario], folder: Path, at_once: int
) -> tuple[dict[str, Handed | BaseException], set[str]]:
    """What became of the calls, and in which of them the process stood still.

    All servers are opened before the first call: one that checks its settings keeps the others from their frames.
    """
    lines, watch, late = asyncio.Semaphore(at_once), LagWatch(), set[str]()
    ready = {name: Ready(scenario, folder / name) for name, scenario in scenarios.items()}

    async def place(number: int, name: str) -> None:
        async with lines:
            await asyncio.sleep(number % at_once * APART_S)
            began = time.monotonic()
            try:
                await ready[name].place()
            finally:
                if watch.lag_s(began, time.monotonic()) > LAG_S:
                    late.add(name)

    async with AsyncExitStack() as closing:
        for one in ready.values():
            await closing.enter_async_context(one.running())
        async with watch.running():
            placing = (place(*each) for each in enumerate(ready))
            faults = await asyncio.gather(*placing, return_exceptions=True)
    return {
        name: one.handed() if fault is None else _noted(fault, one.log)
        for (name, one), fault in zip(ready.items(), faults, strict=True)
    }, late


def _noted(fault: BaseException, log: ApiLog) -> BaseException:
    fault.add_note("\n".join(str(line) for line in log.lines))
    return fault
