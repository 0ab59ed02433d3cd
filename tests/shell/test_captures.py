"""Captures as admission begins them: a stream that returns, what the server tells a call, and a server without captures."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.settings import Settings
from bridge.observers.capture import Capture
from bridge.observers.trace import Trace, read_trace
from bridge.shell.admission import Admission
from bridge.shell.switchboard import Switchboard
from bridge.shell.websocket import SocketLeg
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.replay.dry import DryReplay

Open = Callable[[dict[str, Any]], Admission]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """An admission with these settings of [capture]."""
    made: list[tuple[Admission, Switchboard]] = []

    def make(capture: dict[str, Any]) -> Admission:
        settings = Settings.model_validate(
            {"assistant": "echo", "telnyx": {"api_key": "KEY"}, "capture": capture}
        )
        switchboard = Switchboard(settings)
        admission = Admission(settings, switchboard)
        admission.public_url = "https://voice.example.com"
        made.append((admission, switchboard))
        return admission

    yield make
    for admission, switchboard in made:
        admission.break_off()
        await switchboard.aclose()


def let_in(admission: Admission, path: str, *said: str) -> SocketLeg:
    leg = admission.admit(path, {"Upgrade": "websocket"})
    assert isinstance(leg, SocketLeg)
    for message in said:
        leg._receive(message)
    return leg


def path_of(admission: Admission) -> str:
    url = admission.expect("telnyx", ExpectedCall("v3:1", assistant="echo", returns_s=10.0))
    return url.removeprefix("wss://voice.example.com")


def stream() -> SimulatedTelnyxStream:
    return SimulatedTelnyxStream(call_control_id="v3:1")


def captured(folder: Path) -> Trace:
    (file,) = folder.iterdir()
    return read_trace(file.read_bytes())


def kinds(trace: Trace, leg: str) -> list[str]:
    lines = [line for line in trace.lines if line.leg == leg]
    return [line.what or json.loads(line.wire)["event"] for line in lines]


async def test_a_stream_that_returns_goes_on_in_the_same_trace(opened: Open, tmp_path: Path) -> None:
    admission, first, second = opened({"directory": tmp_path / "traces"}), stream(), stream()
    path = path_of(admission)
    leg = let_in(admission, path, *first.opening(), first.media("inbound", b"\x12" * 160, 0))
    leg._lost(1006, "the connection broke")
    let_in(admission, path, *second.opening(), second.media("inbound", b"\x12" * 160, 0), second.closing())
    trace = captured(tmp_path / "traces")
    assert kinds(trace, "carrier")[:5] == ["connected", "start", "media", "media", "lost"]
    assert kinds(trace, "carrier-2")[:4] == ["connected", "start", "media", "media"]
    assert (trace.header.carrier, trace.header.resume_s, trace.header.call_id) == ("telnyx", 10.0, "v3:1")
    again = read_trace(DryReplay(trace).run())
    assert kinds(again, "carrier-2") == kinds(trace, "carrier-2")


async def test_what_the_server_tells_a_call_is_in_its_trace(opened: Open, tmp_path: Path) -> None:
    admission, one = opened({"directory": tmp_path / "traces"}), stream()
    let_in(admission, path_of(admission), *one.opening())
    admission.say_goodbye()
    await asyncio.sleep(0)
    admission.call_ended("telnyx", "v3:1")
    told = [line.event for line in captured(tmp_path / "traces").lines if line.what == "told"]
    assert told[0] == "GoodbyeRequested"


async def test_where_nothing_is_captured_the_session_hears_the_socket_itself(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Capture, "__init__", None)  # none is made
    admission, one = opened({}), stream()
    leg = let_in(admission, path_of(admission), *one.opening())
    (active,) = admission._active
    assert leg._receive == active.session.carrier_said
    assert active.session._carrier_leg is leg
    assert active.capture is None
