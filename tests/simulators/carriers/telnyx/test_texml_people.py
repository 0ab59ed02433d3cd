"""Calls with several parties that obey TeXML; the vendor's own package checks the signatures, and asks by REST.

The server is not the bridge: it answers webhooks with fixed documents, and its media socket says one word.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import telnyx
from aiohttp import web
from aiohttp.test_utils import TestServer
from telnyx.lib.webhook_verification import verify_webhook_signature

from bridge.carriers.telnyx.rest import CALL_IS_OVER
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.people_call import place_people_call
from bridge.simulators.carriers.telnyx.server import API_KEY
from bridge.simulators.carriers.telnyx.texml_dialect import texml_dialect
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY
from bridge.simulators.carriers.telnyx.webhooks import TEST_SEED as SEED
from bridge.simulators.carriers.twilio.checks import NOT_FOUND, NOT_IN_PROGRESS, TwilioRefusal
from bridge.simulators.changes import Changes
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K

CALLER, OURS, ANN = "+15550199", "+15550100", "+15550111"
ACCOUNT = "61bf923e-5e4d-4595-a110-56190ea18a1b"
GREETING, QUESTION, ANSWER = "hello", "my question", "an answer"


class Office:
    """A server with webhooks and a media socket. `documents`: the answer to each path."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[str, str] = {}
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.changes = Changes()

    async def hook(self, request: web.Request) -> web.Response:
        verify_webhook_signature(await request.text(), request.headers, TEST_PUBLIC_KEY)
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append((request.path, form))
        self.changes.notify()
        body = self.documents.get(request.path, "")
        return web.Response(text=body and f"<Response>{body}</Response>", content_type="text/xml")

    async def media(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            event = msgspec.json.decode(message.data)
            if event["event"] == "start":
                payload = b64encode(encoder(PCMU_8K)(spoken(GREETING, 8_000))).decode()
                await socket.send_json({"event": "media", "media": {"payload": payload}})
                await socket.send_json({"event": "mark", "mark": {"name": "said"}})
            elif event["event"] == "mark":
                await socket.close()
        return socket

    def told(self, path: str) -> list[dict[str, str]]:
        return [form for at, form in self.forms if at == path]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    app = web.Application()
    app.router.add_get("/media", office.media)
    app.router.add_post("/{path:.*}", office.hook)
    async with TestServer(app) as server:
        office.url = str(server.make_url("/"))
        stream = f'<Stream url="ws://127.0.0.1:{server.port}/media" bidirectionalMode="rtp" enableReconnect="false"/>'
        office.documents["/voice"] = f"<Connect>{stream}</Connect><Redirect>/next</Redirect>"
        yield office


def placing(office: Office, who: dict[str, Any], port: int = 0) -> asyncio.Task[PeopleReport]:
    options = CallOptions(account_sid=ACCOUNT)
    given = PeopleCall(
        f"{office.url}voice",
        lambda _: CallPlan(),
        People.model_validate(who),
        options,
        log=ApiLog(),
        port=port,
        texml=True,
    )
    return asyncio.create_task(place_people_call(given))


def hears(report: PeopleReport, listener: str, words: str) -> float:
    one = next(one for one in report.parties if one.name == listener)
    return find_sound(one.heard, spoken(words, one.rate_hz)).likeness


async def test_a_stream_then_a_person_and_back(office: Office) -> None:
    office.documents["/next"] = f'<Dial action="/back"><Number>{ANN}</Number></Dial>'
    office.documents["/back"] = "<Hangup/>"
    ann = {
        "to": ANN,
        "answers_after_s": 0.2,
        "says": [{"at_s": 0.9, "since": "joined", "words": ANSWER}],
        "hangs_up_after_s": 1.7,
    }
    caller = {"says": [{"at_s": 0.1, "since": "joined", "words": QUESTION}]}
    async with asyncio.timeout(10):
        report = await placing(office, {"caller": caller, "people": {"ann": ann}})
    assert hears(report, "caller", GREETING) >= 0.95
    assert hears(report, "caller", ANSWER) >= 0.9
    assert hears(report, "ann", QUESTION) >= 0.9
    (first,), (back,) = office.told("/voice"), office.told("/back")
    assert first["CallSid"] == first["CallSidLegacy"] == back["CallSid"]
    assert first["CallSid"].startswith("v3:")
    assert (first["AccountSid"], back["DialCallStatus"]) == (ACCOUNT, "completed")


async def test_the_rest_api_with_the_vendors_client(office: Office) -> None:
    """Ann is called by request and answers with a document that joins the caller's conference; then she is held."""
    room = '<Dial><Conference participantLabel="{}" statusCallback="/room" statusCallbackEvent="join hold"{}>r</Conference></Dial>'
    office.documents["/voice"] = room.format("caller", ' endConferenceOnExit="true"')
    office.documents["/ann"] = room.format("ann", "")
    port = await _free_port()
    says = [{"at_s": 0.1, "since": "joined", "words": QUESTION}]
    who = {
        "caller": {"says": says, "hangs_up_after_s": 2.0},
        "people": {"ann": {"to": ANN, "answers_after_s": 0.1}},
    }
    call = placing(office, who, port)
    plain = telnyx.DefaultAsyncHttpxClient(verify=False)  # certificates take long to read
    base = f"http://127.0.0.1:{port}/v2"
    async with (
        asyncio.timeout(10),
        telnyx.AsyncTelnyx(api_key=API_KEY, base_url=base, max_retries=0, http_client=plain) as client,
    ):
        await office.changes.until(lambda: len(office.told("/room")) == 1)
        accounts = client.texml.accounts
        body: Any = {"From": OURS, "To": ANN, "Url": f"{office.url}ann", "ApplicationSid": "1"}
        created = await accounts.calls.calls(ACCOUNT, body=body)
        assert (created.from_, created.to, created.status) == (OURS, ANN, "queued")
        await office.changes.until(lambda: len(office.told("/room")) == 2)
        (asked,) = office.told("/ann")
        ann = await accounts.calls.retrieve(asked["CallSid"], account_sid=ACCOUNT)
        assert ann.status == "in-progress"
        named: Any = {"account_sid": ACCOUNT, "conference_sid": office.told("/room")[0]["ConferenceSid"]}
        held = await accounts.conferences.participants.update(asked["CallSid"], hold=True, **named)
        assert (held.hold, held.muted) == (True, False)
        free = await accounts.conferences.participants.update(asked["CallSid"], hold=False, **named)
        assert free.hold is False
        await office.changes.until(lambda: len(office.told("/room")) == 4)
        report = await call
    assert hears(report, "ann", QUESTION) >= 0.9


async def test_without_the_key_nothing_is_done(office: Office) -> None:
    port = await _free_port()
    call = placing(office, {}, port)
    wrong = telnyx.DefaultAsyncHttpxClient(verify=False)
    base = f"http://127.0.0.1:{port}/v2"
    async with (
        asyncio.timeout(10),
        telnyx.AsyncTelnyx(api_key="KEYwrong", base_url=base, max_retries=0, http_client=wrong) as client,
    ):
        await office.changes.until(lambda: len(office.told("/voice")) == 1)
        with pytest.raises(telnyx.AuthenticationError):
            await client.texml.accounts.calls.retrieve("v3:x", account_sid=ACCOUNT)
        await call


async def _free_port() -> int:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    return port


def test_what_is_refused_has_telnyxs_codes() -> None:
    refused = texml_dialect(SEED).refusal
    over = refused(TwilioRefusal(400, NOT_IN_PROGRESS, "Call is not in-progress.").body())
    assert [error["code"] for error in over["errors"]] == [CALL_IS_OVER]
    unknown = refused(TwilioRefusal(404, NOT_FOUND, "not found").body())
    assert [error["code"] for error in unknown["errors"]] == ["10005"]
