"""Calls from the voice webhook to their end: the server and the pretend Twilio, with its REST API, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.twilio.calls import TwilioCall
from bridge.simulators.carriers.twilio.server import SimulatedTwilio
from bridge.simulators.carriers.twilio.stream_session import TwilioStreamSession

TIMEOUT_S = 30.0


class Both(NamedTuple):
    """The two parties."""

    server: Server
    fake: SimulatedTwilio
    folder: Path

    def ring(self, query: str = "") -> TwilioCall:
        return self.fake.ring(f"{self.server.admission.public_url}/twilio/voice{query}")

    def asked(self) -> list[tuple[str, dict[str, str]]]:
        """What the REST API was asked for."""
        return [(request.name, dict(request.fields)) for request in self.fake.requests]


Meet = Callable[..., AbstractAsyncContextManager[Both]]
HANG_UP = ("update", {"Status": "completed"})


@pytest.fixture
def meet(tmp_path: Path) -> Meet:
    """The pretend Twilio carries its streams by `media`; `settings` are the server's, `twilio` its [twilio]."""

    @asynccontextmanager
    async def run(media: Any, settings: dict[str, Any] | None = None, **twilio: Any) -> AsyncIterator[Both]:
        async with asyncio.timeout(TIMEOUT_S), SimulatedTwilio(media).running() as fake:
            own = {"account_sid": fake.account_sid, "auth_token": fake.auth_token, "api_url": fake.url}
            plain = {
                "port": 0,
                "assistant": "echo",
                "journal": {"directory": tmp_path},
                "twilio": own | twilio,
                **(settings or {}),
            }
            async with Server(Settings.model_validate(plain)).running() as server:
                yield Both(server, fake, tmp_path)

    return run


Then = Callable[[ClientConnection, TwilioStreamSession], Awaitable[None]]


class Phone:
    """Opens the call's socket, says start, and does what a test wants then.

    Twilio takes no notice of what became of the socket: its stream lasts until the call is ended in another way.
    """

    def __init__(self, then: Then) -> None:
        self.close_codes: list[int | None] = []
        self.is_done = asyncio.Event()
        self._then = then

    async def __call__(self, stream: TwilioStreamSession) -> bool:
        socket = await connect(stream.wanted.url)
        stream.opened("MZ1")
        started = {
            "streamSid": "MZ1",
            "callSid": stream.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        }
        message = {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": started}
        await socket.send(json.dumps(message))
        await self._then(socket, stream)
        self.close_codes.append(socket.close_code)
        self.is_done.set()
        await socket.close()
        return False


async def breaks(socket: ClientConnection, stream: TwilioStreamSession) -> None:
    socket.transport.abort()
    await stream.ended.wait()


async def is_silent(_socket: ClientConnection, stream: TwilioStreamSession) -> None:
    await stream.ended.wait()


async def is_closed(socket: ClientConnection, _stream: TwilioStreamSession) -> None:
    """By the server; Twilio then goes on with what follows in the TwiML, and ends the call if there is nothing."""
    await socket.wait_closed()


async def stops(socket: ClientConnection, _stream: TwilioStreamSession) -> None:
    stop = {"event": "stop", "sequenceNumber": "2", "streamSid": "MZ1", "stop": {}}
    await socket.send(json.dumps(stop))
    await socket.wait_closed()


async def test_a_caller_whose_stream_broke_is_not_left_on_a_silent_line(meet: Meet) -> None:
    with capture_logs() as log:
        async with meet(Phone(breaks)) as both:
            call = await both.fake.over(both.ring())
            assert both.asked() == [HANG_UP]
    (line,) = [line for line in log if line["event"] == "> twilio end call"]
    assert line["call_id"] == call.sid
    assert line["why"] == "its stream: it broke or fell silent; the carrier may not have noticed"


async def test_nor_is_one_whose_stream_fell_silent(meet: Meet) -> None:
    async with meet(Phone(is_silent), {"limits": {"silent_s": 0.1}}) as both:
        await both.fake.over(both.ring())
        assert both.asked() == [HANG_UP]


async def test_a_server_that_breaks_off_its_calls_ends_them(meet: Meet) -> None:
    async def talks(socket: ClientConnection, stream: TwilioStreamSession) -> None:
        await socket.recv()  # the chime, of which no mark comes back
        talking.set()
        await stream.ended.wait()

    talking = asyncio.Event()
    settings = {"assistant": "parrot"}
    async with asyncio.timeout(TIMEOUT_S), SimulatedTwilio(Phone(talks)).running() as fake:
        own = {"account_sid": fake.account_sid, "auth_token": fake.auth_token, "api_url": fake.url}
        async with Server(Settings.model_validate({"port": 0, "twilio": own} | settings)).running() as server:
            call = fake.ring(f"{server.admission.public_url}/twilio/voice")
            await talking.wait()
            for _ in range(3):
                server.lifecycle.signal()
        assert [(request.name, dict(request.fields)) for request in fake.requests] == [HANG_UP]
        await fake.over(call)


LEFT_TO_TWILIO: dict[str, tuple[Then, dict[str, Any], dict[str, Any], str]] = {
    # what the phone does, settings, those of [twilio], query
    "we close the stream": (is_closed, {"limits": {"longest_call_s": 0.1}}, {}, ""),
    "Twilio stops it": (stops, {}, {}, ""),
    "the call goes on elsewhere": (
        is_closed,
        {"limits": {"silent_s": 0.1}},
        {"then": "http://[::1]:9/x"},
        "",
    ),
    "it is only listened to": (
        is_closed,
        {"limits": {"silent_s": 0.1}},
        {"then": "http://[::1]:9/x"},
        "?listen=inbound_track",
    ),
    "no account": (is_closed, {"limits": {"silent_s": 0.1}}, {"account_sid": None}, ""),
}


@pytest.mark.parametrize("name", LEFT_TO_TWILIO)
async def test_otherwise_twilio_ends_the_call_or_goes_on_with_it(name: str, meet: Meet) -> None:
    then, settings, twilio, query = LEFT_TO_TWILIO[name]
    phone = Phone(then)
    async with meet(phone, settings, **twilio) as both:
        await both.fake.over(both.ring(query))
        await both.server.admission.idle()
        await both.server.files.written()
        await phone.is_done.wait()
    assert both.asked() == []
    assert phone.close_codes in ([1000], [1001])


async def test_the_address_names_who_answers(meet: Meet) -> None:
    async with meet(Phone(stops)) as both:
        await both.fake.over(both.ring("?assistant=parrot"))
        await both.server.admission.idle()
        await both.server.files.written()
    (journal,) = both.folder.glob("*.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["assistant"] for line in lines if line["what"] == "OpenAssistant"] == ["parrot"]
