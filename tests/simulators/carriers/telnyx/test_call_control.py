"""One call under Call Control, from the first webhook to the hang-up, with the simulated REST API."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.carriers.telnyx.phone_call import PhoneCall
from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.server import Server
from bridge.simulators.carriers.telnyx.account import TelnyxAccount
from bridge.simulators.carriers.telnyx.actions import Action, EndStream
from bridge.simulators.carriers.telnyx.call_control import place_controlled_call
from bridge.simulators.carriers.telnyx.calls import TelnyxCall
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.vocabulary.commands import PressKeys
from bridge.vocabulary.errors import CallRefused, ConfigurationError
from telecodecs.format import PCMU_8K, AudioFormat
from tests.processes import free_port


@pytest.fixture
def api_port() -> int:
    """A port that is free, for the server is told of it before the phone opens it."""
    return free_port()


def served(api_port: int, **telnyx: str) -> Server:
    """A server, that may be left alone by its callers for a second."""
    keys = {
        "public_key": TEST_PUBLIC_KEY,
        "api_key": "KEY_simulated",
        "api_url": f"http://127.0.0.1:{api_port}/v2",
    }
    settings = {
        "port": 0,
        "assistant": "echo",
        "telnyx": keys | telnyx,
        "limits": {"longest_call_s": 1.0, "drain_s": 0.1},
        "security": {"allow_unauthenticated": True},
    }
    return Server(Settings.model_validate(settings))


@pytest.fixture
async def webhook(api_port: int) -> AsyncIterator[str]:
    async with served(api_port).running() as server:
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


# The phone's own faults: each used to keep the command waiting for ever


async def test_a_codec_that_the_phone_cannot_encode_is_told_at_once(api_port: int) -> None:
    async with served(api_port, stream_codec="AMR-WB").running() as server, asyncio.timeout(3):
        url = f"{server.admission.public_url}/telnyx/webhook"
        with pytest.raises(CallRefused) as refusal:
            await place_controlled_call(url, lambda _line: CallPlan(), port=api_port)
    assert str(refusal.value) == (
        "the simulated phone cannot carry the stream: AMR-WB can be received but not sent: no library encodes it"
    )


async def test_what_fails_in_the_phone_is_raised_at_once_and_ends_the_call(
    webhook: str, api_port: int
) -> None:
    """The server is told: it would try for seconds to hang up a call that nobody carries any more."""

    def plan(_line: AudioFormat) -> CallPlan:
        raise ConfigurationError("no such recording")

    with capture_logs() as lines:
        async with asyncio.timeout(3):
            with pytest.raises(ConfigurationError, match="no such recording"):
                await place_controlled_call(webhook, plan, port=api_port)
    told = [line["kind"] for line in lines if line["event"] == "> telnyx webhook" and line["status"] == 204]
    assert told[-1] == "call.hangup"


async def test_a_webhook_that_refuses_the_call_is_told_before_the_phone_has_rung_out(
    webhook: str, api_port: int
) -> None:
    async with asyncio.timeout(3):
        with pytest.raises(CallRefused, match="the webhook answered HTTP 404"):
            await place_controlled_call(f"{webhook}s", lambda _line: CallPlan(), port=api_port)


async def test_a_call_whose_stream_the_server_stops_is_given_up(
    webhook: str, api_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.simulators.carriers.telnyx.call_control.SILENT_S", 0.05)
    monkeypatch.setattr(PhoneCall, "stream_over", lambda _self: [])
    opened = TelnyxAccount.stream_opened

    def stop(account: TelnyxAccount, call: TelnyxCall, now: float) -> list[Action]:
        """As with the command streaming_stop: the stream ends, and the call goes on."""
        acts = opened(account, call, now)
        assert call.stream is not None
        return [*acts, EndStream(call.stream.stream_id)]

    monkeypatch.setattr(TelnyxAccount, "stream_opened", stop)
    async with asyncio.timeout(3):
        report = await place_controlled_call(webhook, lambda _line: CallPlan(), port=api_port)
    assert report.ending is Ending.TOLD_TO


async def test_ctrl_c_hangs_up(webhook: str, api_port: int) -> None:
    interruption = Interruption()

    def plan(_line: AudioFormat) -> CallPlan:
        asyncio.get_running_loop().call_later(0.1, interruption.interrupt)
        return CallPlan(b"\x10" * 80_000)

    report = await place_controlled_call(webhook, plan, port=api_port, interruption=interruption)
    assert report.ending is Ending.INTERRUPTED
