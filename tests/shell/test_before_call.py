"""What is asked of a call over HTTP: signed, once for each call, within its timeout, and not of a server that fails."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import json
from structlog.testing import capture_logs

from bridge.carriers.shared.before_call import NOTHING_SAID, Decision, Question, question
from bridge.settings.before_and_after import BeforeCallSettings
from bridge.shell import before_call as module
from bridge.shell.before_call import RULE, BeforeCall
from bridge.shell.signed_posts import SIGNATURE_HEADER, TIMESTAMP_HEADER, signature
from bridge.vocabulary.call_facts import Facts

SECRET = "made of 32 letters, and not told"  # of a test


class Office:
    """The users' server. What it says depends on the path; `late` says nothing until it is let go."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/{what}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.got.append(
            ({name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        self.asked.set()
        match request.match_info["what"]:
            case "late":
                await self.let_go.wait()
            case "500":
                return web.Response(status=500)
            case "redirect":
                return web.Response(status=307, headers={"Location": "/sales"})
            case "broken":
                return web.Response(text='{"assistant":')
            case "huge":
                return web.Response(body=b" " * 1_048_576)
            case "drip":
                return await self._drip(request)
        return web.json_response({"assistant": "sales"})

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await self.let_go.wait()
        return response

    def settings(self, what: str, **more: Any) -> BeforeCallSettings:
        url = str(self.server.make_url(f"/{what}"))
        return BeforeCallSettings.model_validate({"url": url, "timeout_s": 0.2} | more)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    await office.server.start_server()
    yield office
    office.let_go.set()
    await office.server.close()


@pytest.fixture
async def before() -> AsyncIterator[BeforeCall]:
    before = BeforeCall()
    yield before
    await before.aclose()


def about(call_id: str = "CA1") -> Question:
    return question(call_id, "twilio", Facts("+15550199", "+15550100", "inbound"), "", {})


async def test_the_question_is_signed(office: Office, before: BeforeCall) -> None:
    settings = office.settings("sales", secret=SECRET, headers={"X-Key": "open sesame"})
    assert await before.decide(settings, about()) == Decision(assistant="sales")
    ((headers, body),) = office.got
    assert json.decode(body)["from"] == "+15550199"
    assert headers["x-key"] == "open sesame"
    timestamp = headers[TIMESTAMP_HEADER.lower()]
    assert headers[SIGNATURE_HEADER.lower()] == signature(SECRET, timestamp, body)
    assert signature("key", "1700000000", b"{}") == (
        "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    )


async def test_without_a_secret_it_is_not_signed(office: Office, before: BeforeCall) -> None:
    await before.decide(office.settings("sales"), about())
    assert SIGNATURE_HEADER.lower() not in office.got[0][0]


FAULTS = {
    "late": "no whole answer within 0.2 s",
    "drip": "no whole answer within 0.2 s",
    "500": "it answers with HTTP 500",
    "redirect": "it redirects (HTTP 307), which is not followed",
    "broken": "its answer is not JSON: expected an object, or no body",
    "huge": "its answer is longer than 65536 bytes",
}


@pytest.mark.parametrize("what", FAULTS)
async def test_a_fault_is_told_in_words_and_the_call_goes_on(
    what: str, office: Office, before: BeforeCall
) -> None:
    with capture_logs() as lines:
        assert await before.decide(office.settings(what), about()) == NOTHING_SAID
    assert [(line["event"], line["reason"], line["call_id"]) for line in lines] == [
        ("= before_call has no answer; the call goes on without one", FAULTS[what], "CA1")
    ]


async def test_a_server_that_is_not_there(before: BeforeCall, unused_tcp_port: int) -> None:
    settings = BeforeCallSettings(url=f"http://127.0.0.1:{unused_tcp_port}/")
    with capture_logs() as lines:
        assert await before.decide(settings, about()) == NOTHING_SAID
    assert lines[0]["reason"] == "it cannot be reached, or broke off (ClientConnectorError)"


async def test_two_webhooks_of_one_call_ask_once(office: Office, before: BeforeCall) -> None:
    settings = office.settings("late", timeout_s=5)
    both = asyncio.gather(before.decide(settings, about()), before.decide(settings, about()))
    await office.asked.wait()
    office.let_go.set()
    assert list(await both) == [Decision(assistant="sales")] * 2
    assert len(office.got) == 1


async def test_a_hang_up_drops_the_question_and_is_no_fault(office: Office, before: BeforeCall) -> None:
    asked = asyncio.create_task(before.decide(office.settings("late", timeout_s=5), about()))
    await office.asked.wait()
    with capture_logs() as lines:
        before.call_ended("CA2")
        assert len(before) == 1
        before.call_ended("CA1")
        assert await asked == NOTHING_SAID
    assert (lines, len(before)) == ([], 0)


async def test_calls_do_not_wait_for_a_server_that_fails_again_and_again(
    office: Office, before: BeforeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [1000.0]
    monkeypatch.setattr(module, "clock", lambda: times[-1])
    with capture_logs() as lines:
        for number in range(RULE.failures):
            await before.decide(office.settings("500"), about(f"CA{number}"))
    assert lines[-1]["event"] == "= before_call is not asked until it works again"
    for _ in range(3):
        assert await before.decide(office.settings("500"), about()) == NOTHING_SAID
    assert len(office.got) == RULE.failures, "no call asks, and none waits"
    times.append(times[-1] + RULE.first_pause_s)
    await before.decide(office.settings("500"), about("probe"))
    await before.decide(office.settings("500"), about("another"))
    assert len(office.got) == RULE.failures + 1, "one call finds out whether it works"
    assert await before.decide(office.settings("sales"), about()) == Decision(assistant="sales")


async def test_after_a_probe_that_succeeds_every_call_asks_again(
    office: Office, before: BeforeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [1000.0]
    monkeypatch.setattr(module, "clock", lambda: times[-1])
    settings = office.settings("late", timeout_s=0.01)
    for number in range(RULE.failures):
        await before.decide(settings, about(f"CA{number}"))
    office.let_go.set()
    times.append(times[-1] + RULE.longest_pause_s)
    patient = office.settings("late", timeout_s=5)
    with capture_logs() as lines:
        for _ in range(2):
            assert await before.decide(patient, about()) == Decision(assistant="sales")
    assert [line["event"] for line in lines] == ["= before_call is asked again"]
