"""The same call, to every assistant on every carrier: of the settings only `assistant = "…"` changes.

The caller says half a sentence, hears something for it, then types an account number. All calls are carried side by side,
over real sockets, before the first test looks at one.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import structlog
import uvloop

from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.observers.call_history import JournalEntry, read_journal
from bridge.shell.server import Server
from bridge.simulators.assistant.script import parse_script as parse_fake_script
from bridge.simulators.assistant.server import SimulatedAssistant
from bridge.simulators.carriers.contract import Exchange
from bridge.simulators.carriers.telnyx.exchange import TelnyxExchange
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.report import CallReport
from telecodecs.g711 import ulaw_decode
from telecodecs.level import dbfs

ROOT = Path(__file__).parents[3]
SAID_MS = 2_000
SAID = read_wav(ROOT / "fixtures/sentence-en-us-male.wav")[: SAID_MS * 8]
ACCOUNT = "40817263"
TYPED_MS = 4_500
BEEP_BYTES = 2 * 1600
TIMEOUT_S = 60.0

ASSISTANTS = ("parrot", "receptionist", "legacy", "posted", "own")
CARRIERS: dict[str, tuple[str, type[Exchange]]] = {
    "twilio": ("twilio/voice", TwilioExchange),
    "telnyx": ("telnyx/texml", TelnyxExchange),
}
OPENAI_SCRIPT = {
    "first_audio_s": 0.1,
    "heard": ["This is Tom Miller, I have to cancel my appointment."],
    "replies": [
        {"on_text": "entry-1", "calls": [{"name": "pay", "arguments": '{"card": "entry-1"}'}]},
        {"on_text": "keypad", "say": "Thank you."},
        {"on_output": "pay", "say": "That is paid."},
        {"say": "I have noted that, what is your number?"},
    ],
}


@dataclass(frozen=True)
class Others:
    """The other ends."""

    openai: SimulatedOpenAI
    legacy: SimulatedAssistant
    posted: SimulatedAssistant
    own_url: str


@dataclass(frozen=True)
class Carried:
    """The result of one call."""

    report: CallReport
    journal: list[JournalEntry]
    others: Others

    def wrote(self, what: str) -> list[dict[str, Any]]:
        return [one.fields for one in self.journal if one.what == what]

    def loudness(self, from_ms: int, until_ms: int) -> float:
        heard = np.frombuffer(self.report.heard, np.uint8)[from_ms * 8 : until_ms * 8]
        return dbfs(ulaw_decode(heard))


Row = tuple[str, str, bool]
ROWS: list[Row] = [
    (name, carrier, sensitive) for sensitive in (False, True) for name in ASSISTANTS for carrier in CARRIERS
]


def settings(others: Others, folder: Path, assistant: str, *, sensitive: bool) -> Settings:
    return Settings.model_validate(
        {
            "port": 0,
            "assistant": assistant,  # the line that changes
            "assistants": {
                "receptionist": {
                    "kind": "openai-realtime",
                    "base_url": others.openai.url,
                    "api_key": "sk-test",
                    "tools": {"pay": {"function": "till:pay"}},
                },
                "legacy": {
                    "kind": "turn-based",
                    "url": others.legacy.url,
                    "tools": {"on_entry": {"function": "till:typed"}},
                },
                "posted": {"kind": "turn-based", "url": others.posted.http_url, "endpointing": "local"},
                "own": {"kind": "stream", "url": others.own_url},
            },
            "keypad": {"sensitive": sensitive},
            "security": {"allow_unauthenticated": True},
            "journal": {"directory": folder},
            "recording": {"directory": folder},
        }
    )


@asynccontextmanager
async def own_assistant() -> AsyncIterator[str]:
    """The example of docs/, as its reader starts it."""
    command = [sys.executable, str(ROOT / "docs/stream_assistant.py"), "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            told = (await process.stdout.readline()).decode()
        yield f"ws://127.0.0.1:{told.rpartition(':')[2].strip()}/"
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def others(own_url: str) -> AsyncIterator[Others]:
    async with AsyncExitStack() as stack:
        quick = parse_fake_script("silence_ms = 600\nreply_s = 0.05", ROOT)
        yield Others(
            await stack.enter_async_context(
                SimulatedOpenAI(OpenAIScript.model_validate(OPENAI_SCRIPT)).running()
            ),
            await stack.enter_async_context(SimulatedAssistant(quick).running()),
            await stack.enter_async_context(SimulatedAssistant(quick).running()),
            own_url,
        )


async def carry(row: Row, own_url: str, folder: Path) -> Carried:
    name, carrier, sensitive = row
    folder.mkdir()
    path, exchange = CARRIERS[carrier]
    keys = tuple(Digit(key, TYPED_MS + 100 * place) for place, key in enumerate(ACCOUNT + "#"))
    plan = CallPlan(SAID, keys, linger_s=1.5, longest_s=20.0, keeps_trace=False)
    async with (
        others(own_url) as ends,
        Server(settings(ends, folder, name, sensitive=sensitive)).running() as server,
    ):
        report = await place_call(f"http://127.0.0.1:{server.port}/{path}", plan, carrier=exchange())
        async with asyncio.timeout(5.0):
            await server.admission.idle()
            await server.files.written()
    (journal,) = folder.glob("*.jsonl")
    return Carried(report, read_journal(journal), ends)


async def carry_all(folder: Path) -> list[Carried]:
    async with asyncio.timeout(TIMEOUT_S), own_assistant() as own_url:
        calls = (carry(row, own_url, folder / str(number)) for number, row in enumerate(ROWS))
        return await asyncio.gather(*calls)


@dataclass(frozen=True)
class All:
    """All calls, what was logged of them, and their files."""

    calls: dict[Row, Carried]
    log: str
    folders: dict[Row, Path]
    till: ModuleType


@pytest.fixture(scope="module")
def all_calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[All]:
    folder = tmp_path_factory.mktemp("calls")
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs() as log:
        patch.syspath_prepend(Path(__file__).parent)
        import till  # type: ignore[import-not-found]  # the user's own

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            became = runner.run(carry_all(folder))
        yield All(
            dict(zip(ROWS, became, strict=True)),
            json.dumps(log, default=str),
            {row: folder / str(number) for number, row in enumerate(ROWS)},
            till,
        )


@pytest.fixture
def call(request: pytest.FixtureRequest, all_calls: All) -> Carried:
    return all_calls.calls[request.param]


each_call = pytest.mark.parametrize(
    ("call", "row"),
    [(row, row) for row in ROWS],
    indirect=["call"],
    ids=[" ".join(map(str, row)) for row in ROWS],
)


@each_call
def test_the_caller_says_a_sentence_and_hears_an_answer(call: Carried, row: Row) -> None:
    assert call.report.ending is Ending.QUIET
    assert not call.report.warnings
    assert call.loudness(SAID_MS, TYPED_MS) > -45
    assert not call.wrote("AssistantFailed") + call.wrote("AssistantReportedError")
    assert call.wrote("SpeechStopped")


@each_call
def test_an_entry_reaches_the_assistant_once_and_whole(call: Carried, row: Row, all_calls: All) -> None:
    name, _, sensitive = row
    (entry,) = call.wrote("EnterDigits")
    assert entry["reason"] == "terminator"
    assert (entry["digits"] == ACCOUNT) != sensitive
    received = all_calls.till.RECEIVED.get(call.report.call_sid, [])
    match name:
        case "parrot":
            told = [key["digit"] for key in call.wrote("TypeDigit")]
            assert "".join(told) == ("" if sensitive else ACCOUNT + "#"), (
                "it has no use for what it must not know"
            )
        case "receptionist" if sensitive:
            assert received == [ACCOUNT]
        case "receptionist":
            (connection,) = call.others.openai.connections
            items = [json.dumps(event.event) for event in connection.events("conversation.item.create")]
            assert [ACCOUNT in item for item in items if "keypad" in item] == [True]
        case "legacy":
            assert received == [ACCOUNT]
        case "posted":
            entries = [turn.entry for turn in call.others.posted.posts.turns if turn.entry is not None]
            assert [entry["digits"] for entry in entries] == [ACCOUNT]
        case "own":
            *_, last = call.wrote("ReplyAudio")
            assert last["bytes"] == len(ACCOUNT) * BEEP_BYTES, "it beeps once for each"


@each_call
def test_a_sensitive_entry_is_nowhere_in_clear(call: Carried, row: Row, all_calls: All) -> None:
    name, _, sensitive = row
    written = [file.read_bytes().decode("latin-1") for file in all_calls.folders[row].iterdir()]
    assert len(written) == 2
    if not sensitive:
        assert any(f'"{ACCOUNT}"' in text for text in written), "the look finds what is there"
        return
    assert not [text for text in written if ACCOUNT in text]
    keys = {key["digit"] for key in call.wrote("DigitPressed")}
    assert not keys & set(ACCOUNT)
    assert ACCOUNT not in all_calls.log
    if name == "receptionist":
        (connection,) = call.others.openai.connections
        told = json.dumps([received.event for received in connection.received])
        assert "entry-1" in told
        assert ACCOUNT not in told
