"""The voice webhook: what Twilio posts, and which answers give a stream; the last tests over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from twilio.request_validator import RequestValidator

from bridge.simulators.carriers.twilio.voice_webhook import (
    ask_webhook,
    call_form,
    read_twiml,
    signed_headers,
)
from bridge.simulators.carriers.voice_xml import StreamElement
from bridge.vocabulary.errors import CallRefused

HOOK = "https://voice.example.com/twilio/voice?tenant=1"


def answer(inside: str) -> bytes:
    return f"<?xml version='1.0' encoding='UTF-8'?><Response>{inside}</Response>".encode()


ORDERS = [
    (
        '<Connect><Stream url="wss://b.example.com/m/1" name="main" statusCallback="https://b.example.com/s">'
        '<Parameter name="token" value="a&amp;b"/></Stream></Connect><Say>Bye</Say>',
        StreamElement(
            "wss://b.example.com/m/1",
            {"token": "a&b"},
            name="main",
            status_callback="https://b.example.com/s",
        ),
    ),
    ('<Say>Hello</Say><Connect><Stream url="/m"/></Connect>', StreamElement("wss://voice.example.com/m")),
    (
        '<Start><Stream url="ws://localhost:5000/m" track="both_tracks"/></Start><Dial>+1</Dial>',
        StreamElement("ws://localhost:5000/m", one_way=True, tracks=("inbound", "outbound")),
    ),
]

REFUSALS = [
    ("<Reject reason='busy'/>", r"rejected the call \(busy\)"),
    ("<Say>Bye</Say><Hangup/>", "hung up before"),
    ("<Say>Bye</Say>", "no <Stream>; it has <Say>"),
    ("", "no <Stream>; it has no verbs"),
    ("<Connect><Stream/></Connect>", "not the URL of a WebSocket"),
    ('<Connect><Stream url="ftp://x/"/></Connect>', "not the URL of a WebSocket"),
    ('<Connect><Stream url="wss://[x/m"/></Connect>', "not the URL of a WebSocket"),
    ('<Connect><Stream url="wss://x:99999/m"/></Connect>', "not the URL of a WebSocket"),
    ('<Connect><Stream url="wss://x/m?a=1"/></Connect>', "query string"),
    ('<Connect><Stream url="wss://x/m" track="both_tracks"/></Connect>', "not possible under <Connect>"),
    ('<Start><Stream url="wss://x/m" track="all"/></Start>', "not possible under <Start>"),
    (
        f'<Connect><Stream url="wss://x/m"><Parameter name="a" value="{"v" * 499}"/></Stream></Connect>',
        "less than 500 characters",
    ),
]


@pytest.mark.parametrize(("inside", "stream"), ORDERS)
def test_reads_the_stream(inside: str, stream: StreamElement) -> None:
    assert read_twiml(answer(inside), HOOK) == stream


@pytest.mark.parametrize(("inside", "why"), REFUSALS)
def test_says_why_there_is_no_stream(inside: str, why: str) -> None:
    with pytest.raises(CallRefused, match=why):
        read_twiml(answer(inside), HOOK)


@pytest.mark.parametrize(("body", "why"), [(b"not xml", "not XML"), (b"<html/>", "is <html>")])
def test_refuses_other_answers(body: bytes, why: str) -> None:
    with pytest.raises(CallRefused, match=why):
        read_twiml(body, HOOK)


def test_the_signature_is_twilios() -> None:
    form = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "To": "+18005551212"}
    form |= {"Caller": "+14158675310", "From": "+14158675310"}
    url = "https://example.com/myapp.php?foo=1&bar=2"
    assert signed_headers(url, form, "12345") == {"X-Twilio-Signature": "L/OH5YylLD5NRKLltdqwSvS0BnU="}
    assert signed_headers("wss://example.com/media", {}, "12345") == {
        "X-Twilio-Signature": "7PR3qMkpDyEJtMrVOY/LDyNq8J8="
    }
    assert signed_headers(url, form, "") == {}


SIGNED_URLS = [
    ("https://user:secret@example.com:8443/a?b=1", "https://example.com/a?b=1"),
    ("http://user:secret@example.com:8080/a", "http://example.com:8080/a"),
    ("https://[::1]:8443/a", "https://[::1]/a"),
]


@pytest.mark.parametrize(("called", "signed"), SIGNED_URLS)
def test_parts_of_the_url_that_are_not_signed(called: str, signed: str) -> None:
    expected = RequestValidator("12345").compute_signature(signed, {})
    assert signed_headers(called, {}, "12345") == {"X-Twilio-Signature": expected}


@pytest.fixture
async def hook() -> AsyncIterator[TestServer]:
    """A webhook that answers as its path says, and checks the signature where the path says `signed`."""

    async def voice(request: web.Request) -> web.Response:
        match request.match_info["kind"]:
            case "signed":
                form = {name: str(value) for name, value in (await request.post()).items()}
                signature = request.headers["X-Twilio-Signature"]
                assert RequestValidator("12345").validate(str(request.url), form, signature)
                assert form["CallStatus"] == "ringing"
                twiml = answer(f'<Connect><Stream url="/media/{form["CallSid"]}"/></Connect>')
                return web.Response(body=twiml, content_type="text/xml")
            case "json":
                return web.json_response({"detail": "ok"})
            case "long":
                return web.Response(body=answer(" " * 70_000), content_type="text/xml")
            case "moved":
                raise web.HTTPFound("/voice/signed")
            case _:
                raise web.HTTPForbidden(text="the signature\nis wrong")

    app = web.Application()
    app.router.add_post("/voice/{kind}", voice)
    server = TestServer(app)
    async with server:
        yield server


CALL: dict[str, Any] = {"call_sid": "CA1", "account_sid": "AC1", "caller": "+15550199", "called": "+15550100"}


async def test_a_signed_call_gets_its_stream(hook: TestServer) -> None:
    stream = await ask_webhook(str(hook.make_url("/voice/signed?x=%2B1")), **CALL, auth_token="12345")
    assert stream == StreamElement(f"ws://127.0.0.1:{hook.port}/media/CA1")


WEBHOOK_REFUSALS = [
    ("forbidden", "HTTP 403: the signature is wrong"),
    ("json", "answer is application/json"),
    ("long", "longer than 65536 bytes"),
    ("moved", "HTTP 302"),
]


@pytest.mark.parametrize(("kind", "why"), WEBHOOK_REFUSALS)
async def test_a_webhook_that_gives_no_stream(hook: TestServer, kind: str, why: str) -> None:
    with pytest.raises(CallRefused, match=why):
        await ask_webhook(str(hook.make_url(f"/voice/{kind}")), **CALL)


async def test_the_webhook_cannot_be_reached(unused_tcp_port: int) -> None:
    with pytest.raises(CallRefused, match="webhook cannot be reached"):
        await ask_webhook(f"http://127.0.0.1:{unused_tcp_port}/voice", **CALL)


def test_the_form_names_both_parties_twice() -> None:
    form = call_form(**CALL)
    assert form["From"] == form["Caller"] == "+15550199"
    assert form["To"] == form["Called"] == "+15550100"
    assert {"FromCity", "ToCountry"} <= form.keys()
