"""One call under Call Control, from the first webhook to the hang-up, with the simulated REST API."""

import socket
from collections.abc import AsyncIterator

import pytest

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.carriers.telnyx.phone_call import PhoneCall
from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.server import Server
from bridge.simulators.carriers.telnyx.call_control import place_controlled_call
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.vocabulary.commands import PressKeys
from bridge.vocabulary.errors import CallRefused
from telecodecs.format import PCMU_8K, AudioFormat


@pytest.fixture
def api_port() -> int:
    """A port that is free, for the server is told of it before the phone opens it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@pytest.fixture
async def webhook(api_port: int) -> AsyncIterator[str]:
    """A server's, that may be left alone by its callers for a second."""
    telnyx = {
        "public_key": TEST_PUBLIC_KEY,
        "api_key": "KEY_simulated",
        "api_url": f"http://127.0.0.1:{api_port}/v2",
    }
    settings = {"port": 0, "assistant": "echo", "telnyx": telnyx, "limits": {"longest_call_s": 1.0}}
    async with Server(Settings.model_validate(settings)).running() as server:
        yield f"{server.admission.public_url}/telnyx/webhook"


async def test_the_server_answers_and_the_caller_hangs_up(webhook: str, api_port: int) -> None:
    lines: list[AudioFormat] = []

    def plan(line: AudioFormat) -> CallPlan:
        lines.append(line)
        return CallPlan(b"\x10" * 800, (Digit("5", 40),), hang_up_at_ms=300)

    report = await place_controlled_call(webhook, plan, port=api_port)
    assert (report.ending, report.digits, lines) == (Ending.HUNG_UP, "5", [PCMU_8K])
    assert b"\x10" * 160 in report.heard


async def test_keys_that_the_server_has_pressed_are_reported(
    webhook: str, api_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect = Admission.expect

    def press(admission: Admission, carrier: str, expected: ExpectedCall, kind: StreamKind = "media") -> str:
        assert expected.control is not None
        expected.control.perform(PressKeys("12w3#"), 0.0)
        return expect(admission, carrier, expected, kind)

    monkeypatch.setattr(Admission, "expect", press)
    report = await place_controlled_call(webhook, lambda _line: CallPlan(hang_up_at_ms=300), port=api_port)
    assert report.pressed == "12w3#"


async def test_the_caller_hangs_up_when_the_stream_is_closed(
    webhook: str, api_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.simulators.carriers.telnyx.call_control.SILENT_S", 0.05)
    monkeypatch.setattr(PhoneCall, "stream_over", lambda _self: [])  # as if the server had died
    report = await place_controlled_call(webhook, lambda _line: CallPlan(b"\x10" * 80_000), port=api_port)
    assert report.ending is Ending.SERVER_LEFT


async def test_the_webhook_cannot_be_reached(api_port: int) -> None:
    nowhere = f"http://127.0.0.1:{api_port + 1}/telnyx/webhook"
    with pytest.raises(CallRefused, match=r"the webhook answered nothing, and .*/v2 received no command"):
        await place_controlled_call(nowhere, lambda _line: CallPlan(), port=api_port, rings_s=0.1)
