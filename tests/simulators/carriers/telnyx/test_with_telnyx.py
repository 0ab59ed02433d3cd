"""The simulated Telnyx on loopback, driven by the vendor's own package, which also reads and verifies its webhooks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import isawaitable
from typing import Any

import aiohttp
import pytest
import telnyx
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.simulators.carriers.telnyx.calls import CallState
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee, TelnyxFaults
from bridge.simulators.carriers.telnyx.server import SimulatedTelnyx
from bridge.simulators.carriers.telnyx.stream_session import TelnyxStreamSession
from bridge.vocabulary.errors import CallRefused

TIMEOUT_S = 5.0
STREAM_URL = "wss://voice.example.com/telnyx/media/token"


class Hook:
    """A server's webhook; every delivery is checked by Telnyx's package. `statuses`: answered in turn, then 200."""

    def __init__(self) -> None:
        self.url = ""
        self.events: list[Any] = []
        self.statuses: list[int] = []
        self.client: telnyx.AsyncTelnyx
        self.wakes = asyncio.Event()

    def kinds(self) -> list[str]:
        return [event.data.event_type for event in self.events]

    async def take(self, request: web.Request) -> web.Response:
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            await self.wakes.wait()
        body = await request.text()
        event: Any = self.client.webhooks.unwrap(body, headers=dict(request.headers))
        self.events.append(await event if isawaitable(event) else event)
        return web.Response(status=status or 200)


Calls = Callable[..., AbstractAsyncContextManager[tuple[SimulatedTelnyx, telnyx.AsyncTelnyx]]]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/telnyx/webhook", hook.take)
    async with TestServer(app) as server:
        hook.url = str(server.make_url("/telnyx/webhook"))
        yield hook
        hook.wakes.set()


@pytest.fixture
def running(hook: Hook) -> Calls:
    """A simulated Telnyx that sends webhooks to the hook, and a client of the vendor's package."""

    @asynccontextmanager
    async def run(*args: Any, **options: Any) -> AsyncIterator[tuple[SimulatedTelnyx, telnyx.AsyncTelnyx]]:
        async with (
            asyncio.timeout(TIMEOUT_S),
            SimulatedTelnyx(*args, webhook_url=hook.url, **options).running() as simulator,
        ):
            plain = telnyx.DefaultAsyncHttpxClient(verify=False)  # certificates take long to read
            async with telnyx.AsyncTelnyx(
                api_key=simulator.api_key,
                base_url=simulator.url,
                public_key=simulator.public_key,
                max_retries=0,
                http_client=plain,
            ) as hook.client:
                yield simulator, hook.client

    return run


class Phone:
    """Media that is told what to do instead of speaking."""

    def __init__(self) -> None:
        self.streams: list[TelnyxStreamSession] = []
        self.hangs_up = asyncio.Event()
        self.was_ended = False

    async def __call__(self, stream: TelnyxStreamSession) -> bool:
        self.streams.append(stream)
        stream.opened()
        ended = asyncio.ensure_future(stream.ended.wait())
        hung_up = asyncio.ensure_future(self.hangs_up.wait())
        await asyncio.wait({ended, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        self.was_ended = stream.ended.is_set()
        for waiting in (ended, hung_up):
            waiting.cancel()
        return self.hangs_up.is_set()


async def test_an_inbound_call_with_the_vendors_client(running: Calls, hook: Hook) -> None:
    phone = Phone()
    async with running(phone, webhook_timeout_s=TIMEOUT_S) as (simulator, client):
        call = simulator.ring()
        await simulator.told("call.initiated")
        name = hook.events[0].data.payload.call_control_id
        assert name == call.call_control_id
        assert "/" in name
        answer = await client.calls.actions.answer(name, client_state="aGV5", command_id="1")
        assert answer.data is not None
        assert answer.data.result == "ok"
        await client.calls.actions.start_streaming(
            name,
            stream_url=STREAM_URL,
            stream_track="inbound_track",
            stream_bidirectional_mode="rtp",
            stream_bidirectional_codec="L16",
            stream_bidirectional_sampling_rate=16_000,
            stream_auth_token="secret",
            custom_parameters=[{"name": "k", "value": "v"}],
        )
        await simulator.told("streaming.started")
        wanted = phone.streams[0].wanted
        assert (wanted.url, wanted.auth_token, wanted.custom_parameters) == (STREAM_URL, "secret", {"k": "v"})
        await client.calls.actions.send_dtmf(name, digits="1w2", duration_millis=100)
        assert call.pressed == "1w2"
        status = await client.calls.retrieve_status(name)
        assert status.data is not None
        assert status.data.is_alive
        await client.calls.actions.hangup(name, command_id="2")
        await client.calls.actions.hangup(name, command_id="2")
        await simulator.over(call)
        assert phone.was_ended
        assert hook.kinds() == [
            "call.initiated",
            "call.answered",
            "streaming.started",
            "streaming.stopped",
            "call.hangup",
        ]
        last = hook.events[-1].data.payload
        assert (last.hangup_cause, last.state, last.client_state) == ("normal_clearing", "hangup", "aGV5")
        assert [command.name for command in simulator.commands] == [
            "answer",
            "streaming_start",
            "send_dtmf",
            "status",
            "hangup",
            "hangup",
        ]
        assert (await simulator.commanded("hangup", times=2)).body == {"command_id": "2"}


async def test_the_phone_hangs_up(running: Calls, hook: Hook) -> None:
    phone = Phone()
    async with running(phone) as (simulator, client):
        call = simulator.ring()
        await client.calls.actions.answer(call.call_control_id, stream_url=STREAM_URL)
        await simulator.told("streaming.started")
        phone.hangs_up.set()
        assert (await simulator.over(call)).source == "caller"
        assert hook.kinds()[-2:] == ["streaming.stopped", "call.hangup"]


async def test_the_other_party_hangs_up_while_it_streams(running: Calls, hook: Hook) -> None:
    phone = Phone()
    async with running(phone) as (simulator, client):
        call = simulator.ring()
        await client.calls.actions.answer(call.call_control_id, stream_url=STREAM_URL)
        await simulator.told("streaming.started")
        simulator.hang_up(call)
        await simulator.over(call)
        assert phone.was_ended


async def test_a_socket_that_is_refused(running: Calls, hook: Hook) -> None:
    async def refused(_stream: TelnyxStreamSession) -> bool:
        raise CallRefused("the upgrade got HTTP 403")

    async with running(refused) as (simulator, client):
        call = simulator.ring()
        await client.calls.actions.answer(call.call_control_id, stream_url=STREAM_URL)
        failed = await simulator.told("streaming.failed")
        assert failed.event["payload"]["failure_reason"] == "the upgrade got HTTP 403"
        assert call.state is CallState.ANSWERED


async def test_a_call_without_a_phone(running: Calls, hook: Hook) -> None:
    async with running() as (simulator, client):
        call = simulator.ring()
        await client.calls.actions.answer(call.call_control_id, stream_url=STREAM_URL)
        await simulator.told("streaming.started")
        await client.calls.actions.stop_streaming(call.call_control_id)
        await simulator.told("streaming.stopped")
        simulator.hang_up(call)
        await simulator.over(call)


async def test_a_dialled_call_with_the_vendors_client(running: Calls, hook: Hook) -> None:
    async with running(callee=TelnyxCallee(answered_by="machine")) as (simulator, client):
        dialled = await client.calls.dial(
            connection_id="1",
            to="+15550100",
            from_="+15550199",
            answering_machine_detection="detect",
            command_id="1",
        )
        again = await client.calls.dial(connection_id="1", to="+15550100", from_="+15550199", command_id="1")
        assert dialled.data is not None
        assert again.data == dialled.data
        assert not dialled.data.is_alive
        await simulator.told("call.machine.detection.ended")
        assert hook.events[-1].data.payload.result == "machine"
        await client.calls.actions.hangup(dialled.data.call_control_id)
        await simulator.over(simulator.account.calls[dialled.data.call_control_id])
        assert hook.kinds() == [
            "call.initiated",
            "call.answered",
            "call.machine.detection.ended",
            "call.hangup",
        ]


async def test_refusals_as_the_vendors_client_reads_them(running: Calls) -> None:
    async with running() as (simulator, client):
        call = simulator.ring()
        with pytest.raises(telnyx.UnprocessableEntityError) as early:
            await client.calls.actions.start_streaming(call.call_control_id, stream_url=STREAM_URL)
        assert _code(early.value) == "90034"
        with pytest.raises(telnyx.NotFoundError) as unknown:
            await client.calls.actions.hangup("v3:un/known")
        assert _code(unknown.value) == "90015"
        with pytest.raises(telnyx.AuthenticationError) as wrong:
            await client.with_options(api_key="wrong").calls.actions.hangup(call.call_control_id)
        assert _code(wrong.value) == "10009"
        with pytest.raises(telnyx.UnprocessableEntityError) as number:
            await client.calls.dial(connection_id="1", to="911", from_="+15550199")
        assert _code(number.value) == "10016"
        async with aiohttp.ClientSession() as http:
            for path in ("/calls/v3%3Aa/actions/hangup", "/calls/v3:a/b/actions/hangup", "/numbers"):
                async with http.post(simulator.url + path, json={}) as response:
                    assert response.status == 404
                    assert (await response.json())["errors"][0]["code"] == "10005"


def _code(error: telnyx.APIStatusError) -> str:
    body: Any = error.body
    code: str = body["errors"][0]["code"]
    return code


async def test_a_server_error_and_then_none(running: Calls) -> None:
    async with running(faults=TelnyxFaults(server_errors=1)) as (simulator, client):
        call = simulator.ring()
        with pytest.raises(telnyx.InternalServerError):
            await client.calls.actions.answer(call.call_control_id, command_id="1")
        await client.calls.actions.answer(call.call_control_id, command_id="1")
        assert [command.status for command in simulator.commands] == [500, 200]


async def test_a_command_that_is_never_answered_is_performed(running: Calls, hook: Hook) -> None:
    async with running(faults=TelnyxFaults(silent=1)) as (simulator, client):
        call = simulator.ring()
        answer = client.calls.actions.answer
        in_vain = asyncio.ensure_future(answer(call.call_control_id, command_id="1"))
        await simulator.commanded("answer")
        await answer(call.call_control_id, command_id="1")
        assert not in_vain.done()
        in_vain.cancel()
        await simulator.told("call.answered")
        assert hook.kinds().count("call.answered") == 1


async def test_a_webhook_is_delivered_again_until_it_is_accepted(running: Calls, hook: Hook) -> None:
    hook.statuses = [503, 429]
    async with running() as (simulator, _):
        simulator.ring()
        taken = await simulator.told("call.initiated")
        assert taken.delivered
        assert [(one.attempt, one.status) for one in simulator.deliveries] == [(1, 503), (2, 429), (3, 200)]
        assert len({event.data.id for event in hook.events}) == 1
        assert [event.to_dict()["meta"] for event in hook.events] == [
            {"attempt": attempt, "delivered_to": hook.url} for attempt in (1, 2, 3)
        ]


async def test_a_refused_webhook_is_not_delivered_again(running: Calls, hook: Hook) -> None:
    hook.statuses = [403]
    async with running() as (simulator, _):
        simulator.ring()
        refused = await simulator.told("call.initiated")
        assert (refused.attempt, refused.status, refused.delivered) == (1, 403, False)


async def test_a_webhook_that_nobody_answers_in_time(running: Calls, hook: Hook) -> None:
    hook.statuses = [0, 0]
    async with running(webhook_timeout_s=0.05, webhook_attempts=2) as (simulator, _):
        simulator.ring()
        late = await simulator.told("call.initiated")
        assert (late.attempt, late.status) == (2, None)


async def test_repeated_webhooks_have_one_id(running: Calls, hook: Hook) -> None:
    async with running(faults=TelnyxFaults(duplicate_webhooks=True)) as (simulator, _):
        simulator.ring()
        await simulator.told("call.initiated", times=2)
        first, second = hook.events
        assert first.data.id == second.data.id


async def test_shuffled_webhooks(running: Calls, hook: Hook) -> None:
    async with running(faults=TelnyxFaults(shuffled_webhooks=True)) as (simulator, _):
        simulator.hang_up(simulator.ring())
        await simulator.told("call.initiated")
        assert hook.kinds() == ["call.hangup", "call.initiated"]
        simulator.ring()
        await simulator.told("call.initiated", times=2)


async def test_an_unwrapped_webhook(running: Calls, hook: Hook) -> None:
    async with running(faults=TelnyxFaults(unwrapped_webhooks=True)) as (simulator, _):
        simulator.ring()
        await simulator.told("call.initiated")
        assert hook.events[0].to_dict()["event_type"] == "call.initiated"


async def test_an_exception_in_the_media_is_raised_at_the_end(running: Calls) -> None:
    async def broken(_stream: TelnyxStreamSession) -> bool:
        raise ZeroDivisionError

    async def call_through() -> None:
        async with running(broken) as (simulator, client):
            call = simulator.ring()
            await client.calls.actions.answer(call.call_control_id, stream_url=STREAM_URL)
            await simulator.told("call.answered")

    with pytest.raises(ZeroDivisionError):
        await call_through()
