"""A server that stops, from outside: who is let in, what callers hear, and how calls end."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import bridge.shell.admission as module
from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.carriers.twilio.signature import signature
from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.lifecycle import Stage
from bridge.shell.sampled_log import SampledLog
from bridge.shell.server import Server
from bridge.shell.switchboard import Switchboard
from bridge.shell.websocket import SocketLeg
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K
from telecodecs.wav import wav_encode

AUTH_TOKEN = "12345"
UPGRADE = {"Upgrade": "websocket"}
GIVE_UP_S = 10.0
CLOSING = "the server is closing"

# Who is let in


@pytest.fixture
async def admission() -> AsyncIterator[Admission]:
    settings = Settings.model_validate(
        {"assistant": "echo", "security": {"allow_unauthenticated": True, "token_keys": ["k" * 32]}}
    )
    switchboard = Switchboard(settings)
    admission = Admission(settings, switchboard)
    admission.public_url = "https://voice.example.com"
    yield admission
    admission.break_off()
    await switchboard.aclose()


@pytest.fixture
def unix_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Unix time, in the last item."""
    times = [1_800_000_000.0]
    monkeypatch.setattr(module, "unix_clock", lambda: times[-1])
    return times


def path_of(
    admission: Admission, call_id: str, carrier: str = "twilio", kind: StreamKind = "media", **more: Any
) -> str:
    return admission.expect(carrier, ExpectedCall(call_id, **more), kind).removeprefix(
        "wss://voice.example.com"
    )


def turned_away(admission: Admission, path: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> str:
    admission._refusals = SampledLog()  # it writes a line a second
    with capture_logs() as lines:
        assert admission.admit(path, UPGRADE) is status
    return str(lines[-1]["reason"])


def telnyx_start(call_id: str, stream_id: str) -> str:
    media_format = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    body = {"call_control_id": call_id, "media_format": media_format}
    return json.dumps({"event": "start", "stream_id": stream_id, "start": body})


async def test_a_draining_server_lets_in_those_whom_it_promised_an_assistant(
    admission: Admission, unix_time: list[float]
) -> None:
    path, unused, too_old = (path_of(admission, call_id) for call_id in ("CA1", "CA2", "CA3"))
    path_of(admission, "CA4", kind="listen")  # nobody waits for an assistant there
    assert (admission.calls, admission.promised) == (0, 3)
    admission.refuse_new_calls()
    for unknown in ("/twilio/media", "/twilio/media/guess"):
        assert turned_away(admission, unknown, HTTPStatus.SERVICE_UNAVAILABLE) == CLOSING
    assert isinstance(admission.admit(path, UPGRADE), SocketLeg)
    assert (admission.calls, admission.promised) == (1, 2)
    assert turned_away(admission, path) == "its token was used before"
    admission.call_ended("twilio", "CA2")
    assert admission.promised == 1
    assert turned_away(admission, unused) == "its call is no longer expected"
    unix_time.append(unix_time[-1] + 61)
    assert admission.promised == 0
    assert turned_away(admission, too_old) == "its token is too old"


@pytest.mark.parametrize("end", [Admission.say_goodbye, Admission.close], ids=["goodbye", "close"])
async def test_a_server_that_says_goodbye_lets_nobody_in(
    end: Callable[[Admission], None], admission: Admission
) -> None:
    path = path_of(admission, "CA1")
    end(admission)
    assert turned_away(admission, path, HTTPStatus.SERVICE_UNAVAILABLE) == CLOSING


async def test_a_stream_returns_to_a_draining_server(admission: Admission) -> None:
    path = path_of(admission, "v3:1", carrier="telnyx", returns_s=10.0)
    for stream_id in ("S1", "S2"):
        leg = admission.admit(path, UPGRADE)
        assert isinstance(leg, SocketLeg)
        leg._receive(telnyx_start("v3:1", stream_id))
        admission.refuse_new_calls()
    assert (admission.calls, admission.promised) == (1, 0)


# From outside


def start(call_id: str) -> str:
    body = {
        "streamSid": "MZ1",
        "callSid": call_id,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    }
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": body})


@asynccontextmanager
async def serving(**more: Any) -> AsyncIterator[Server]:
    settings = {"port": 0, "assistant": "parrot", "twilio": {"auth_token": AUTH_TOKEN}} | more
    async with asyncio.timeout(GIVE_UP_S), Server(Settings.model_validate(settings)).running() as server:
        yield server


async def webhook(server: Server, call_id: str) -> tuple[int, str]:
    """What Twilio's webhook does: the status, and the address of the media socket; empty where it names none."""
    url = f"http://127.0.0.1:{server.port}/twilio/voice"
    form = {"CallSid": call_id, "From": "+15550199", "To": "+15550100"}
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, url, form.items())}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
        return answer.status, (await answer.text()).partition('url="')[2].partition('"')[0]


async def ready(server: Server) -> int:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{server.port}/readyz") as answer:
            return answer.status


class Phone:
    """A caller's end of a media socket, which returns each mark at once. `heard`: what was played, decoded."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.heard = b""

    @classmethod
    async def calling(cls, url: str, call_id: str) -> "Phone":
        socket = await connect(url)
        await socket.send(start(call_id))
        return cls(socket)

    async def listen(self, enough: Callable[["Phone"], bool] = lambda _: False) -> tuple[int, str]:
        """Listen until that is enough, or to the close; its code and reason."""
        with suppress(ConnectionClosed):
            while not enough(self):
                message = json.loads(await self._socket.recv())
                if message["event"] == "media":
                    self.heard += b64decode(message["media"]["payload"])
                elif message["event"] == "mark":
                    await self._socket.send(json.dumps(message))
        return self._socket.close_code or 0, self._socket.close_reason or ""


@pytest.fixture
def goodbye(tmp_path: Path) -> tuple[Path, bytes]:
    """A recording of a tone, and how it is on the line."""
    tone = (np.sin(np.arange(1600) * 0.3) * 8000).astype(np.int16)
    file = tmp_path / "goodbye.wav"
    file.write_bytes(wav_encode(tone, 8000))
    return file, encoder(PCMU_8K)(tone)


async def test_live_calls_go_on_while_the_server_drains_and_hear_the_goodbye(
    goodbye: tuple[Path, bytes],
) -> None:
    file, sound = goodbye
    async with serving(closing={"goodbye": {"play": str(file)}}) as server:
        _, url = await webhook(server, "CA1")
        _, promised = await webhook(server, "CA2")
        phone = await Phone.calling(url, "CA1")
        await phone.listen(lambda one: len(one.heard) >= 6400)  # the chime
        server.lifecycle.signal()
        assert await ready(server) == 503
        assert await webhook(server, "CA3") == (200, ""), "the caller hears that the line is busy"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{server.port}/twilio/media/guess")
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "5"
        late = await Phone.calling(promised, "CA2")
        await late.listen(lambda one: len(one.heard) >= 6400)
        assert (server.lifecycle.stage, server.admission.calls) == (Stage.DRAINING, 2)
        phone.heard = late.heard = b""
        server.lifecycle.signal()
        ends = await asyncio.gather(phone.listen(), late.listen())
        assert [*ends] == [(1001, CLOSING)] * 2
        assert sound in phone.heard
        assert sound in late.heard
        await server.lifecycle.finished()


async def test_the_time_is_up_after_drain_s() -> None:
    async with serving(limits={"drain_s": 0.1}) as server:
        phone = await Phone.calling((await webhook(server, "CA1"))[1], "CA1")
        await phone.listen(lambda one: len(one.heard) >= 6400)
        server.lifecycle.signal()
        ended = asyncio.create_task(phone.listen())
        await server.lifecycle.finished()
        assert await ended == (1001, CLOSING)


async def test_a_server_whose_last_call_ends_is_over() -> None:
    async with serving() as server:
        phone = await Phone.calling((await webhook(server, "CA1"))[1], "CA1")
        await phone.listen(lambda one: len(one.heard) >= 6400)
        server.lifecycle.signal()
        finished = asyncio.create_task(server.lifecycle.finished())
        await asyncio.sleep(0.1)
        assert not finished.done()
        await phone._socket.close()
        await finished
        assert server.lifecycle.stage is Stage.DRAINING


async def test_the_port_stays_open_for_balancers_without_any_call() -> None:
    async with serving(limits={"linger_s": 0.3}) as server:
        loop = asyncio.get_running_loop()
        began = loop.time()
        server.lifecycle.signal()
        finished = asyncio.create_task(server.lifecycle.finished())
        assert await ready(server) == 503
        await finished
        assert loop.time() - began >= 0.3
