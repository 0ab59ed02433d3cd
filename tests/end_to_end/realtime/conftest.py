"""Whole calls over real sockets on loopback: simulated phone, our server, simulated OpenAI server.

A test names its call as a row of settings; all calls of a module are carried side by side, before the first
test looks at one. Times are ms from the start of the stream, as the caller hears it; those of the
simulated OpenAI server are seconds of the session's clock.
"""

import asyncio
import sys
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from itertools import count
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
import pytest
import structlog
import uvloop
from numpy.typing import NDArray

from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.observers.call_history import CallHistory, JournalEntry, build_history, read_journal
from bridge.shell.server import Server
from bridge.shell.session import clock
from bridge.simulators.carriers.twilio.media import new_sid
from bridge.simulators.carriers.twilio.voice_webhook import ask_webhook
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import RealtimeConnection, SimulatedOpenAI
from bridge.simulators.openai.voice import Speech, utter
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.live_call import Network
from bridge.simulators.phone.network_delay import Delay
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.report import CallReport
from telecodecs.format import PCMU_8K, Samples
from telecodecs.g711 import ulaw_decode
from telecodecs.level import dbfs
from tests.end_to_end.realtime.network import network
from tests.punctual import Round, carried_in_time

ROOT = Path(__file__).parents[3]
WORD = read_wav(ROOT / "fixtures/sentence-en-us-male.wav")[5_600:11_200]
SILENCE = 0xFF
AT_ONCE = (20, 10, 5)  # with more the phones are late; in the second and third round those whose phone was
APART_S = 0.05  # from one call's beginning to the next
TIMEOUT_S = 200.0  # before a call counts as hanging: one call that fails keeps the others waiting

QUIET_DBFS = -60.0
SAME = 160  # bytes that begin alike are the same words: 20 ms of sound


class Heard(NamedTuple):
    """Where the caller heard a text, and how much of it: in ms, and as a share of the whole."""

    from_ms: float
    until_ms: float
    played_ms: float
    share: float


@dataclass
class Call:
    """The result of one call."""

    report: CallReport
    began: float
    """When the stream started, by the session's clock."""
    connections: list[RealtimeConnection]
    """Those of the assistant, in order."""
    upgrades: list[HTTPStatus]
    gone_at: list[float]
    """When each connection was over, by the session's clock."""
    readyz: dict[str, Any]
    """What /readyz answered afterwards."""
    log: list[dict[str, Any]]
    """What was logged of this call."""
    journal: list[JournalEntry]
    files: dict[str, Path]

    @cached_property
    def _sound(self) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """What was heard without the silence, and where each byte stood."""
        heard = np.frombuffer(self.report.heard, np.uint8)
        (at,) = np.nonzero(heard != SILENCE)
        return heard[at], at

    def hears(self, text: str, *, after_ms: float = 0, before_ms: float = inf) -> Heard | None:
        """Where the simulated model said this, or its beginning, byte for byte."""
        said = np.frombuffer(voice(text), np.uint8)
        (sounds,) = np.nonzero(said != SILENCE)
        said = said[sounds]
        heard, at = self._sound
        found: Heard | None = None
        track, begin = heard.tobytes(), int(np.searchsorted(at, after_ms * 8))
        while (begin := track.find(said[:SAME].tobytes(), begin)) >= 0:
            length = min(len(said), len(heard) - begin)
            differs = np.nonzero(said[:length] != heard[begin : begin + length])[0]
            same = int(differs[0]) if len(differs) else length
            played_ms = (sounds[same - 1] + 1) / 8
            here = Heard(at[begin] / 8, at[begin + same - 1] / 8, played_ms, same / len(said))
            if here.from_ms < before_ms and (found is None or here.share > found.share):
                found = here
            begin += 1
        return found

    def hears_all(self, text: str, *, after_ms: float = 0) -> Heard:
        """The same, to its end."""
        heard = self.hears(text, after_ms=after_ms)
        assert heard is not None, f"never heard: {text!r}"
        assert heard.share == 1, f"heard {heard.share:.0%} of {text!r}"
        return heard

    def samples(self, from_ms: float = 0, until_ms: float | None = None) -> Samples:
        """What was heard between."""
        end = None if until_ms is None else int(until_ms * 8)
        return ulaw_decode(np.frombuffer(self.report.heard, np.uint8)[int(from_ms * 8) : end])

    def hears_recording(self, file: str) -> bool:
        """All of it, byte for byte."""
        audio = np.frombuffer(read_wav(ROOT / file), np.uint8)
        return audio[audio != SILENCE].tobytes() in self._sound[0].tobytes()

    def likeness(self, text: str, *, from_ms: float) -> tuple[float, float]:
        """By how many dB it was heard louder than it was said, and how alike the waves are, 0 to 1."""
        said = ulaw_decode(np.frombuffer(voice(text), np.uint8)).astype(np.float64)
        heard = self.samples(from_ms).astype(np.float64)
        match = np.correlate(heard, said)
        at = int(np.argmax(match))
        here = heard[at : at + len(said)]
        louder = dbfs(here.astype(np.int16)) - dbfs(said.astype(np.int16))
        return louder, float(match[at] / np.sqrt((here @ here) * (said @ said)))

    def sounds_from(self, after_ms: float) -> float:
        """Where the first sound begins."""
        at = self._sound[1]
        return float(at[np.searchsorted(at, after_ms * 8)]) / 8

    def is_quiet(self, from_ms: float, until_ms: float) -> bool:
        """Whether nothing was heard between, neither voice nor noise."""
        assert from_ms < until_ms <= self.report.length_ms, "the call was over by then"
        return dbfs(self.samples(from_ms, until_ms)) < QUIET_DBFS

    def sent(self, kind: str, connection: int = 1) -> list[dict[str, Any]]:
        """The events of one type that the assistant was sent."""
        return [received.event for received in self.connections[connection - 1].events(kind)]

    def items(self, connection: int = 1) -> list[str]:
        """What the bridge put into the conversation: "user: ...", "assistant: ...", "call: ...", "output: ..."."""
        return [_told(event["item"]) for event in self.sent("conversation.item.create", connection)]

    @property
    def ends_ms(self) -> float:
        return self.report.length_ms

    def ms(self, at: float) -> float:
        """The session's clock as the caller's."""
        return (at - self.began) * 1000

    def wrote(self, what: str) -> list[dict[str, Any]]:
        """The lines of the journal of one kind."""
        return [one.fields for one in self.journal if one.what == what]

    @property
    def sum(self) -> dict[str, Any]:
        """The journal's last line."""
        assert self.journal[-1].what == "Ended"
        return self.journal[-1].fields

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.sum["counts"])

    @property
    def history(self) -> CallHistory:
        return build_history(self.journal)


Calls = dict[int, Call | BaseException]
"""The calls, by the identity of their rows."""


def voice(text: str) -> bytes:
    """The audio of the simulated model, as mu-law."""
    return b"".join(b64decode(delta.audio) for delta in utter(Speech(text), PCMU_8K, 1))


def _told(item: dict[str, Any]) -> str:
    if item["type"] == "message":
        return f"{item['role']}: " + " ".join(part["text"] for part in item["content"])
    return f"output: {item['output']}" if "output" in item else f"call: {item['name']} {item['arguments']}"


class SetOpenAI(SimulatedOpenAI):
    """The simulated server as the row wants it. `session`: fields that it confirms, whatever was asked for."""

    def __init__(self, script: OpenAIScript, row: dict[str, Any]) -> None:
        super().__init__(script)
        self._row = row

    def _judge(self, path: str, headers: Any) -> RealtimeConnection | HTTPStatus:
        answer = super()._judge(path, headers)
        if isinstance(answer, RealtimeConnection):
            session = answer.conversation.session
            view = session.view
            if "lasts_s" in self._row and answer.number == 1:
                session.body["created_at"] = session.body["expires_at"] - self._row["lasts_s"]
            session.view = lambda: _merged(view(), self._row.get("session", {}))  # type: ignore[method-assign]
        return answer


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    nested = {
        key: _merged(below.get(key, {}), value) for key, value in above.items() if isinstance(value, dict)
    }
    return below | above | nested


def caller(row: dict[str, Any]) -> CallPlan:
    """Words begin at `says`, in seconds; keys are pressed at `types`."""
    audio = bytearray()
    for at_s in row.get("says", ()):
        begin = round(at_s * 8000)
        audio += bytes([SILENCE]) * (begin - len(audio)) + WORD[: row.get("word_ms", 700) * 8]
    digits = tuple(Digit(key, round(at_s * 1000)) for key, at_s in row.get("types", ()))
    return CallPlan(bytes(audio), digits, **{"linger_s": 1.2, "longest_s": 16.0} | row.get("plan", {}))


def settings(row: dict[str, Any], base_url: str, folder: Path) -> Settings:
    receptionist = {
        "kind": "openai-realtime",
        "base_url": base_url,
        "api_key": "sk-test",
        "instructions": "You answer the phone.",
        "greeting": "Hello.",
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
    }
    return Settings.model_validate(
        {
            "port": 0,
            "security": {"allow_unauthenticated": True},
            "assistant": "receptionist",
            "assistants": {"receptionist": receptionist | row.get("assistant", {})},
            "journal": {"directory": folder},
            "recording": {"directory": folder},
            "limits": row.get("limits", {}),
        }
    )


async def watch(simulator: SimulatedOpenAI, gone_at: list[float]) -> None:
    """Note when each connection of the simulated server ends, one after another."""
    for number in count(1):
        await (await simulator.connected(number)).over()
        gone_at.append(clock())


async def carry(
    number: int,
    row: dict[str, Any],
    folder: Path,
    log: list[Any],
    this: Round,
) -> Call:
    """One call from the webhook to the end of everything."""
    folder.mkdir(parents=True)
    given = {"first_audio_s": 0.1, "heard": ("Good day.",)} | row.get("script", {})
    sid = new_sid("CA")
    openai, delay_ms = SetOpenAI(OpenAIScript.model_validate(given), row), row.get("network_ms", 0)
    async with openai.running() as simulator, network(simulator.url, delay_ms) as base_url:
        gone_at: list[float] = []
        watching = asyncio.create_task(watch(simulator, gone_at))
        async with Server(settings(row, base_url, folder)).running() as server:
            origin = f"http://127.0.0.1:{server.port}"
            await this.all_are_ready.wait()  # a server checks its settings for as long as some frames last
            async with this.lines:
                await asyncio.sleep(number % AT_ONCE[0] * APART_S)
                url = f"{origin}/twilio/voice"
                if row.get("rings"):
                    url = (await ask_webhook(url, call_sid=sid, account_sid="AC", caller="", called="")).url
                    await simulator.connected()
                line = Network(Delay(row.get("line_ms", 0)))
                report = await place_call(url, caller(row), call_sid=sid, network=line)
                began = clock() - report.length_ms / 1000
                async with asyncio.timeout(20.0):
                    await server.admission.idle()
                    await server.files.written()
            async with aiohttp.ClientSession() as http, http.get(f"{origin}/readyz") as answer:
                readyz = await answer.json()
        with suppress(TimeoutError):  # who has stalled does not notice
            async with asyncio.timeout(1.0):
                for connection in simulator.connections:
                    await connection.over()
        watching.cancel()
    (journal,), (recording,) = folder.glob("*.jsonl"), folder.glob("*.wav")
    return Call(
        report=report,
        began=began,
        connections=simulator.connections,
        upgrades=simulator.upgrades,
        gone_at=gone_at,
        readyz=readyz,
        log=[line for line in log if line.get("call_id") == sid],
        journal=read_journal(journal),
        files={"journal": journal, "recording": recording},
    )


async def carry_all(rows: list[dict[str, Any]], folder: Path) -> Calls:
    """An exception in a callback of the loop belongs to no call, and fails all of them."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, fault: faults.append(fault))

    async def one(number: int, this: Round) -> Call:
        async with asyncio.timeout(TIMEOUT_S):
            return await carry(number, rows[number], folder / f"{number}-{this.number}", log, this)

    with structlog.testing.capture_logs() as log:  # of all calls
        became = await carried_in_time(len(rows), one, lambda call: call.report.latest_ms, AT_ONCE)
        await asyncio.sleep(0.1)
    assert not faults
    assert asyncio.all_tasks() == {asyncio.current_task()}, "left behind"
    return {id(row): call for row, call in zip(rows, became, strict=True)}


@pytest.fixture(scope="module")
def all_calls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """The calls of the module's selected tests: of several processes, each has some of the modules."""
    mine = (item for item in request.session.items if item.path == request.path)
    asked = [item.callspec.params["call"] for item in mine if isinstance(item, pytest.Function)]
    rows: dict[int, Any] = {id(row): row for row in asked}
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        patch.syspath_prepend(Path(__file__).parent)  # clinic.py: the user's own module
        sys.modules.pop("clinic", None)  # another module's; this one's stays for its tests
        return runner.run(carry_all(list(rows.values()), tmp_path_factory.mktemp("calls")))


@pytest.fixture
def call(request: pytest.FixtureRequest, all_calls: Calls) -> Call:
    """The call of the test's row. Whatever happens in it, the protocol is kept."""
    became = all_calls[id(request.param)]
    if isinstance(became, BaseException):
        raise became
    assert not became.report.warnings
    errors = {line["event"] for line in became.log if line["log_level"] == "error"}
    assert errors <= {"= tool failed"}
    return became
