"""Calls under Call Control, from the webhook to the hang-up: the server and the simulated Telnyx over real sockets."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.carriers.telnyx import rest
from bridge.shell.session import clock
from bridge.simulators.carriers.telnyx.call_control_phone import CallControlPhone
from bridge.simulators.carriers.telnyx.calls import CallState
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxFaults
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.carriers.telnyx.stream_session import TelnyxStreamSession
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.commands import PressKeys
from bridge.vocabulary.errors import CallRefused
from telecodecs.format import AudioFormat

if TYPE_CHECKING:
    from tests.end_to_end.telnyx.conftest import Both, Meet

TIMEOUT_S = 8.0
SAID_MS = 100


def speech(line: AudioFormat) -> bytes:
    return np.random.default_rng(7).integers(0, 127, line.bytes_in(SAID_MS), np.uint8).tobytes()


def talks(line: AudioFormat) -> CallPlan:
    """The caller says something, hears what comes back, and hangs up."""
    return CallPlan(speech(line), linger_s=0.15)


def waits(_line: AudioFormat) -> CallPlan:
    return CallPlan(linger_s=TIMEOUT_S)


def replied(report: CallReport) -> bytes:
    return b"".join(audio for _, audio in report.received)


# The whole way

FORMATS: list[dict[str, Any]] = [
    {},
    {"codec": "PCMA", "stream_codec": "PCMA"},
    {"codec": "L16", "sampling_rate": 8000, "stream_codec": "L16"},
]


@pytest.mark.parametrize("telnyx", FORMATS, ids=["PCMU", "PCMA", "L16, each way at its own rate"])
async def test_an_inbound_call_from_the_webhook_to_the_hang_up(meet: "Meet", telnyx: dict[str, Any]) -> None:
    phone = CallControlPhone(talks)
    settings = {"telnyx": telnyx | {"parameters": {"clinic": "north"}}}
    async with asyncio.timeout(TIMEOUT_S), meet(phone, settings=settings) as both:
        call = await both.simulator.over(both.ring())
        await both.server.admission.idle()
        await both.server.files.written()
        (report,) = phone.reports
        assert report.ending is Ending.QUIET
        assert call.cause == "normal_clearing"
        assert both.commands()[:2] == ["answer", "streaming_start"]
        assert len(both.simulator.account.calls) == 1
        streaming = await both.simulator.commanded("streaming_start")
        assert streaming.body["stream_bidirectional_codec"] == telnyx.get("codec", "PCMU")
        assert all(delivery.delivered for delivery in both.simulator.deliveries)
    (started,) = both.journal("CallStarted")
    assert started["call_id"] == call.call_control_id
    assert started["parameters"]["clinic"] == "north"
    if report.line == report.plays:
        assert speech(report.line) in replied(report)
    else:
        assert report.plays.duration_ms(len(replied(report))) >= SAID_MS


async def test_the_format_announced_is_the_one_that_telnyx_sends(meet: "Meet") -> None:
    phone = CallControlPhone(talks)
    async with asyncio.timeout(TIMEOUT_S), meet(phone, faults=TelnyxFaults(codec="L16")) as both:
        await both.simulator.over(both.ring())
    (started,) = both.journal("CallStarted")
    assert (started["line"]["encoding"], started["line"]["rate_hz"]) == ("l16", 16_000)
    assert (started["plays"]["encoding"], started["plays"]["rate_hz"]) == ("pcmu", 8_000)


# Who hangs up


async def test_when_our_side_ends_the_call_telnyx_is_told(meet: "Meet") -> None:
    phone = CallControlPhone(waits)
    async with (
        asyncio.timeout(TIMEOUT_S),
        meet(phone, settings={"limits": {"longest_call_s": 0.1}}) as both,
    ):
        call = await both.simulator.over(both.ring())
        assert (call.source, call.state) == ("callee", CallState.ENDED)
        assert both.commands() == ["answer", "streaming_start", "hangup"]
    assert phone.reports[0].ending in (Ending.SERVER_LEFT, Ending.TOLD_TO)


async def test_a_voice_that_cannot_be_read_ends_the_call_with_a_reason(meet: "Meet") -> None:
    async def odd(stream: TelnyxStreamSession) -> bool:
        async with connect(stream.wanted.url) as socket:
            stream.opened()
            connected, start = opening(stream)
            await socket.send(connected)
            await socket.send(start.replace("PCMU", "SPEEX"))
            await socket.wait_closed()
            assert socket.close_code == 1003
        return False

    async with asyncio.timeout(TIMEOUT_S), meet(odd) as both:
        await both.simulator.over(both.ring())
        assert both.commands() == ["answer", "streaming_start", "hangup"]
    assert both.journal() == []


@pytest.mark.parametrize("signals", [0, 3], ids=["in time", "not in time"])
async def test_a_server_that_closes_hangs_up(meet: "Meet", signals: int) -> None:
    phone = CallControlPhone(lambda line: CallPlan(speech(line) * 10, linger_s=TIMEOUT_S))
    async with asyncio.timeout(TIMEOUT_S):
        async with meet(phone, settings={"assistant": "parrot"}) as both:
            call = both.ring()
            await both.simulator.told("streaming.started")
            assert both.server.admission.calls == 1
            for _ in range(signals):
                both.server.lifecycle.signal()
        assert "hangup" in both.commands()
        assert call.state is CallState.ENDED


async def test_a_server_that_closes_hangs_up_a_call_whose_stream_has_not_come(meet: "Meet") -> None:
    async def late(stream: TelnyxStreamSession) -> bool:
        await stream.ended.wait()
        return False

    async with asyncio.timeout(TIMEOUT_S):
        async with meet(late) as both:
            call = both.ring()
            await both.simulator.commanded("streaming_start")
        assert both.commands() == ["answer", "streaming_start", "hangup"]
        assert call.state is CallState.ENDED


async def test_a_full_server_rejects_the_next_call(meet: "Meet") -> None:
    phone = CallControlPhone(lambda line: CallPlan(speech(line), linger_s=TIMEOUT_S))
    async with asyncio.timeout(TIMEOUT_S), meet(phone, settings={"limits": {"max_calls": 1}}) as both:
        both.ring()
        await both.simulator.told("streaming.started")
        second = await both.simulator.over(both.ring())
        assert both.commands() == ["answer", "streaming_start", "reject"]
        assert (second.cause, both.server.admission.calls) == ("user_busy", 1)


async def test_a_closing_server_answers_no_call(meet: "Meet") -> None:
    async with asyncio.timeout(TIMEOUT_S), meet() as both:
        both.server.lifecycle.signal()
        call = both.ring()
        await both.simulator.over(call)
        assert both.commands() == ["reject"]
        assert call.cause == "user_busy"


# Faults

FAULTS = {
    "server errors": TelnyxFaults(server_errors=1),
    "too many requests": TelnyxFaults(rate_limited=1, commands=("answer",)),
    "a command that is never answered": TelnyxFaults(silent=1, commands=("streaming_start",)),
    "an answer that is never answered": TelnyxFaults(silent=1, commands=("answer",)),
    "repeated webhooks": TelnyxFaults(duplicate_webhooks=True),
    "shuffled webhooks": TelnyxFaults(shuffled_webhooks=True),
    "repeated and shuffled webhooks": TelnyxFaults(duplicate_webhooks=True, shuffled_webhooks=True),
    "webhooks without their wrapper": TelnyxFaults(unwrapped_webhooks=True),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_the_call_goes_through_once_despite(name: str, meet: "Meet") -> None:
    phone = CallControlPhone(talks)
    async with asyncio.timeout(TIMEOUT_S), meet(phone, faults=FAULTS[name]) as both:
        call = await both.simulator.over(both.ring())
        await both.server.admission.idle()
        await both.server.files.written()
        for step in ("answer", "streaming_start"):
            tries = [command for command in both.simulator.commands if command.name == step]
            assert len({command.body["command_id"] for command in tries}) == 1
            assert all(command.call_control_id == call.call_control_id for command in tries)
    (report,) = phone.reports
    assert report.ending is Ending.QUIET
    assert speech(report.line) in replied(report)
    assert len(both.journal("CallStarted")) == len(both.journal("Ended")) == 1


async def test_a_call_that_cannot_be_answered_is_forgotten(meet: "Meet") -> None:
    settings = {"telnyx": {"api_key": "wrong"}}
    async with asyncio.timeout(TIMEOUT_S), meet(settings=settings) as both:
        call = both.ring()
        await both.simulator.commanded("hangup")
        assert [(command.name, command.status) for command in both.simulator.commands] == [
            ("answer", 401),
            ("hangup", 401),
        ]
        both.simulator.hang_up(call)
        await both.simulator.over(call)


async def test_a_stream_that_cannot_be_opened_ends_the_call(meet: "Meet") -> None:
    async def refused(_stream: TelnyxStreamSession) -> bool:
        raise CallRefused("the upgrade got HTTP 502")

    async with asyncio.timeout(TIMEOUT_S), meet(refused) as both:
        await both.simulator.over(both.ring())
        assert both.commands() == ["answer", "streaming_start", "hangup"]


# Keys


def press(call: ExpectedCall, keys: str) -> None:
    """As the session of this call does when the assistant wants keys pressed."""
    assert call.control is not None
    assert PressKeys in call.control.can
    call.control.perform(PressKeys(keys), clock())


def announced(both: "Both") -> list[ExpectedCall]:
    """The calls that the server will expect from now on."""
    calls: list[ExpectedCall] = []
    expect = both.server.admission.expect

    def notice(carrier: str, call: ExpectedCall, kind: StreamKind = "media") -> str:
        calls.append(call)
        return expect(carrier, call, kind)

    both.server.admission.expect = notice  # type: ignore[method-assign]
    return calls


@pytest.fixture
def quickly_pressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that make no sound."""
    monkeypatch.setattr("bridge.carriers.telnyx.steps.sounding_s", lambda _keys: 0.0)


@pytest.mark.usefixtures("quickly_pressed")
async def test_keys_are_pressed_by_telnyx_in_their_order_and_are_in_no_log(meet: "Meet") -> None:
    phone = CallControlPhone(waits)
    with capture_logs() as log:
        async with asyncio.timeout(TIMEOUT_S), meet(phone) as both:
            expected = announced(both)
            call = both.ring()
            await both.simulator.told("streaming.started")
            for keys in ("4242w", "5", "6#"):
                press(expected[0], keys)
            await both.simulator.commanded("send_dtmf", 2)
            assert call.pressed == "4242w56#"
            both.simulator.hang_up(call)
            await both.simulator.over(call)
    assert "4242" not in str(log)


PRESSED_DESPITE: dict[str, tuple[TelnyxFaults, float, int, str]] = {
    # when it is given up, how often it is told, what is pressed
    "an answer that is lost": (TelnyxFaults(silent=1, commands=("send_dtmf",)), 0.3, 2, "12"),
    "a server error": (TelnyxFaults(server_errors=1, commands=("send_dtmf",)), 0.3, 2, "2"),
    "too many requests": (TelnyxFaults(rate_limited=1, commands=("send_dtmf",)), 1.5, 3, "12"),
}


@pytest.mark.usefixtures("quickly_pressed")
@pytest.mark.parametrize("name", PRESSED_DESPITE)
async def test_keys_are_never_pressed_twice(name: str, meet: "Meet", monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was refused, or is in doubt, keeps neither the call nor the keys after it."""
    faults, give_up_s, times, pressed = PRESSED_DESPITE[name]
    monkeypatch.setattr(rest, "KEYS_RULE", replace(rest.KEYS_RULE, give_up_s=give_up_s, answer_s=0.1))
    phone = CallControlPhone(waits)
    async with asyncio.timeout(TIMEOUT_S), meet(phone, faults=faults) as both:
        expected = announced(both)
        call = both.ring()
        await both.simulator.told("streaming.started")
        press(expected[0], "1")
        press(expected[0], "2")
        await both.simulator.commanded("send_dtmf", times)
        assert call.pressed == pressed
        assert call.state is CallState.ANSWERED
        both.simulator.hang_up(call)
        await both.simulator.over(call)


async def test_keys_come_too_late_when_the_call_is_over(meet: "Meet") -> None:
    phone = CallControlPhone(talks)
    async with asyncio.timeout(TIMEOUT_S), meet(phone) as both:
        expected = announced(both)
        await both.simulator.over(both.ring())
        await both.server.admission.idle()
        await both.server.files.written()
        press(expected[0], "1")
    assert "send_dtmf" not in both.commands()


# The end, as Telnyx tells it


def opening(stream: TelnyxStreamSession) -> list[str]:
    wanted = stream.wanted
    return SimulatedTelnyxStream(call_control_id=wanted.call_control_id, stream_id=wanted.stream_id).opening()


async def test_a_caller_who_gives_up_while_it_rings_leaves_nothing(meet: "Meet") -> None:
    async with asyncio.timeout(TIMEOUT_S), meet() as both:
        call = both.ring()
        both.simulator.hang_up(call)
        await both.simulator.over(call)
        await both.simulator.commanded("answer")
        assert both.server.admission.calls == 0
        assert both.commands() == []
    assert both.journal() == []


async def test_the_token_of_a_call_that_ended_before_its_stream_is_not_valid(meet: "Meet") -> None:
    urls: list[str] = []

    async def late(stream: TelnyxStreamSession) -> bool:
        urls.append(stream.wanted.url)
        await stream.ended.wait()
        return False

    async with asyncio.timeout(TIMEOUT_S), meet(late) as both:
        call = both.ring()
        await both.simulator.commanded("streaming_start")
        both.simulator.hang_up(call)
        await both.simulator.over(call)
        with pytest.raises(InvalidStatus, match="403"):
            await connect(urls[0])
        assert both.server.admission.calls == 0


async def test_the_hang_up_webhook_ends_a_session_whose_socket_never_said_stop(meet: "Meet") -> None:
    closes: list[tuple[int | None, str | None]] = []
    is_open, told = asyncio.Event(), asyncio.Event()

    async def mute(stream: TelnyxStreamSession) -> bool:
        socket = await connect(stream.wanted.url)
        stream.opened()
        for message in opening(stream):
            await socket.send(message)
        is_open.set()
        await stream.ended.wait()
        watching.append(asyncio.ensure_future(until_closed(socket)))
        return False

    async def until_closed(socket: ClientConnection) -> None:
        await socket.wait_closed()
        closes.append((socket.close_code, socket.close_reason))
        told.set()

    watching: list[asyncio.Future[None]] = []
    async with asyncio.timeout(TIMEOUT_S), meet(mute) as both:
        call = both.ring()
        await is_open.wait()
        assert both.server.admission.calls == 1
        both.simulator.hang_up(call)
        await told.wait()
        await both.server.admission.idle()
        await both.server.files.written()
    assert closes == [(1000, "the call ended")]
    assert len(both.journal("Ended")) == 1


async def test_the_token_of_an_ended_call_is_not_valid(meet: "Meet") -> None:
    phone = CallControlPhone(talks)
    async with asyncio.timeout(TIMEOUT_S), meet(phone) as both:
        await both.simulator.over(both.ring())
        await both.server.admission.idle()
        await both.server.files.written()
        url = (await both.simulator.commanded("streaming_start")).body["stream_url"]
        with pytest.raises(InvalidStatus, match="403"):
            await connect(url)
