"""What the figures and a trace add to a frame, counted in Python calls: nothing."""

import json
import sys
from base64 import b64encode
from types import FrameType
from typing import Any

import pytest

from bridge.config.settings import Settings
from bridge.shell import session as session_module
from bridge.shell.metrics.process_metrics import ProcessMetrics
from bridge.shell.server import Server
from bridge.shell.websocket import SocketLeg
from bridge.vocabulary.contracts import Observer
from tests.shell.tracing.otlp import receiver

WARM, FRAMES = 20, 100
"""Frames before those that are counted: who sees words of a type is asked with the first one."""

PAYLOAD = b64encode(b"\x7f" * 160).decode()
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
START = {"streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"], "mediaFormat": FORMAT, "customParameters": {}}  # fmt: skip


def message(event: str, number: int, **body: Any) -> str:
    return json.dumps({"event": event, "sequenceNumber": str(number), "streamSid": "MZ1", **body})


class Line:
    """The carrier's socket, in place of a transport."""

    stalled = False

    def send(self, message: object) -> None:
        """Nobody reads it."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """It was never open."""


async def calls_of_frames(**more: Any) -> int:
    """Python calls that a hundred of the caller's frames, and their echoes, cost in a server. `more`: settings."""
    settings: dict[str, Any] = {"port": 0, "assistant": "echo", "security": {"allow_unauthenticated": True}}
    server = Server(Settings.model_validate(settings | {"limits": {"drain_s": 0.0}} | more))
    leg = server.admission.admit("/twilio/media", {})
    assert isinstance(leg, SocketLeg)
    (active,) = server.admission._active
    session = active.session
    session.attach(Line())
    session.carrier_said(message("start", 1, start=START))
    frames = [
        message(
            "media",
            at + 2,
            media={"track": "inbound", "chunk": str(at + 1), "timestamp": str(at * 20), "payload": PAYLOAD},
        )
        for at in range(WARM + FRAMES)
    ]
    for frame in frames[:WARM]:
        session.carrier_said(frame)
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        for frame in frames[WARM:]:
            session.carrier_said(frame)
    finally:
        sys.setprofile(None)
    session.break_off("the test is over")
    server.admission.break_off()
    await server.admission.idle()
    await server.admission.after_call.aclose()
    await server.admission.setups.aclose()
    await server.network.aclose()
    await server.files.aclose()
    await server.traces.aclose()
    return counted


async def test_a_frame_costs_as_many_calls_with_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "clock", lambda: 1000.0)
    async with receiver() as traces:
        with_trace = await calls_of_frames(otel={"endpoint": traces.url})
        assert traces.one("call")
    assert with_trace == await calls_of_frames()


async def test_a_frame_costs_as_many_calls_as_without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "clock", lambda: 1000.0)
    with_figures = await calls_of_frames()

    class Blind:
        """Sees nothing, in the place of the figures."""

        sees: frozenset[Any] = frozenset()

        def saw(self, word: object, now: float) -> None:
            """Not called."""

        def close(self, now: float, account: object) -> None:
            """Nothing to close."""

    def observer(*_: object) -> Observer:
        return Blind()

    monkeypatch.setattr(ProcessMetrics, "observer", observer)
    without = await calls_of_frames()
    assert with_figures > FRAMES * 5, "the frames went through the call"
    assert with_figures == without
