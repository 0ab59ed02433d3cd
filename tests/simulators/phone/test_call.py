"""Whole calls in real time over loopback, against small servers made with the websockets library."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.latency import Latency
from bridge.simulators.phone.live_call import Network
from bridge.simulators.phone.network_delay import Delay
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.trace import write_trace
from bridge.vocabulary.errors import CallRefused, ConfigurationError

NOISE = np.random.default_rng(7).integers(0, 127, 8000, np.uint8).tobytes()
Serve = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def server(answer: Serve) -> AsyncIterator[str]:
    async with serve(answer, "127.0.0.1", 0, compression=None) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/media"


async def echo(socket: ServerConnection) -> None:
    """Returns all audio; a mark with each tenth frame."""
    async for text in socket:
        message = json.loads(text)
        if message["event"] == "media":
            sid = message["streamSid"]
            payload = message["media"]["payload"]
            await socket.send(json.dumps({"event": "media", "streamSid": sid, "media": {"payload": payload}}))
            if int(message["media"]["chunk"]) % 10 == 0:
                name = message["media"]["chunk"]
                await socket.send(json.dumps({"event": "mark", "streamSid": sid, "mark": {"name": name}}))


async def test_a_call_to_an_echo() -> None:
    plan = CallPlan(NOISE[:4000], digits=(Digit("5", 100),), linger_s=0.2, parameters={"token": "t"})
    async with server(echo) as url:
        report = await place_call(url, plan)
    assert report.ending is Ending.QUIET
    assert report.close_code == 1000
    assert report.said.startswith(NOISE[:4000])
    assert NOISE[:4000] in b"".join(audio for _, audio in report.received)
    assert report.length_ms == pytest.approx(len(report.sent_at) * 20, abs=40)
    assert report.digits == "5"
    assert report.warnings == ()
    assert [mark.name for mark in report.marks][:2] == ["10", "20"]
    assert not any(mark.cleared for mark in report.marks)
    latency = Latency.of(report.echo_ms())
    assert latency is not None
    assert latency.count == len(report.echo_ms()) >= 25
    assert latency.p50_ms < 100


async def test_the_trace_has_every_message(tmp_path: Path) -> None:
    async with server(echo) as url:
        report = await place_call(url, CallPlan(NOISE, parameters={"token": "t"}, hang_up_at_ms=250))
    path = tmp_path / "call.jsonl"
    write_trace(path, report.trace)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    to_bridge = [row["message"] for row in rows if row["to"] == "bridge"]
    to_carrier = [row["message"] for row in rows if row["to"] == "carrier"]
    assert [message["event"] for message in to_bridge[:3]] == ["connected", "start", "media"]
    assert to_bridge[1]["start"]["customParameters"] == {"token": "t"}
    assert to_bridge[-1]["event"] == "stop"
    assert [message["sequenceNumber"] for message in to_bridge[1:]] == [
        str(n + 1) for n in range(len(to_bridge) - 1)
    ]
    assert len([message for message in to_carrier if message["event"] == "media"]) == len(report.received)
    assert [row["at_ms"] for row in rows] == sorted(row["at_ms"] for row in rows)


async def test_no_trace_is_kept_if_the_plan_says_so() -> None:
    async with server(echo) as url:
        report = await place_call(url, CallPlan(NOISE, hang_up_at_ms=50, keeps_trace=False))
    assert report.trace == ()


async def test_frames_and_marks_are_sent_on_time() -> None:
    """The server sends half a second at once and a mark; the phone returns it half a second later."""
    returned = asyncio.get_running_loop().create_future()

    async def speak(socket: ServerConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["event"] == "start":
                body = {"payload": "AAAA" * (4000 // 3) + "AA=="}
                await socket.send(
                    json.dumps({"event": "media", "streamSid": message["streamSid"], "media": body})
                )
                mark = {"event": "mark", "streamSid": message["streamSid"], "mark": {"name": "said"}}
                await socket.send(json.dumps(mark))
            elif message["event"] == "mark":
                returned.set_result(message["mark"]["name"])

    async with server(speak) as url:
        report = await place_call(url, CallPlan(NOISE[:160], linger_s=0.1))
    assert returned.result() == "said"
    (arrived, audio), (mark,) = report.received[0], report.marks
    assert len(audio) == 4000
    assert mark.at_ms == pytest.approx(arrived * 1000 + 500, abs=1)
    returned_at = next(
        line.at_ms for line in report.trace if line.direction == ">" and '"mark"' in str(line.message)
    )
    assert returned_at >= mark.at_ms
    early = [at - index * 0.02 for index, at in enumerate(report.sent_at)]
    assert min(early) > -0.001, "no frame goes out before its time"
    assert report.latest_ms >= 0


async def test_over_a_slow_network_messages_arrive_later_and_in_order() -> None:
    plan = CallPlan(NOISE[:3200], hang_up_at_ms=650)
    async with server(echo) as url:
        report = await place_call(url, plan, network=Network(Delay(60, 15)))
    assert (report.ending, report.close_code) == (Ending.HUNG_UP, 1000)
    echoed = report.echo_ms()
    assert min(echoed) >= 90
    assert sorted(echoed)[len(echoed) // 2] < 250
    assert NOISE[:3200] in b"".join(audio for _, audio in report.received)
    assert [mark.name for mark in report.marks][:2] == ["10", "20"]
    assert report.warnings == ()


async def test_over_a_slow_network_the_close_arrives_after_the_messages() -> None:
    seen: list[tuple[float, str]] = []

    async def listen(socket: ServerConnection) -> None:
        seen.extend([(clock(), json.loads(text)["event"]) async for text in socket])

    clock = asyncio.get_running_loop().time
    async with server(listen) as url:
        began = clock()
        report = await place_call(url, CallPlan(NOISE, hang_up_at_ms=30), network=Network(Delay(80)))
        came_back = clock()
    assert (report.ending, report.close_code) == (Ending.HUNG_UP, 1000)
    assert [event for _, event in seen] == ["connected", "start", "media", "media", "stop"]
    assert seen[-1][0] - began >= 0.109
    assert came_back - began >= 0.189, "the server's close travels too"


async def test_over_a_slow_network_the_phone_learns_late_that_the_server_left() -> None:
    left: list[float] = []

    async def leave(socket: ServerConnection) -> None:
        await socket.recv()
        left.append(clock())
        await socket.close(4000, "had enough")

    clock = asyncio.get_running_loop().time
    async with server(leave) as url:
        report = await place_call(url, CallPlan(NOISE, longest_s=5), network=Network(Delay(100)))
        assert clock() - left[0] >= 0.099
    assert (report.ending, report.close_code, report.close_reason) == (Ending.SERVER_LEFT, 4000, "had enough")


async def test_a_broken_connection_loses_the_messages_under_way() -> None:
    seen: list[str] = []
    lost = asyncio.Event()

    async def listen(socket: ServerConnection) -> None:
        with suppress(ConnectionClosedError):
            while True:
                seen.append(json.loads(await socket.recv())["event"])
        lost.set()

    async with server(listen) as url:
        report = await place_call(url, CallPlan(NOISE, die_at_ms=400), network=Network(Delay(300)))
        await asyncio.wait_for(lost.wait(), 5)
    assert (report.ending, report.close_code) == (Ending.DIED, 1006)
    assert seen[:2] == ["connected", "start"]
    assert set(seen[2:]) == {"media"}
    assert len(seen) < 2 + len(report.sent_at)


@pytest.mark.parametrize(("ms", "jitter_ms"), [(-1, 0), (0, -1), (1e9, 0)])
async def test_an_impossible_delay_is_refused_before_the_call(ms: float, jitter_ms: float) -> None:
    with pytest.raises(ConfigurationError, match="ms is out of range"):
        await place_call("ws://127.0.0.1:1/", CallPlan(), network=Network(Delay(ms, jitter_ms)))


async def test_the_server_closes_first() -> None:
    async def leave(socket: ServerConnection) -> None:
        async for text in socket:
            if '"chunk":"3"' in str(text):
                await socket.close(4000, "had enough")

    async with server(leave) as url:
        report = await place_call(url, CallPlan(NOISE, longest_s=5))
    assert (report.ending, report.close_code, report.close_reason) == (Ending.SERVER_LEFT, 4000, "had enough")
    assert 40 <= report.length_ms < 1000


async def test_the_server_closes_right_after_the_upgrade() -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.send('{"event":"clear","streamSid":"MZ?"}')
        await socket.close(1013)

    async with server(leave) as url:
        report = await place_call(url, CallPlan(NOISE, longest_s=5))
    assert (report.ending, report.close_code) == (Ending.SERVER_LEFT, 1013)
    assert [warned.code for warned in report.warnings] == [31951]


async def test_a_broken_connection_has_no_stop() -> None:
    seen: list[str] = []
    lost = asyncio.Event()

    async def listen(socket: ServerConnection) -> None:
        with suppress(ConnectionClosedError):
            while True:
                seen.append(json.loads(await socket.recv())["event"])
        lost.set()

    async with server(listen) as url:
        report = await place_call(url, CallPlan(NOISE, die_at_ms=60))
        await asyncio.wait_for(lost.wait(), 5)
    assert (report.ending, report.close_code) == (Ending.DIED, 1006)
    assert seen == ["connected", "start", "media", "media", "media"]


async def test_stop_comes_before_the_close() -> None:
    seen: list[str] = []

    async def listen(socket: ServerConnection) -> None:
        seen.extend([json.loads(text)["event"] async for text in socket])

    async with server(listen) as url:
        report = await place_call(url, CallPlan(NOISE, hang_up_at_ms=30))
    assert (report.ending, report.close_code) == (Ending.HUNG_UP, 1000)
    assert seen == ["connected", "start", "media", "media", "stop"]


async def test_a_call_through_a_webhook_with_both_signed() -> None:
    signatures: list[str] = []

    async def listen(socket: ServerConnection) -> None:
        assert socket.request is not None
        signatures.append(socket.request.headers["X-Twilio-Signature"])
        await echo(socket)

    async with server(listen) as url:

        async def voice(_: web.Request) -> web.Response:
            parameter = '<Parameter name="token" value="secret"/>'
            twiml = f'<Response><Connect><Stream url="{url}">{parameter}</Stream></Connect></Response>'
            return web.Response(text=twiml, content_type="application/xml")

        app = web.Application()
        app.router.add_post("/voice", voice)
        async with TestServer(app) as hook:
            plan = CallPlan(NOISE, hang_up_at_ms=100)
            report = await place_call(str(hook.make_url("/voice")), plan, auth_token="12345", call_sid="CA7")
    assert signatures == [RequestValidator("12345").compute_signature(url, {})]
    start = json.loads(report.trace[1].message)["start"]
    assert (start["callSid"], start["customParameters"]) == ("CA7", {"token": "secret"})
    assert report.call_sid == "CA7"
    assert report.stream_sid == start["streamSid"]


async def test_no_server_there(unused_tcp_port: int) -> None:
    with pytest.raises(CallRefused):
        await place_call(f"ws://127.0.0.1:{unused_tcp_port}/", CallPlan())


async def test_a_cancelled_call_closes_its_socket() -> None:
    began, gone = asyncio.Event(), asyncio.Event()

    async def listen(socket: ServerConnection) -> None:
        with suppress(ConnectionClosedError):
            async for _ in socket:
                began.set()
        gone.set()

    async with server(listen) as url:
        call = asyncio.create_task(place_call(url, CallPlan(NOISE)))
        await began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(gone.wait(), 5)
