"""Replays against a running server on loopback: a captured call is the same again, and where it is not, it is told."""

from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import Settings
from bridge.observers.trace import BadTrace, Trace, TraceLine, read_trace
from bridge.shell.server import Server
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan, read_digits
from bridge.simulators.replay.comparison import Comparison, Tolerance, compare
from bridge.simulators.replay.dry import DryReplay
from bridge.simulators.replay.live import LiveReplay, check_carrier
from bridge.vocabulary.errors import CallRefused

SPEECH = bytes(range(256)) * 25  # 0.8 s, no two frames alike
TOKEN = "0123456789abcdef0123456789abcdef"


def settings(folder: Path, **more: Any) -> Settings:
    common = {
        "port": 0,
        "assistant": "echo",
        "capture": {"directory": folder},
        "twilio": {"auth_token": TOKEN},
        "keypad": {"mute_ms": 0},
    }
    return Settings.model_validate(common | more)


async def captured(folder: Path) -> Trace:
    """A short call, captured by the server that carried it."""
    async with Server(settings(folder)).running() as server:
        plan = CallPlan(SPEECH, read_digits("4@0.3s"), linger_s=0.2)
        await place_call(f"http://127.0.0.1:{server.port}/twilio/voice", plan, auth_token=TOKEN)
    (file,) = folder.iterdir()
    return read_trace(file.read_bytes())


async def replayed(trace: Trace, folder: Path, **more: Any) -> tuple[Trace, Comparison]:
    async with Server(settings(folder, **more)).running() as server:
        live = LiveReplay(trace, CallOptions(auth_token=TOKEN))
        now = await live.run(f"http://127.0.0.1:{server.port}/twilio/voice", Interruption())
    return now, compare(trace, now, Tolerance(200), carrier_only=True)


async def test_a_captured_call_replays_the_same_with_a_server_and_without(tmp_path: Path) -> None:
    trace = await captured(tmp_path / "then")
    now, comparison = await replayed(trace, tmp_path / "now")
    assert comparison.difference is None, comparison.difference.words
    assert comparison.legs["carrier"]["audio_bytes"] >= len(SPEECH)
    assert now.lines[-1].what == "ended"
    own = settings(tmp_path / "dry")
    assert DryReplay(trace, own).run() == DryReplay(trace, own).run()
    dry = compare(trace, read_trace(DryReplay(trace, own).run()))
    assert dry.difference is None, dry.difference.words


async def test_another_assistant_is_a_difference(tmp_path: Path) -> None:
    trace = await captured(tmp_path / "then")
    _, comparison = await replayed(trace, tmp_path / "now", assistant="parrot")
    assert comparison.difference is not None
    assert comparison.difference.words.startswith("at 0.")


async def test_ctrl_c_ends_a_replay_with_what_there_is(tmp_path: Path) -> None:
    trace = await captured(tmp_path / "then")
    interruption = Interruption()
    async with Server(settings(tmp_path / "now")).running() as server:
        live = LiveReplay(trace, CallOptions(auth_token=TOKEN))
        live.said = lambda number: interruption.interrupt() if number == 10 else None
        now = await live.run(f"http://127.0.0.1:{server.port}/twilio/voice", interruption)
    assert interruption.happened
    assert 5 < len(now.lines) < len(trace.lines) / 2
    assert live.stopped_ms is not None
    stopped = compare(trace, now, Tolerance(200), until_ms=live.stopped_ms, carrier_only=True)
    assert stopped.difference is None, stopped.difference.words


async def test_a_server_that_is_not_there_is_told(short: Trace) -> None:
    with pytest.raises(CallRefused):
        await LiveReplay(short, CallOptions()).run("ws://127.0.0.1:1/twilio/media", Interruption())


URLS = [
    ("http://h.example/telnyx/texml", "the trace is of a call by twilio, and the path of the URL is for telnyx: expected /twilio/…"),
    ("http://h.example/twilio/voice", ""),
    ("http://h.example/anything", ""),
]  # fmt: skip


@pytest.mark.parametrize(("url", "why"), URLS)
def test_a_trace_is_for_the_paths_of_its_carrier(url: str, why: str, short: Trace) -> None:
    if not why:
        check_carrier(short, url)
        return
    with pytest.raises(BadTrace) as refused:
        check_carrier(short, url)
    assert str(refused.value) == why


def test_a_trace_of_an_unknown_carrier_is_refused(short: Trace) -> None:
    header = type(short.header)(voicebridge_trace=1, carrier="pigeon")
    with pytest.raises(BadTrace, match="carrier = 'pigeon': expected one of telnyx, twilio"):
        check_carrier(short._replace(header=header), "ws://h.example/")


def test_a_trace_without_a_start_is_refused(short: Trace) -> None:
    with pytest.raises(BadTrace, match="has no start of the carrier's stream"):
        LiveReplay(short._replace(lines=(TraceLine(0.0, what="ended"),)), CallOptions())


@pytest.fixture
def short() -> Trace:
    file = Path(__file__).parents[3] / "fixtures/traces/twilio-echo.trace.jsonl"
    return read_trace(file.read_bytes())
