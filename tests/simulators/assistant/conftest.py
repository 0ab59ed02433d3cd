"""A client without a socket for the simulated assistant, and whole calls over real sockets on loopback.

A call has a simulated phone, our server and the simulated assistant. Times are ms from the start of the stream, as the caller hears it.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
import uvloop
from numpy.typing import NDArray

from bridge.config.audio_file import read_wav, write_wav
from bridge.config.settings import Settings
from bridge.observers.call_history import JournalEntry, read_journal
from bridge.shell.server import Server
from bridge.simulators.assistant.posts import PostedTurn
from bridge.simulators.assistant.script import AssistantScript, parse_script
from bridge.simulators.assistant.server import SimulatedAssistant
from bridge.simulators.assistant.turn_based import Action, Close, Turn, TurnBasedConversation, TurnState
from bridge.simulators.carriers.contract import Exchange
from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.exchange import TelnyxExchange
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.contracts import WireMessage
from telecodecs.codec import decoder
from telecodecs.dtmf import tones
from telecodecs.format import AudioFormat
from telecodecs.g711 import ulaw_encode
from tests.punctual import LATE_MS

FIXTURES = Path(__file__).parents[3] / "fixtures"
SENTENCE = read_wav(FIXTURES / "sentence-en-us-male.wav")
"""3 s of speech from 0.3 s on, then 1 s of silence; mu-law."""

RESTART, UTTERANCE_END, PREFIX = "RESTART_COMMUNICATION", "SINGLE_UTTERANCE_END", "_MULAW"
FRAME_S = 0.02


class Peer:
    """One client; `sent` is all that the assistant sent, with its time, `now` the clock of both."""

    def __init__(self, script: str = "", *, number: int = 1) -> None:
        self.now = 100.0
        self.sent: list[tuple[float, WireMessage]] = []
        self.closed: int | None = None
        self.closed_at = 0.0
        self.simulator = TurnBasedConversation(parse_script(script, FIXTURES), number=number)
        self._take(self.simulator.begin(self.now))

    def send(self, message: WireMessage) -> list[WireMessage]:
        """One message; returns what the assistant sent at once."""
        return self._take(self.simulator.hear(message, self.now))

    def say(self, audio: bytes = SENTENCE) -> list[WireMessage]:
        """In frames of 20 ms, at the pace of speech."""
        sent = []
        for at in range(0, len(audio), 160):
            sent += self.wait(FRAME_S)
            sent += self.send(b64encode(audio[at : at + 160]).decode())
        return sent

    def wait(self, seconds: float) -> list[WireMessage]:
        """Let time pass, deadline by deadline."""
        until, sent = self.now + seconds, []
        while (at := self.simulator.deadline()) is not None and at <= until:
            self.now = max(self.now, at)
            sent += self._take(self.simulator.due(self.now))
        self.now = until
        return sent

    def state(self) -> TurnState:
        return self.simulator.state

    def turn(self) -> list[WireMessage]:
        """RESTART, a sentence, and what comes of it."""
        return [*self.send(RESTART), *self.say(), *self.wait(3.0)]

    def replies(self) -> list[bytes]:
        """The audio of what was sent with the prefix."""
        frames = [message for _, message in self.sent if isinstance(message, str)]
        return [
            b64decode(frame.removeprefix(PREFIX), validate=True)
            for frame in frames
            if frame.startswith(PREFIX)
        ]

    def _take(self, actions: list[Action]) -> list[WireMessage]:
        sent: list[WireMessage] = []
        for action in actions:
            assert self.closed is None, "nothing may follow a close"
            if isinstance(action, Close):
                self.closed, self.closed_at = action.code, self.now
            else:
                sent.append(action)
                self.sent.append((self.now, action))
        return sent


@pytest.fixture
def peer() -> Callable[..., Peer]:
    return Peer


@pytest.fixture
def sentence() -> bytes:
    return SENTENCE


# Whole calls

OWN_EARS = {"silence_ms": 300}
WORD_MS, FIRST_MS = 500, 600
AT_ONCE, APART_S = (34, 12, 6), 0.02  # with more the phones are late; those that were are carried again
TIMEOUT_S = 200.0

Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One call, in which the caller says two words. `script`: the simulator's; `settings`: the assistant's."""

    script: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    way: str = "ws"
    carrier: str = "twilio"
    codec: str = "PCMU"
    digits: tuple[Digit, ...] = ()
    told: tuple[tuple[str, str], ...] = ()
    """Lines that the journal should have: the kind, and words in it."""
    first: bool = False
    """Whether the reply to the first word is heard, too; that to the second one always is."""
    connections: int = 1
    second_ms: int = 3_100
    """When the second word begins."""
    linger_s: float = 0.8


@dataclass(frozen=True)
class Carried:
    """The result of one call."""

    row: Row
    report: CallReport
    simulator: SimulatedAssistant
    journal: list[JournalEntry]

    @property
    def turns(self) -> list[Turn]:
        """Over all connections."""
        return [turn for one in self.simulator.connections for turn in one.conversation.turns]

    @property
    def posts(self) -> list[PostedTurn]:
        return self.simulator.posts.turns

    @property
    def refused(self) -> list[str]:
        """Messages of the bridge that the assistant refused."""
        return [
            *self.simulator.posts.refused,
            *(why for one in self.simulator.connections for why in one.conversation.refused),
        ]

    def wrote(self, what: str) -> list[dict[str, Any]]:
        return [one.fields for one in self.journal if one.what == what]

    def hears(self, sought: Wave, from_ms: int, until_ms: int | None = None) -> float:
        """How alike that and what was heard between are, 0 to 1, at the best place. Waves at the line's rate."""
        line = self.report.plays
        end = None if until_ms is None else line.bytes_in(until_ms)
        return likeness(sought, wave(self.report.heard[line.bytes_in(from_ms) : end], line))

    def hears_keys(self, keys: str, from_ms: int, until_ms: int) -> float:
        return self.hears(tones(keys).astype(np.float64), from_ms, until_ms)

    @property
    def hears_first(self) -> float:
        """The first word, before the caller says the second one."""
        return self.hears(self._word, FIRST_MS + WORD_MS, self.row.second_ms)

    @property
    def hears_second(self) -> float:
        return self.hears(self._word, self.row.second_ms + WORD_MS)

    @property
    def _word(self) -> Wave:
        """But for its ends."""
        line = self.report.plays
        edge = line.rate_hz // 10
        return wave(word(line), line)[edge:-edge]


def word(line: AudioFormat) -> bytes:
    """Half a second of speech."""
    audio = read_wav(FIXTURES / "sentence-en-us-male.wav", line)
    return audio[line.bytes_in(400) : line.bytes_in(400 + WORD_MS)]


def wave(audio: bytes, format: AudioFormat) -> Wave:
    return decoder(format)(audio).astype(np.float64)


def likeness(sought: Wave, where: Wave) -> float:
    """Of the waves, whatever their loudness."""
    if len(where) < len(sought):
        return 0.0
    length = len(where) + len(sought)
    spectrum = np.fft.rfft(where, length) * np.conj(np.fft.rfft(sought, length))
    match = np.fft.irfft(spectrum, length)[: len(where) - len(sought) + 1]
    energy = np.cumsum(np.concatenate([[0.0], where**2]))
    power = energy[len(sought) :] - energy[: -len(sought)]
    return float(np.max(match / np.sqrt(np.maximum(power, 1e4) * (sought @ sought))))


def said(line: AudioFormat, second_ms: int) -> bytes:
    """Two words, and silence before each."""
    gaps = (FIRST_MS, second_ms - FIRST_MS - WORD_MS)
    silences = [line.silence * (line.bytes_in(ms) // line.sample_bytes) for ms in gaps]
    return b"".join(silence + word(line) for silence in silences)


def exchange(row: Row) -> Exchange:
    if row.carrier == "twilio":
        return TwilioExchange()
    return TelnyxExchange(says=Coding(row.codec), hears=Coding(row.codec))


def settings(codec: str, assistants: dict[str, Any], folder: Path) -> Settings:
    return Settings.model_validate(
        {
            "port": 0,
            "security": {"allow_unauthenticated": True},
            "assistants": assistants,
            "journal": {"directory": folder},
            "telnyx": {"codec": codec},
        }
    )


def assistant(row: Row, simulator: SimulatedAssistant) -> dict[str, Any]:
    url = {"ws": simulator.url, "http": simulator.http_url}[row.way]
    listener = OWN_EARS if row.way == "http" else {}
    return {"kind": "turn-based", "url": url, "reply_s": 0.7, **listener, **row.settings}


def script(row: Row, folder: Path) -> AssistantScript:
    write_wav(folder / "keys.wav", ulaw_encode(tones("4")).tobytes())
    quick = "" if row.script.startswith("silence_ms") else "silence_ms = 300\n"
    return parse_script(f"{quick}reply_s = 0.05\n{row.script}", folder)


def call_of(journal: list[JournalEntry]) -> str:
    return next(str(one.fields["call_id"]) for one in journal if one.what == "CallStarted")


async def place(row: Row, number: int, server: Server, lines: asyncio.Semaphore) -> CallReport:
    """One call from the webhook to the end of the stream, as soon as a line is free."""
    carrier = exchange(row)
    audio = said(carrier.line, row.second_ms)
    plan = CallPlan(audio, row.digits, linger_s=row.linger_s, longest_s=12.0, keeps_trace=False)
    path = "twilio/voice" if row.carrier == "twilio" else "telnyx/texml"
    async with lines:
        await asyncio.sleep(number % AT_ONCE[0] * APART_S)
        url = f"http://127.0.0.1:{server.port}/{path}?assistant=call-{number}"
        return await place_call(url, plan, carrier=carrier)


async def carry(
    codec: str, rows: dict[str, Row], folder: Path, lines: asyncio.Semaphore
) -> dict[str, Carried]:
    """On one server, each with a simulated assistant of its own; to the end of everything."""
    folder.mkdir()
    async with AsyncExitStack() as stack:
        assistants = [
            await stack.enter_async_context(SimulatedAssistant(script(row, folder)).running())
            for row in rows.values()
        ]
        own = {
            f"call-{number}": assistant(row, assistants[number]) for number, row in enumerate(rows.values())
        }
        async with Server(settings(codec, own, folder)).running() as server:
            calls = (place(row, number, server, lines) for number, row in enumerate(rows.values()))
            reports = await asyncio.gather(*calls)
            async with asyncio.timeout(20.0):
                await server.admission.idle()
                await server.files.written()
    journals = {call_of(journal): journal for journal in map(read_journal, folder.glob("*.jsonl"))}
    return {
        name: Carried(row, report, simulator, journals[report.call_sid])
        for (name, row), report, simulator in zip(rows.items(), reports, assistants, strict=True)
    }


def is_late(call: Carried) -> bool:
    """Whether the phone itself was: such a call proves nothing."""
    return call.report.latest_ms > LATE_MS


async def carry_all(rows: dict[str, Row], folder: Path) -> dict[str, Carried]:
    """An exception in a callback of the loop belongs to no call, and fails all of them."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, fault: faults.append(fault))
    carried: dict[str, Carried] = {}
    with structlog.testing.capture_logs() as log:
        for at_once in AT_ONCE:
            due = {name: row for name, row in rows.items() if name not in carried or is_late(carried[name])}
            lines = asyncio.Semaphore(at_once)
            async with asyncio.timeout(TIMEOUT_S):
                for calls in await asyncio.gather(
                    *(
                        carry(codec, those, folder / f"{codec}-{at_once}", lines)
                        for codec in ("PCMU", "L16")
                        if (those := {name: row for name, row in due.items() if row.codec == codec})
                    )
                ):
                    carried |= calls
    assert not faults
    assert not [line for line in log if line["log_level"] in {"error", "critical"}]
    assert asyncio.all_tasks() == {asyncio.current_task()}, "left behind"
    return carried


@pytest.fixture(scope="module")
def all_calls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Carried]:
    """Those in the module's table CALLS, side by side, before the first test looks at one."""
    calls = sorted(request.module.CALLS.items(), key=lambda call: -call[1].get("second_ms", 0))
    rows = {name: Row(**row) for name, row in calls}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(carry_all(rows, tmp_path_factory.mktemp("calls")))


@pytest.fixture
def call(request: pytest.FixtureRequest, all_calls: dict[str, Carried]) -> Carried:
    return all_calls[request.param]
