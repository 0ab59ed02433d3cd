"""Streams under Call Control over loopback; the test plays the simulated REST server."""

import asyncio
import json
from dataclasses import replace

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bridge.simulators.carriers.telnyx.call_control_phone import CallControlPhone
from bridge.simulators.carriers.telnyx.stream_session import StreamRequest, TelnyxStreamSession
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import CallRefused
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding

REQUEST = StreamRequest(
    url="",
    stream_id="32DE0DEA",
    call_control_id="v3:1",
    call_session_id="3E6F",
    caller="+13125550199",
    called="+13125550100",
    codec="L16",
    rate_hz=16_000,
    mode="rtp",
    bidirectional_codec="PCMA",
    custom_parameters={"token": "t"},
    client_state="aGF2ZSBh",
    auth_token="secret",
)
SPEECH = b"\1\2" * 3200


class Bridge:
    """Keeps what comes, on one socket."""

    def __init__(self) -> None:
        self.messages: list[dict[str, object]] = []
        self.token = ""
        self.came = asyncio.Condition()

    async def __call__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.token = socket.request.headers["x-telnyx-streaming-auth-token"]
        async for text in socket:
            async with self.came:
                self.messages.append(json.loads(text))
                self.came.notify_all()

    async def until(self, event: str) -> None:
        async with self.came:
            await self.came.wait_for(lambda: event in self.events)

    @property
    def events(self) -> list[object]:
        return [message["event"] for message in self.messages]


class Ordered:
    """One stream under way."""

    def __init__(self, url: str, plan: CallPlan, *, answered: bool) -> None:
        self.formats: list[AudioFormat] = []
        self.opened = asyncio.Event()
        self.stream = TelnyxStreamSession(replace(REQUEST, url=url), self.opened.set)
        if answered:
            self.stream.answered.set()
        self.calls = CallControlPhone(lambda line: self.formats.append(line) or plan)  # type: ignore[func-returns-value]
        self.carried = asyncio.ensure_future(self.calls(self.stream))


async def carried(bridge: Bridge, plan: CallPlan, *, answered: bool = True, ended: bool = False) -> Ordered:
    async with serve(bridge, "127.0.0.1", 0) as listening:
        url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/"
        ordered = Ordered(url, plan, answered=answered)
        await ordered.opened.wait()
        await bridge.until("connected")
        if not answered:
            assert bridge.events == ["connected"]
            if not ended:
                ordered.stream.answered.set()
        if ended:
            if answered:
                await bridge.until("media")
            ordered.stream.ended.set()
        await ordered.carried
    return ordered


async def test_sends_the_stream_that_was_asked_for() -> None:
    bridge = Bridge()
    ordered = await carried(bridge, CallPlan(SPEECH, hang_up_at_ms=50))
    assert ordered.carried.result() is True, "the caller hung up"
    assert ordered.formats == [L16_16K]
    (report,) = ordered.calls.reports
    assert (report.ending, report.line, report.plays) == (Ending.HUNG_UP, L16_16K, PCMA_8K)
    assert (report.call_sid, report.stream_sid) == ("v3:1", "32DE0DEA")
    start = bridge.messages[1]["start"]
    assert isinstance(start, dict)
    assert start | {"user_id": ""} == {
        "user_id": "",
        "call_control_id": "v3:1",
        "call_session_id": "3E6F",
        "from": "+13125550199",
        "to": "+13125550100",
        "client_state": "aGF2ZSBh",
        "custom_parameters": {"token": "t"},
        "media_format": {"encoding": "L16", "sample_rate": 16_000, "channels": 1},
    }
    assert bridge.token == "secret"
    assert bridge.messages[0]["connected"] == {"x-telnyx-streaming-auth-token": "secret"}


async def test_a_socket_that_opens_while_the_call_rings_starts_when_it_is_answered() -> None:
    bridge = Bridge()
    await carried(bridge, CallPlan(SPEECH, hang_up_at_ms=30), answered=False)
    assert bridge.events == ["connected", "start", "media", "media", "stop"]


async def test_a_call_that_is_never_answered_has_neither_start_nor_stop() -> None:
    bridge = Bridge()
    ordered = await carried(bridge, CallPlan(SPEECH), answered=False, ended=True)
    assert ordered.carried.result() is False
    assert bridge.events == ["connected"]
    (report,) = ordered.calls.reports
    assert (report.ending, report.close_code, report.heard) == (Ending.TOLD_TO, 1000, b"")


async def test_a_call_ended_by_the_api_sends_stop() -> None:
    bridge = Bridge()
    ordered = await carried(bridge, CallPlan(SPEECH), ended=True)
    assert ordered.carried.result() is False
    assert bridge.events[-1] == "stop"


@pytest.mark.parametrize("answered", [True, False])
async def test_the_server_may_close_it(answered: bool) -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1000)

    async with serve(leave, "127.0.0.1", 0) as listening:
        url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/"
        ordered = Ordered(url, CallPlan(SPEECH), answered=answered)
        assert await ordered.carried is False
    (report,) = ordered.calls.reports
    assert report.ending is Ending.SERVER_LEFT


async def test_an_impossible_stream_is_refused() -> None:
    calls = CallControlPhone(lambda _: CallPlan())
    request = replace(REQUEST, bidirectional_codec="PCMU", bidirectional_rate_hz=16_000)
    with pytest.raises(CallRefused, match="PCMU has no rate of 16000 Hz"):
        await calls(TelnyxStreamSession(request, lambda: None))


async def test_no_server_there(unused_tcp_port: int) -> None:
    with pytest.raises(CallRefused):
        await Ordered(f"ws://127.0.0.1:{unused_tcp_port}/", CallPlan(), answered=True).carried


async def test_the_byte_order_is_an_option_of_the_phone() -> None:
    formats: list[AudioFormat] = []

    def plan(line: AudioFormat) -> CallPlan:
        formats.append(line)
        return CallPlan(hang_up_at_ms=0)

    async with serve(Bridge(), "127.0.0.1", 0) as listening:
        url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/"
        for codec in ("L16", "PCMU"):
            stream = TelnyxStreamSession(replace(REQUEST, url=url, codec=codec, rate_hz=8_000), lambda: None)
            stream.answered.set()
            await CallControlPhone(plan, byteorder="big")(stream)
    assert formats == [AudioFormat(Encoding.L16_BE, 8_000), PCMU_8K]
