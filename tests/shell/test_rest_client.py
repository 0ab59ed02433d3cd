"""The client of the carriers' REST APIs, against a server on loopback that delays, breaks, refuses and overflows.

When a request is sent again is told by a table in test_api.py; here the waits are short, and nothing is timed.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from bridge.carriers.shared.rest import ApiRequest, RetryRule
from bridge.carriers.telnyx.rest import TelnyxApi
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.shell.rest_client import ApiClient
from bridge.vocabulary.errors import CarrierRefused
from tests.processes import free_port

GIVE_UP_S = 5.0
KEY = "KEY0199A_secret"
CALL = "v3:T02l/a+b=="

SOON = RetryRule(answer_s=0.01, at_once=9, backoff_s=0.01, last_try_s=GIVE_UP_S, give_up_s=GIVE_UP_S)
PATIENT = replace(SOON, answer_s=GIVE_UP_S)

OVER = b'{"errors":[{"code":"90018","title":"Call has already ended"}]}'


class Telnyx:
    """A server that does with each request what the test says, and then answers ok. It keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, Any]]] = []
        self.does: list[str] = []
        self.asked: asyncio.Queue[None] = asyncio.Queue()
        self.let_go = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/v2"))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.text() or "{}")
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert "Cookie" not in request.headers
        self.got.append((request.method, request.raw_path, body))
        self.asked.put_nowait(None)
        match self.does.pop(0) if self.does else "ok":
            case "silent":
                await self.let_go.wait()
                return web.json_response({"data": {"result": "late"}})
            case "breaks":
                assert request.transport is not None
                request.transport.close()
            case "overflows":
                return await self._talk_on(request)
            case "over":
                return web.Response(status=422, body=OVER)
            case "elsewhere":
                return web.Response(status=307, headers={"Location": "/v2/elsewhere"})
            case "limits":
                return web.Response(status=429, headers={"x-ratelimit-reset": "0"})
            case status if status.isdigit():
                return web.Response(status=int(status), text="<html>no</html>")
        response = web.json_response({"data": {"result": "ok"}})
        response.set_cookie("caller", "1")
        return response

    async def _talk_on(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65_536)
        return response


@pytest.fixture
async def telnyx() -> AsyncIterator[Telnyx]:
    telnyx = Telnyx()
    await telnyx.server.start_server()
    yield telnyx
    telnyx.let_go.set()
    await telnyx.server.close()


@pytest.fixture
async def client() -> AsyncIterator[ApiClient]:
    client = ApiClient()
    yield client
    await client.aclose()


def api(url: str) -> TelnyxApi:
    return TelnyxApi(TelnyxSettings.model_validate({"api_key": KEY, "api_url": url}))


def answer(url: str, rule: RetryRule = PATIENT) -> ApiRequest:
    return replace(api(url).answer(CALL, "c0mmand"), rule=rule)


async def sent(client: ApiClient, request: ApiRequest) -> Any:
    async with asyncio.timeout(GIVE_UP_S):
        return await client.send(request)


ANSWERED = (
    "POST",
    "/v2/calls/v3%3AT02l%2Fa%2Bb%3D%3D/actions/answer",
    {"command_id": "c0mmand"},
)


async def test_sends_a_command_and_reads_its_answer(telnyx: Telnyx, client: ApiClient) -> None:
    assert await sent(client, answer(telnyx.url)) == {"result": "ok"}
    assert await sent(client, answer(telnyx.url)) == {"result": "ok"}
    assert telnyx.got == [ANSWERED, ANSWERED]


async def test_gets_without_a_body(telnyx: Telnyx, client: ApiClient) -> None:
    await sent(client, replace(answer(telnyx.url), method="GET", body=b""))
    assert telnyx.got == [("GET", ANSWERED[1], {})]


@pytest.mark.parametrize("fault", ["silent", "breaks", "500", "503", "limits"])
async def test_sends_the_identical_command_again(telnyx: Telnyx, client: ApiClient, fault: str) -> None:
    telnyx.does = [fault]
    rule = SOON if fault == "silent" else PATIENT
    assert await sent(client, answer(telnyx.url, rule)) == {"result": "ok"}
    assert set(map(repr, telnyx.got)) == {repr(ANSWERED)}
    assert len(telnyx.got) >= 2


async def test_an_answer_that_comes_late_still_counts(telnyx: Telnyx, client: ApiClient) -> None:
    telnyx.does = ["silent"] * 99
    sending = asyncio.create_task(sent(client, answer(telnyx.url, replace(SOON, at_once=1, backoff_s=99.0))))
    await telnyx.asked.get()
    await telnyx.asked.get()
    telnyx.let_go.set()
    assert await sending == {"result": "late"}


@pytest.mark.parametrize("fault", ["breaks", "503"])
async def test_what_may_not_be_done_twice_is_sent_once(telnyx: Telnyx, client: ApiClient, fault: str) -> None:
    telnyx.does = [fault]
    with pytest.raises(CarrierRefused):
        await sent(client, answer(telnyx.url, replace(PATIENT, may_repeat=False)))
    assert telnyx.got == [ANSWERED]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("404", r"Telnyx \(404\): no reason given"),
        ("elsewhere", r"Telnyx \(307\): no reason given"),
        ("over", r"Telnyx 90018 \(422\): Call has already ended"),
        ("overflows", r"Telnyx \(200\): the answer should be a JSON object"),
    ],
)
async def test_a_refusal_is_final(telnyx: Telnyx, client: ApiClient, fault: str, why: str) -> None:
    telnyx.does = [fault]
    with pytest.raises(CarrierRefused, match=why):
        await sent(client, answer(telnyx.url))
    assert len(telnyx.got) == 1


async def test_a_refusal_that_is_as_good_as_done_is_none(telnyx: Telnyx, client: ApiClient) -> None:
    telnyx.does = ["over"]
    assert await sent(client, api(telnyx.url).hang_up(CALL, "c0mmand")) == {}


GIVEN_UP: list[tuple[str, RetryRule, str]] = [
    ("silent", replace(SOON, give_up_s=0.05), "Telnyx, answer: no answer came in time; it may be done"),
    ("breaks", replace(PATIENT, last_try_s=0.0), "Telnyx, answer: the connection broke before an answer"),
    ("503", replace(PATIENT, last_try_s=0.0), r"Telnyx \(503\): no reason given"),
]


@pytest.mark.parametrize(("fault", "rule", "why"), GIVEN_UP)
async def test_gives_up(telnyx: Telnyx, client: ApiClient, fault: str, rule: RetryRule, why: str) -> None:
    telnyx.does = [fault] * 99
    with pytest.raises(CarrierRefused, match=why):
        await sent(client, answer(telnyx.url, rule))


async def test_tells_where_there_is_no_server(client: ApiClient) -> None:
    port = free_port()
    why = rf"Telnyx, answer: the server cannot be reached \(127\.0\.0\.1:{port}\)"
    with pytest.raises(CarrierRefused, match=why) as refused:
        await sent(client, answer(f"http://127.0.0.1:{port}/v2", replace(SOON, last_try_s=0.02)))
    assert refused.value.status is None


async def test_the_log_tells_of_a_refusal_once_and_of_no_secret(telnyx: Telnyx, client: ApiClient) -> None:
    telnyx.does = ["over"]
    with capture_logs() as log, pytest.raises(CarrierRefused):
        await sent(client, answer(telnyx.url))
    (line,) = log
    assert (line["call_id"], line["command"], line["status"], line["code"]) == (CALL, "answer", 422, "90018")
    assert KEY not in str(log)


async def test_the_log_tells_that_a_silent_server_is_asked_again(telnyx: Telnyx, client: ApiClient) -> None:
    telnyx.does = ["silent"]
    with capture_logs() as log:
        await sent(client, answer(telnyx.url, SOON))
    line = log[0]
    assert (line["event"], line["call_id"], line["command"]) == (
        "> no answer yet, sent again",
        CALL,
        "answer",
    )


# The end


async def test_who_no_longer_waits_leaves_nothing_behind(telnyx: Telnyx, client: ApiClient) -> None:
    telnyx.does = ["silent"]
    sending = asyncio.create_task(client.send(answer(telnyx.url)))
    await telnyx.asked.get()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_once_closed_it_sends_nothing_more(telnyx: Telnyx) -> None:
    client = ApiClient()
    telnyx.does = ["silent"]
    sending = asyncio.create_task(sent(client, answer(telnyx.url)))
    await telnyx.asked.get()
    await client.aclose()
    with pytest.raises(CarrierRefused):
        await sending
    with pytest.raises(CarrierRefused):
        await sent(client, answer(telnyx.url))
    assert len(telnyx.got) == 1


async def test_a_client_that_sent_nothing_closes() -> None:
    await ApiClient().aclose()
