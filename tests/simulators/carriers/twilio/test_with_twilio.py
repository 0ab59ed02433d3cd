"""The simulated Twilio on loopback, driven by the vendor's own package, which also verifies its callbacks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee, TwilioFaults
from bridge.simulators.carriers.twilio.server import SimulatedTwilio
from bridge.simulators.carriers.twilio.stream_session import TwilioStreamSession
from bridge.vocabulary.errors import CallRefused

pytestmark = [  # how Twilio's package uses aiohttp
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

TIMEOUT_S = 5.0
PARTIES = {"to": "+15550100", "from_": "+15550199"}
TWIML = '<Response><Connect><Stream url="wss://voice.example.com/m/token"/></Connect></Response>'


class Redirected(AsyncTwilioHttpClient):  # type: ignore[misc]
    """The package's own client, sent to the simulated one."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        return await super().request(
            method, url.replace("https://api.twilio.com", self._url), *args, **options
        )


class Hook:
    """A server's webhooks; what comes is checked by Twilio's package. `twiml`: what a question is answered."""

    def __init__(self) -> None:
        self.url = ""
        self.forms: list[dict[str, str]] = []
        self.status = 200
        self.twiml = TWIML
        self.validator: Any = None

    async def take(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        signature = request.headers["X-Twilio-Signature"]
        assert self.validator.validate(str(request.url), form, signature)
        self.forms.append(form or dict(request.query))
        return web.Response(text=self.twiml, content_type="text/xml", status=self.status)

    def statuses(self) -> list[str]:
        callbacks = [form for form in self.forms if "SequenceNumber" in form]
        return [form["CallStatus"] for form in sorted(callbacks, key=lambda form: form["SequenceNumber"])]


Calls = Callable[..., AbstractAsyncContextManager[tuple[SimulatedTwilio, Any]]]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_route("*", "/twilio/{kind}", hook.take)
    async with TestServer(app) as server:
        hook.url = str(server.make_url("/twilio/voice"))
        yield hook


@pytest.fixture
def running(hook: Hook) -> Calls:
    """A simulated Twilio, and a client of the vendor's package."""

    @asynccontextmanager
    async def run(*args: Any, **options: Any) -> AsyncIterator[tuple[SimulatedTwilio, Any]]:
        async with asyncio.timeout(TIMEOUT_S), SimulatedTwilio(*args, **options).running() as simulator:
            hook.validator = RequestValidator(simulator.auth_token)
            async with Redirected(simulator.url) as http:
                yield simulator, Client(simulator.account_sid, simulator.auth_token, http_client=http)

    return run


class Phone:
    """Media that is told what to do instead of speaking."""

    def __init__(self) -> None:
        self.streams: list[TwilioStreamSession] = []
        self.opened = asyncio.Event()

    async def __call__(self, stream: TwilioStreamSession) -> bool:
        self.streams.append(stream)
        stream.opened("MZ1")
        self.opened.set()
        await stream.ended.wait()
        return False


async def test_a_call_with_the_vendors_client(running: Calls, hook: Hook) -> None:
    phone = Phone()
    async with running(phone, callee=TwilioCallee(answered_by="machine")) as (simulator, client):
        created = await client.calls.create_async(
            **PARTIES,
            url=hook.url,
            status_callback=hook.url,
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            machine_detection="Enable",
        )
        assert created.status == "queued"
        await phone.opened.wait()
        assert phone.streams[0].wanted.url == "wss://voice.example.com/m/token"
        assert (phone.streams[0].call_sid, phone.streams[0].account_sid) == (
            created.sid,
            simulator.account_sid,
        )
        question = next(form for form in hook.forms if "SequenceNumber" not in form)
        assert (question["AnsweredBy"], question["CallSid"]) == ("machine_start", created.sid)
        fetched = await client.calls(created.sid).fetch_async()
        assert (fetched.status, fetched.answered_by) == ("in-progress", "machine_start")
        found = await client.calls.list_async(to="+15550100", from_="+15550199", status="in-progress")
        assert [one.sid for one in found] == [created.sid]
        await client.calls(created.sid).update_async(status="completed")
        call = await simulator.over(simulator.account.calls[created.sid])
        assert phone.streams[0].ended.is_set()
        assert call.ended_at is not None
        assert hook.statuses() == ["initiated", "ringing", "in-progress", "completed"]
        assert [request.name for request in simulator.requests] == ["create", "fetch", "list", "update"]
        assert (await simulator.requested("update")).fields == (("Status", "completed"),)


async def test_new_twiml_with_the_vendors_client(running: Calls, hook: Hook) -> None:
    phone = Phone()
    async with running(phone) as (simulator, client):
        created = await client.calls.create_async(**PARTIES, twiml=TWIML)
        await phone.opened.wait()
        phone.opened.clear()
        await client.calls(created.sid).update_async(twiml=TWIML.replace("token", "other"))
        await phone.opened.wait()
        assert [stream.wanted.url[-5:] for stream in phone.streams] == ["token", "other"]
        simulator.hang_up(simulator.account.calls[created.sid])
        assert phone.streams[1].ended.is_set()
        await simulator.over(simulator.account.calls[created.sid])


async def test_an_inbound_call_is_hung_up_by_the_server(running: Calls, hook: Hook) -> None:
    phone = Phone()
    async with running(phone) as (simulator, client):
        call = simulator.ring(hook.url)
        await phone.opened.wait()
        assert hook.forms[0]["CallStatus"] == "ringing"
        await client.calls(call.sid).update_async(status="completed")
        await simulator.over(call)


async def test_a_request_for_twiml_by_get_is_signed_too(running: Calls, hook: Hook) -> None:
    phone = Phone()
    async with running(phone) as (_, client):
        created = await client.calls.create_async(**PARTIES, url=f"{hook.url}?a=%2B1", method="GET")
        await phone.opened.wait()
        assert (hook.forms[0]["a"], hook.forms[0]["CallSid"]) == ("+1", created.sid)


async def test_a_call_without_a_phone(running: Calls, hook: Hook) -> None:
    async with running() as (simulator, _):
        call = simulator.ring(hook.url)
        await simulator.told(CallStatus="ringing")
        simulator.hang_up(call)
        await simulator.over(call)


async def test_a_webhook_that_fails_ends_the_call(running: Calls, hook: Hook) -> None:
    hook.status = 500
    async with running() as (simulator, _):
        assert (await simulator.over(simulator.ring(hook.url))).trouble == "the webhook answered HTTP 500"


async def test_the_webhook_cannot_be_reached(running: Calls, unused_tcp_port: int) -> None:
    async with running() as (simulator, _):
        call = simulator.ring(f"http://127.0.0.1:{unused_tcp_port}/voice")
        assert (await simulator.over(call)).trouble == "the webhook answered nothing in time"


async def test_a_socket_that_is_refused_ends_the_call(running: Calls, hook: Hook) -> None:
    async def refused(_stream: TwilioStreamSession) -> bool:
        raise CallRefused("the upgrade got HTTP 403")

    async with running(refused) as (simulator, _):
        assert (await simulator.over(simulator.ring(hook.url))).trouble == "the upgrade got HTTP 403"


async def test_a_phone_that_hangs_up(running: Calls, hook: Hook) -> None:
    async def hangs_up(stream: TwilioStreamSession) -> bool:
        stream.opened("MZ1")
        return True

    async with running(hangs_up) as (simulator, client):
        created = await client.calls.create_async(**PARTIES, url=hook.url, status_callback=hook.url)
        await simulator.told(CallStatus="completed")
        assert hook.statuses() == ["completed"]
        assert simulator.account.calls[created.sid].over


async def test_refusals_as_the_vendors_client_reads_them(running: Calls, hook: Hook) -> None:
    async with running(faults=TwilioFaults(rate_limited=1, requests=("fetch",))) as (simulator, client):
        with pytest.raises(TwilioRestException) as number:
            await client.calls.create_async(to="911", from_="+15550199", url=hook.url)
        assert (number.value.status, number.value.code) == (400, 21211)
        with pytest.raises(TwilioRestException) as limited:
            await client.calls("CA404").fetch_async()
        assert (limited.value.status, limited.value.code) == (429, 20429)
        with pytest.raises(TwilioRestException) as unknown:
            await client.calls("CA404").update_async(status="completed")
        assert (unknown.value.status, unknown.value.code) == (404, 20404)
        stranger = Client(simulator.account_sid, "wrong", http_client=client.http_client)
        with pytest.raises(TwilioRestException) as wrong:
            await stranger.calls("CA404").fetch_async()
        assert (wrong.value.status, wrong.value.code) == (401, 20003)


async def test_a_request_that_is_never_answered_is_performed(running: Calls, hook: Hook) -> None:
    async with running(faults=TwilioFaults(silent=1)) as (simulator, client):
        in_vain = asyncio.ensure_future(client.calls.create_async(**PARTIES, twiml=TWIML))
        await simulator.requested("create")
        (call,) = simulator.account.calls.values()
        assert call.called == "+15550100"
        assert not in_vain.done()
        in_vain.cancel()


ROOM = '<Dial><Conference participantLabel="caller" statusCallback="{}" statusCallbackEvent="start join leave hold end">r</Conference></Dial>'


async def test_a_conference_with_the_vendors_client(running: Calls, hook: Hook) -> None:
    async with running() as (simulator, client):
        hook.twiml = f"<Response>{ROOM.format(hook.url)}</Response>"
        caller = simulator.ring(hook.url)
        await simulator.told(StatusCallbackEvent="participant-join")
        (room,) = await client.conferences.list_async(friendly_name="r", status="init")
        people = client.conferences(room.sid).participants
        with pytest.raises(TwilioRestException) as refused:
            await people.create_async(**PARTIES)  # the caller's number
        assert refused.value.code == 21210
        (asked,) = [one.act.form for one in simulator.sent if "CallToken" in one.act.form][:1]
        await people.create_async(**PARTIES, call_token=asked["CallToken"], muted=True)
        ours = {"to": "+15550111", "from_": "+15550100"}
        added = await people.create_async(**ours, label="ann", end_conference_on_exit=False)
        assert (added.label, added.status, added.conference_sid) == ("ann", "queued", room.sid)
        await simulator.told(StatusCallbackEvent="participant-join", ParticipantLabel="ann")
        assert (await client.conferences(room.sid).fetch_async()).status == "in-progress"
        held = await people("caller").update_async(hold=True, hold_url="https://voice.example.com/hold.wav")
        assert (held.hold, held.call_sid, held.coaching) == (True, caller.sid, False)
        coach = await people.create_async(
            **ours | {"to": "+15550101"}, label="coach", coaching=True, call_sid_to_coach=added.call_sid
        )
        assert (coach.coaching, coach.call_sid_to_coach) == (True, added.call_sid)
        await simulator.told(StatusCallbackEvent="participant-join", ParticipantLabel="coach")
        assert {one.label for one in await people.list_async()} == {"caller", None, "ann", "coach"}
        whispers = simulator.account.audible().heard
        assert whispers[added.call_sid] == {coach.call_sid}
        assert (await people("ann").fetch_async()).muted is False
        assert await people("ann").delete_async()
        with pytest.raises(TwilioRestException) as refused:
            await people("ann").fetch_async()
        assert (refused.value.status, refused.value.code) == (404, 20404)
        await client.conferences(room.sid).update_async(status="completed")
        await simulator.over(caller)
        ended = await client.conferences(room.sid).fetch_async()
        assert (ended.status, ended.reason_conference_ended) == ("completed", "conference-ended-via-api")


async def test_a_dial_is_told_and_signed(running: Calls, hook: Hook) -> None:
    async with running(callee=TwilioCallee(refuses="busy")) as (simulator, client):
        number = f'<Number statusCallback="{hook.url}" statusCallbackEvent="initiated ringing completed">+15550111</Number>'
        hook.twiml = f"<Response><Dial>{number}</Dial></Response>"
        caller = simulator.ring(hook.url)
        await simulator.told(CallStatus="busy")
        await simulator.over(caller)
        assert hook.statuses() == ["initiated", "ringing", "busy"]
        (child,) = await client.calls.list_async(to="+15550111")
        assert (child.parent_call_sid, child.direction, child.status) == (caller.sid, "outbound-dial", "busy")
