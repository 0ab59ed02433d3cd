"""Telnyx calls in real time over loopback: ended by the carrier, broken and connected again, over a bad network."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

from bridge.simulators.carriers.contract import Order
from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.live_call import LiveCall, Network
from bridge.simulators.phone.network_delay import Delay
from bridge.simulators.phone.network_disorder import Disorder
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import CallRefused

NOISE = np.random.default_rng(7).integers(0, 127, 8000, np.uint8).tobytes()
Serve = Callable[[ServerConnection], Awaitable[None]]

telnyx = partial(SimulatedTelnyxStream, call_control_id="v3:1")


@asynccontextmanager
async def server(answer: Serve) -> AsyncIterator[str]:
    async with serve(answer, "127.0.0.1", 0, compression=None) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/media"


def media(payload: bytes) -> str:
    return json.dumps({"event": "media", "media": {"payload": b64encode(payload).decode()}})


class Listener:
    """A server that keeps what came on each socket, and closes when the caller does."""

    def __init__(self) -> None:
        self.streams: list[list[dict[str, object]]] = []
        self.heard = asyncio.Event()

    async def __call__(self, socket: ServerConnection) -> None:
        stream: list[dict[str, object]] = []
        self.streams.append(stream)
        with suppress(ConnectionClosedError):
            async for text in socket:
                stream.append(json.loads(text))
                if stream[-1]["event"] == "media":
                    self.heard.set()

    @property
    def chunks(self) -> list[int]:
        """The chunks of the first stream, in order of arrival."""
        return [int(body["chunk"]) for body in self.bodies(0)]

    def bodies(self, stream: int) -> list[dict[str, str]]:
        return [message["media"] for message in self.streams[stream] if message["event"] == "media"]  # type: ignore[misc]


async def echo(socket: ServerConnection) -> None:
    async for text in socket:
        message = json.loads(text)
        if message["event"] == "media":
            await socket.send(media(b64decode(message["media"]["payload"])))


@pytest.mark.parametrize("coding", [Coding("PCMA"), Coding("L16"), Coding("L16", 8_000, "big")])
async def test_an_echo_in_each_format(coding: Coding) -> None:
    carrier = telnyx(says=coding, hears=coding)
    said = NOISE[: carrier.line.bytes_in(100)]
    async with server(echo) as url:
        report = await LiveCall(CallPlan(said, hang_up_at_ms=200), carrier).carry(url)
    assert (report.line, report.plays, report.warnings) == (coding.format, coding.format, ())
    assert said in b"".join(audio for _, audio in report.received)
    assert len(report.echo_ms()) >= 5
    assert report.length_ms == pytest.approx(200, abs=40)
    assert len(report.heard) == carrier.plays.samples_in(len(report.heard)) * carrier.plays.sample_bytes


async def test_half_a_minute_in_one_message_is_played_and_more_is_refused() -> None:
    """The longest message at the highest rate; one sample more is refused, with an error on the stream."""
    longest = bytes(range(1, 251)) * (48_000 * 2 * 30 // 250)
    answered: list[int] = []

    async def speak(socket: ServerConnection) -> None:
        await socket.send(media(longest + b"\1\1"))
        await socket.send(media(longest))
        async for text in socket:
            message = json.loads(text)
            if message["event"] == "error":
                answered.append(message["payload"]["code"])

    async with server(speak) as url:
        plan = CallPlan(hang_up_at_ms=300, keeps_trace=False)
        report = await LiveCall(plan, telnyx(hears=Coding("L16", 48_000))).carry(url)
    assert [len(audio) for _, audio in report.received] == [len(longest)]
    assert answered == [warned.code for warned in report.warnings] == [100004]


async def test_the_carrier_is_asked_to_end_the_call() -> None:
    listener = Listener()
    async with server(listener) as url:
        line = LiveCall(CallPlan(NOISE), telnyx())
        carried = asyncio.create_task(line.carry(url))
        await listener.heard.wait()
        line.hang_up()
        line.hang_up()
        report = await carried
    assert (report.ending, report.close_code) == (Ending.TOLD_TO, 1000)
    events = [message["event"] for message in listener.streams[0]]
    assert (events[-1], events.count("stop")) == ("stop", 1)


async def test_asked_before_the_socket_is_open_the_call_ends_once_it_is() -> None:
    listener = Listener()
    async with server(listener) as url:
        line = LiveCall(CallPlan(NOISE), telnyx())
        line.hang_up()
        report = await line.carry(url)
    assert report.ending is Ending.TOLD_TO
    assert [message["event"] for message in listener.streams[0]] == ["connected", "start", "stop"]


async def test_chunk_numbers_show_which_chunks_were_swapped_and_lost() -> None:
    listener = Listener()
    network = Network(Delay(5, 2), Disorder(reorder=0.2, loss=0.1, repeat=0.1))
    async with server(listener) as url:
        report = await LiveCall(CallPlan(NOISE, hang_up_at_ms=400), telnyx(), network).carry(url)
    sent, came = len(report.sent_at), listener.chunks
    assert report.said == (NOISE * 2)[: sent * 160], "what the caller said is not what came"
    assert sent - len(set(came)) == report.disorder_counts.lost > 0
    assert len(came) - len(set(came)) == report.disorder_counts.repeated > 0
    once = list(dict.fromkeys(came))
    assert sum(a > b for a, b in pairwise(once)) == report.disorder_counts.swapped > 0
    assert listener.streams[0][-1]["event"] == "stop"


async def test_after_a_broken_connection_the_same_call_connects_again() -> None:
    listener = Listener()
    plan = CallPlan(
        NOISE, digits=(Digit("7", 200),), hang_up_at_ms=300, drop_at_ms=90, back_after_ms=50, linger_s=0.1
    )
    async with server(listener) as url:
        report = await LiveCall(plan, telnyx(), reconnect=telnyx).carry(url)
    assert (report.ending, report.close_code, report.reconnects) == (Ending.HUNG_UP, 1000, 1)
    first, second = listener.streams
    assert [message["event"] for message in first][-1] == "media"
    assert [message["event"] for message in second][:3] == ["connected", "start", "media"]
    assert second[-1]["event"] == "stop"
    assert first[1]["start"] == second[1]["start"], "the same call"
    assert first[1]["stream_id"] != second[1]["stream_id"] == report.stream_sid
    assert second[1]["sequence_number"] == "1"
    bodies = listener.bodies(1)
    assert (bodies[0]["chunk"], bodies[0]["timestamp"]) == ("1", "0")
    said = b"".join(b64decode(body["payload"]) for body in bodies)
    missed = report.said.find(said) // 160 - len(listener.bodies(0))
    assert report.said.endswith(said)
    assert 1 <= missed <= 10, "the caller talked on while nobody was there"
    assert report.digits == "7"


async def test_connects_again_if_the_server_drops_the_connection_and_not_if_it_closes() -> None:
    calls = 0

    async def answer(socket: ServerConnection) -> None:
        nonlocal calls
        calls += 1
        await socket.recv()
        if calls == 1:
            socket.transport.abort()
        else:
            await socket.close(1001)

    async with server(answer) as url:
        line = LiveCall(CallPlan(NOISE, longest_s=5, back_after_ms=10), telnyx(), reconnect=telnyx)
        report = await line.carry(url)
    assert (calls, report.reconnects) == (2, 1)
    assert (report.ending, report.close_code) == (Ending.SERVER_LEFT, 1001)


async def test_a_carrier_that_does_not_connect_again_ends_the_call() -> None:
    listener = Listener()
    async with server(listener) as url:
        report = await LiveCall(CallPlan(NOISE, drop_at_ms=30), telnyx()).carry(url)
    assert (report.ending, report.close_code, report.reconnects) == (Ending.DIED, 1006, 0)


async def test_gives_up_connecting_again_after_some_refusals() -> None:
    asked = 0

    def refuse(connection: ServerConnection, _: object) -> object:
        nonlocal asked
        asked += 1
        return None if asked == 1 else connection.respond(503, "closing\n")

    plan = CallPlan(NOISE, drop_at_ms=30, back_after_ms=1, longest_s=5)
    async with serve(Listener(), "127.0.0.1", 0, process_request=refuse) as listening:  # type: ignore[arg-type]
        url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/"
        report = await LiveCall(plan, telnyx(), reconnect=telnyx).carry(url)
    assert (asked, report.ending, report.reconnects) == (4, Ending.SERVER_LEFT, 0)


@pytest.mark.parametrize("told", [False, True])
async def test_the_call_may_end_while_the_connection_is_broken(told: bool) -> None:
    plan = CallPlan(NOISE, drop_at_ms=30, back_after_ms=100, hang_up_at_ms=60)
    listener = Listener()
    async with server(listener) as url:
        line = LiveCall(plan, telnyx(), reconnect=telnyx)
        if told:
            asyncio.get_running_loop().call_later(0.045, line.hang_up)
        report = await line.carry(url)
    assert report.ending in ({Ending.TOLD_TO, Ending.HUNG_UP} if told else {Ending.HUNG_UP})
    assert (report.reconnects, len(listener.streams)) == (0, 1)


async def test_no_server_there(unused_tcp_port: int) -> None:
    with pytest.raises(CallRefused):
        await LiveCall(CallPlan(), telnyx(), reconnect=telnyx).carry(f"ws://127.0.0.1:{unused_tcp_port}/")


class FaultyStream(SimulatedTelnyxStream):
    """A carrier that fails at the second frame, or at what the server sends."""

    at = ""

    def media(self, track: str, audio: bytes, at_ms: int) -> str:
        if self.at == "a frame" and at_ms:
            raise RuntimeError("no frame")
        return super().media(track, audio, at_ms)

    def decode(self, message: WireMessage, now: float = 0.0) -> Order | None:
        if self.at == "a message":
            raise RuntimeError("no message")
        return super().decode(message, now)


@pytest.mark.parametrize("at", ["a frame", "a message"])
async def test_a_fault_of_the_phone_itself_ends_the_call_at_once(at: str) -> None:
    carrier = FaultyStream(call_control_id="v3:1")
    carrier.at = at
    async with server(echo) as url, asyncio.timeout(3):
        with pytest.raises(RuntimeError, match=at.replace("a ", "no ")):
            await LiveCall(CallPlan(NOISE), carrier).carry(url)


async def test_a_call_that_is_interrupted_ends_like_any_other() -> None:
    listener = Listener()
    async with server(listener) as url:
        line = LiveCall(CallPlan(NOISE), telnyx())
        carried = asyncio.create_task(line.carry(url))
        await listener.heard.wait()
        line.hang_up(Ending.INTERRUPTED)
        report = await carried
    assert (report.ending, report.close_code, report.fault) == (Ending.INTERRUPTED, 1000, "")
    assert listener.streams[0][-1]["event"] == "stop"


ENDINGS = [
    (1000, ""),
    (1001, ""),
    (1011, "the server closed the stream with the code 1011: it failed: expected 1000 or 1001"),
    (
        1006,
        "the stream broke (close code 1006: the connection broke): expected that the server closes it, or the phone",
    ),
]


@pytest.mark.parametrize(("code", "fault"), ENDINGS)
async def test_how_the_server_left(code: int, fault: str) -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.recv()
        if code == 1006:
            socket.transport.abort()
        else:
            await socket.close(code, "it failed")

    async with server(leave) as url:
        report = await LiveCall(CallPlan(NOISE), telnyx()).carry(url)
    assert (report.ending, report.close_code, report.fault) == (Ending.SERVER_LEFT, code, fault)
