"""TeXML calls, from the webhook on; and streams that break and come back, or do not. The server and the simulated phone."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.telnyx.exchange import TelnyxExchange
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.carriers.telnyx.texml import TexmlStream, ask_texml_webhook
from bridge.simulators.carriers.telnyx.webhooks import Signer
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused
from telecodecs.format import PCMU_8K

TIMEOUT_S = 30.0
CALL = "v3:1"
SEED = b64encode(bytes(range(32))).decode()


class House(NamedTuple):
    """A server, and what it writes."""

    server: Server
    folder: Path

    async def call(self, plan: CallPlan, query: str = "", *, private_key: str = SEED) -> CallReport:
        """A call from the webhook on."""
        exchange = TelnyxExchange(private_key=private_key)
        return await place_call(f"{self._webhook}{query}", plan, carrier=exchange)

    async def order(self, call: str = CALL) -> TexmlStream:
        """What the webhook answers."""
        return await ask_texml_webhook(
            self._webhook,
            call_control_id=call,
            account_sid="1",
            caller="+15550199",
            called="+15550100",
            private_key=SEED,
            unix_now=time.time(),
        )

    @property
    def _webhook(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/telnyx/texml"

    def journal(self, what: str) -> list[dict[str, Any]]:
        """The lines of this kind; there is one journal."""
        (file,) = self.folder.glob("*.jsonl")
        lines = map(json.loads, file.read_text().splitlines())
        return [line for line in lines if line["what"] == what]

    def recording(self) -> "np.ndarray[Any, np.dtype[np.int16]]":
        """Caller and assistant; there is one recording."""
        (file,) = self.folder.glob("*.wav")
        return np.frombuffer(file.read_bytes()[44:], "<i2").reshape(-1, 2)


Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def house(tmp_path: Path) -> Open:
    """`telnyx`: beside the key; the other arguments are settings."""

    @asynccontextmanager
    async def run(telnyx: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[House]:
        folders = {"journal": {"directory": tmp_path}, "recording": {"directory": tmp_path}}
        plain = {
            "port": 0,
            "assistant": "echo",
            "telnyx": {"public_key": Signer(SEED).public_key} | (telnyx or {}),
        }
        async with (
            asyncio.timeout(TIMEOUT_S),
            Server(Settings.model_validate(plain | folders | settings)).running() as server,
        ):
            yield House(server, tmp_path)

    return run


def noise(ms: int) -> bytes:
    return np.random.default_rng(7).integers(0, 127, PCMU_8K.bytes_in(ms), np.uint8).tobytes()


def replied(report: CallReport) -> bytes:
    return b"".join(audio for _, audio in report.received)


# From the webhook on


async def test_a_call_is_answered_and_heard(house: Open) -> None:
    async with house({"parameters": {"clinic": "north"}}) as home:
        report = await home.call(CallPlan(noise(200), linger_s=0.15))
        await home.server.admission.idle()
        await home.server.files.written()
    assert report.ending is Ending.QUIET
    assert noise(200) in replied(report)
    (started,) = home.journal("CallStarted")
    assert started["call_id"] == report.call_sid
    assert started["parameters"] == {"clinic": "north"}


async def test_the_address_names_who_answers(house: Open) -> None:
    async with house() as home:
        await home.call(CallPlan(hang_up_at_ms=60), "?assistant=parrot")
        await home.server.admission.idle()
        await home.server.files.written()
    assert [line["assistant"] for line in home.journal("OpenAssistant")] == ["parrot"]


async def test_a_call_that_is_only_listened_to(house: Open) -> None:
    telnyx = {"track": "both_tracks", "then": "https://example.com/dial.xml"}
    async with house(telnyx) as home:
        plan = CallPlan(noise(200), other_party=noise(300), hang_up_at_ms=300)
        report = await home.call(plan, "?listen=true")
        await home.server.admission.idle()
        await home.server.files.written()
    assert not report.received
    assert not home.journal("OpenAssistant")
    assert np.all(np.any(home.recording(), axis=0))


async def test_a_webhook_without_telnyxs_signature_is_refused(house: Open) -> None:
    async with house() as home:
        with pytest.raises(CallRefused, match="403"):
            await home.call(CallPlan(), private_key="")


# A stream that breaks, and comes back


async def test_the_call_resumes_on_another_stream(house: Open) -> None:
    async with house() as home:
        report = await home.call(CallPlan(noise(600), drop_at_ms=300, back_after_ms=100, linger_s=0.15))
        await home.server.admission.idle()
        await home.server.files.written()
    assert report.reconnects == 1
    assert report.ending is Ending.QUIET
    assert len(home.journal("CallStarted")) == 2
    assert len(home.journal("OpenAssistant")) == 1
    (ended,) = home.journal("Ended")
    assert ended["counts"]["stream_drops"] == 1
    assert any(at > 0.5 for at, _ in report.received)
    caller = home.recording()[:, 0]
    loud = np.abs(caller.reshape(-1, 160)).max(axis=1) > 0  # frame by frame
    begins = int(np.argmin(loud))  # the gap
    assert begins <= 17
    assert int(np.argmax(loud[begins:])) >= 3


async def test_what_the_assistant_says_meanwhile_is_heard_after(house: Open) -> None:
    """A key waits for one that was pressed before it: when it is told, the stream is broken already."""
    plan = CallPlan(digits=(Digit("5", 100),), drop_at_ms=250, back_after_ms=300, linger_s=0.8)
    async with house({"reorder_ms": 300}, assistant="parrot") as home:
        report = await home.call(plan)
        await home.server.admission.idle()
        await home.server.files.written()
    assert report.reconnects == 1
    assert [line["digit"] for line in home.journal("TypeDigit")] == ["5"]
    (key,), (lost, *_) = home.journal("TypeDigit"), home.journal("LegLost")
    assert key["at"] > lost["at"]
    assert any(at > 0.5 for at, _ in report.received)


async def test_a_stream_that_does_not_come_back_in_time_ends_the_call(house: Open) -> None:
    async with house({"return_s": 0.1}) as home:
        report = await home.call(CallPlan(noise(400), drop_at_ms=60, back_after_ms=150))
        assert home.server.admission.calls == 0
    assert report.reconnects == 0
    assert report.ending is Ending.SERVER_LEFT
    assert len(home.journal("Ended")) == 1


async def test_where_streams_do_not_come_back_the_call_ends_with_its_stream(house: Open) -> None:
    async with house({"return_s": 0}) as home:
        assert not (await home.order()).reconnects
        report = await home.call(CallPlan(noise(400), drop_at_ms=100, back_after_ms=20))
        assert report.ending is Ending.DIED
        await home.server.admission.idle()
        await home.server.files.written()


# Who comes in with the token of a call


def opening(call: str = CALL) -> list[str]:
    return SimulatedTelnyxStream(call_control_id=call).opening()


async def started(url: str, call: str = CALL) -> tuple[ClientConnection, SimulatedTelnyxStream]:
    """A socket that has said start."""
    phone = SimulatedTelnyxStream(call_control_id=call)
    socket = await connect(url)
    for message in phone.opening():
        await socket.send(message)
    return socket, phone


async def echoes(socket: ClientConnection, phone: SimulatedTelnyxStream) -> None:
    await socket.send(phone.media("inbound", noise(20), 0))
    assert json.loads(await socket.recv())["event"] == "media"


async def closed(socket: ClientConnection) -> tuple[int | None, str | None]:
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass
    return socket.close_code, socket.close_reason


async def test_a_new_stream_replaces_one_that_is_still_open_once_it_said_start(house: Open) -> None:
    async with house() as home:
        url = (await home.order()).url
        old, phone = await started(url)
        await echoes(old, phone)
        await old.send(phone.digit("5", 0))
        async with connect(url) as silent:  # a token alone takes nothing over
            await echoes(old, phone)
            new, another = await started(url)
            assert await closed(silent) == (1008, "another stream of its call came")
        await echoes(new, another)
        assert (await closed(old))[0] == 1006
        assert home.server.admission.calls == 1
        await new.send(another.closing())
        assert await closed(new) == (1000, "the call ended")
        assert home.server.admission.calls == 0
        with pytest.raises(InvalidStatus, match="403"):
            await connect(url)
    assert len(home.journal("OpenAssistant")) == 1
    assert [line["digit"] for line in home.journal("TypeDigit")] == ["5"]


async def test_a_resumed_stream_without_a_start_is_not_waited_for(house: Open) -> None:
    async with house({"return_s": 0.1}) as home:
        url = (await home.order()).url
        old, _phone = await started(url)
        new = await connect(url)
        old.transport.abort()
        assert await closed(new) == (1008, "its call is over")
        assert home.server.admission.calls == 0


async def test_a_socket_that_never_says_start_does_not_disturb_the_call(house: Open) -> None:
    async with house({"start_s": 0.1}) as home:
        url = (await home.order()).url
        old, phone = await started(url)
        new = await connect(url)
        assert await closed(new) == (1008, "the carrier never said start")
        await echoes(old, phone)
        await old.close()


async def test_another_call_cannot_resume_with_this_token(house: Open) -> None:
    async with house() as home:
        url = (await home.order()).url
        old, phone = await started(url)
        await echoes(old, phone)
        other, _phone = await started(url, "v3:2")
        assert await closed(other) == (1008, "another call came back")
        await echoes(old, phone)
        await old.send(phone.closing())
        assert await closed(old) == (1000, "the call ended")


async def test_a_stream_that_breaks_before_its_start_may_return(house: Open) -> None:
    async with house() as home:
        url = (await home.order()).url
        old = await connect(url)
        old.transport.abort()
        await closed(old)
        assert home.server.admission.calls == 1
        new, phone = await started(url)
        await echoes(new, phone)
        await new.send(phone.closing())
        await closed(new)
    assert len(home.journal("OpenAssistant")) == 1


async def test_a_call_that_says_its_last_words_does_not_resume(house: Open) -> None:
    async with house(assistant="parrot") as home:
        url = (await home.order()).url
        old = await connect(url)
        for message in opening():
            await old.send(message)
        await old.recv()  # of the chime
        home.server.admission.close()
        await asyncio.sleep(0)
        assert home.server.admission.calls == 1
        with pytest.raises(InvalidStatus, match="403"):
            await connect(url)
        assert home.server.admission.calls == 1
        old.transport.abort()
        await home.server.admission.idle()
        await home.server.files.written()
        assert home.server.admission.calls == 0


# The server closes


async def test_a_call_whose_stream_is_away_ends_when_the_server_closes(house: Open) -> None:
    async with house() as home:
        url = (await home.order()).url
        socket, phone = await started(url)
        await echoes(socket, phone)
        socket.transport.abort()
        await closed(socket)
        assert home.server.admission.calls == 1
    assert len(home.journal("Ended")) == 1


async def test_a_call_that_does_not_end_in_time_is_not_waited_for(house: Open) -> None:
    async with house(assistant="parrot") as home:
        socket, _phone = await started((await home.order()).url)
        await socket.recv()  # of the chime
        for _ in range(3):
            home.server.lifecycle.signal()
        await home.server.lifecycle.finished()
        assert home.server.admission.calls == 0
        assert (await closed(socket))[0] in (1000, 1006)
    assert len(home.journal("Ended")) == 1
