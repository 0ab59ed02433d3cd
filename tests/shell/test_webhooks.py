"""The webhooks of a made-up carrier over HTTP: what it is given, what its answers become, its timer and its requests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs
from yarl import URL

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, RetryRule, refusal
from bridge.carriers.shared.webhooks import (
    FORM,
    XML,
    CallHost,
    ExpectedCall,
    Numbers,
    Route,
    WebhookAnswer,
    WebhookRequest,
)
from bridge.config.settings import Settings
from bridge.settings.busy import BusySettings
from bridge.shell import webhooks as module
from bridge.shell.admission import Admission
from bridge.shell.session import clock
from bridge.shell.switchboard import Switchboard
from bridge.shell.webhooks import Webhooks
from bridge.vocabulary.errors import CarrierRefused, WebhookRefused

TIMEOUT_S = 5.0
RULE = RetryRule(answer_s=5.0, at_once=0, backoff_s=0.01, last_try_s=1.0, give_up_s=2.0, may_repeat=False)
SETTINGS: dict[str, Any] = {
    "assistant": "echo",
    "assistants": {"front": {"kind": "echo"}},
    "routes": [{"path": "sales", "assistant": "front"}],
    "twilio": {"auth_token": "12345"},
}


class Toy:
    """A carrier's webhooks: what they get is written down, what they answer a test decides."""

    def __init__(self, api_url: str, host: CallHost) -> None:
        self.host = host
        self.requests: list[WebhookRequest] = []
        self.answer: Callable[[WebhookRequest], WebhookAnswer] = lambda _request: WebhookAnswer()
        self.wakes_at: float | None = None
        self.woken: list[float] = []
        self.closing: Callable[[], None] = lambda: None
        self.outcomes: list[object] = []
        self.changed = asyncio.Event()
        self._api_url = api_url

    def routes(self) -> Sequence[Route]:
        return [Route("/toy/voice", FORM, self._handle, takes_word=True), Route("/toy/x", FORM, self._handle)]

    def deadline(self) -> float | None:
        return self.wakes_at

    def due(self, now: float) -> None:
        if self.wakes_at is not None and now >= self.wakes_at:
            self.woken.append(now)
            self.wakes_at = None
            self.changed.set()

    def close(self, now: float) -> None:
        self.closing()

    def send(self, command: str, *, wakes_after_s: float | None = None) -> None:
        """Ask the REST API for something."""
        request = ApiRequest("Toy", command, "C1", "POST", f"{self._api_url}/{command}", {}, b"", RULE, read)
        self.host.send(request, partial(self._taken, command), partial(self._refused, command))
        if wakes_after_s is not None:
            self.wakes_at = clock() + wakes_after_s

    def _taken(self, command: str, data: Mapping[str, Any], now: float) -> None:
        assert now <= clock()
        self.outcomes.append((command, data))
        self.changed.set()

    def _refused(self, command: str, refused: CarrierRefused, now: float) -> None:
        assert now <= clock()
        self.outcomes.append((command, refused.status))
        self.changed.set()

    def _handle(self, request: WebhookRequest, now: float) -> WebhookAnswer:
        assert now <= clock()
        self.requests.append(request)
        return self.answer(request)


def read(answer: ApiAnswer) -> Mapping[str, Any]:
    if answer.status != 200:
        raise refusal("Toy", answer.status, None)
    return {"body": answer.body}


class House(NamedTuple):
    """The carrier, and where its webhooks are served."""

    toy: Toy
    url: str
    admission: Admission
    commands: list[str]
    answers: asyncio.Event
    """The REST API answers once this is set."""

    async def post(self, path: str = "/toy/voice", **form: str) -> tuple[int, str, str]:
        """A webhook: status, text, content type."""
        return await self.send(path, urlencode(form).encode(), {"Content-Type": FORM})

    async def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
        async with (
            aiohttp.ClientSession() as http,
            http.post(URL(self.url + path, encoded=True), data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.text(), answer.content_type


Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def house() -> Open:
    @asynccontextmanager
    async def run() -> AsyncIterator[House]:
        commands: list[str] = []
        answers = asyncio.Event()
        answers.set()

        async def api(request: web.Request) -> web.Response:
            commands.append(request.path[1:])
            await answers.wait()
            return web.Response(status=422 if request.path == "/no" else 200, text="done")

        there = web.Application()
        there.router.add_post("/{command}", api)
        settings = Settings.model_validate(SETTINGS)
        switchboard = Switchboard(settings)
        admission = Admission(settings, switchboard)
        admission.public_url = "https://voice.example.com"
        async with asyncio.timeout(TIMEOUT_S), TestServer(there) as server:
            made: list[Toy] = []

            def make(host: CallHost) -> Toy:
                made.append(Toy(str(server.make_url("/")).rstrip("/"), host))
                return made[0]

            webhooks = Webhooks("telnyx", make, admission, allows_unauthenticated=True)
            here = web.Application(client_max_size=65_536)
            here.add_routes(webhooks.routes())
            async with TestServer(here) as serving:
                yield House(made[0], str(serving.make_url("/")).rstrip("/"), admission, commands, answers)
                await webhooks.aclose()
                answers.set()
        await switchboard.aclose()

    return run


# Requests and answers


async def test_a_request_as_the_carrier_is_given_it(house: Open) -> None:
    async with house() as home:
        headers = {"Content-Type": f"{FORM}; charset=utf-8", "X-Signature": "abc"}
        await home.send("/toy/voice/s%61les?b=%20&a=1&b=2", b"CallSid=C%201", headers)
        await home.post("/toy/x")
    first, second = home.toy.requests
    assert first.path == "/toy/voice/sales"
    assert first.target == "/toy/voice/s%61les?b=%20&a=1&b=2", "as it was signed"
    assert (first.word, first.body, first.query) == ("sales", b"CallSid=C%201", {"b": " ", "a": "1"})
    assert first.headers["x-signature"] == "abc"
    assert first.unix_s > 1_700_000_000
    assert (second.path, second.target, second.word, second.query) == ("/toy/x", "/toy/x", "", {})


async def test_of_a_repeated_header_the_first_counts(house: Open) -> None:
    async with house() as home:
        port = int(home.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /toy/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nX-S: 1\r\nx-s: 2\r\n\r\n"
        )
        assert b" 204 " in await reader.read()
        writer.close()
        await writer.wait_closed()
    assert home.toy.requests[0].headers["x-s"] == "1"


async def test_an_answer_as_it_goes_out(house: Open) -> None:
    async with house() as home:
        assert (await home.post())[:2] == (204, "")
        home.toy.answer = lambda _request: WebhookAnswer(200, "<Response/>", XML)
        assert await home.post() == (200, "<Response/>", "text/xml")


CHECKED = "a.example/toy/voice (https)"


async def test_a_refusal_goes_out_and_the_log_tells_what_it_should(house: Open) -> None:
    refusals = [
        WebhookRefused(
            403, "who are you?", reason="it is unsigned", address="https://me@a.example/toy/voice"
        ),
        WebhookRefused(400, "CallSid is missing"),
    ]

    def refuse(_request: WebhookRequest) -> WebhookAnswer:
        raise refusals.pop(0)

    with capture_logs() as lines:
        async with house() as home:
            home.toy.answer = refuse
            assert (await home.post("/toy/voice/sales"))[:2] == (403, "who are you?")
            assert (await home.post())[:2] == (400, "CallSid is missing")
    told = {"event": "webhook turned away", "log_level": "warning"}
    assert lines == [
        told
        | {"status": 403, "path": "/toy/voice/sales", "reason": "it is unsigned", "checked_against": CHECKED},
        told | {"status": 400, "path": "/toy/voice", "reason": "CallSid is missing"},
    ]


@pytest.mark.parametrize(
    ("content_type", "body", "answer"),
    [
        ("text/plain", b"", (415, f"this webhook has a body of {FORM}")),
        (FORM, b"a=" + b"x" * 70_000, (413, "Maximum request body size 65536 exceeded")),
    ],
    ids=["of another kind", "too long"],
)
async def test_a_body_that_is_not_taken(
    content_type: str, body: bytes, answer: tuple[int, str], house: Open
) -> None:
    async with house() as home:
        status, why, _ = await home.send("/toy/voice", body, {"Content-Type": content_type})
        assert (status, why[: len(answer[1])]) == answer
    assert home.toy.requests == []


@pytest.mark.parametrize("path", ["/toy/x/word", "/toy/voice/two/words", "/toy"])
async def test_what_is_not_served(path: str, house: Open) -> None:
    async with house() as home:
        assert (await home.post(path))[0] == 404
    assert home.toy.requests == []


# What the carrier may ask of the server


async def test_the_address_of_an_expected_call(house: Open) -> None:
    async with house() as home:
        host = home.toy.host
        for kind in ("media", "listen"):
            url = host.expect(ExpectedCall("C1", "front"), kind)
            head, _, token = url.rpartition("/")
            assert head == f"wss://voice.example.com/telnyx/{kind}"
            assert home.admission._tokens.read(token, "telnyx", kind) is not None
        home.admission.public_url = "http://127.0.0.1:80"
        assert host.expect(ExpectedCall("C1")).startswith("ws://127.0.0.1:80/telnyx/media/")


async def test_who_answers_and_what_is_known_of_the_server(house: Open) -> None:
    async with house() as home:
        host = home.toy.host
        home.toy.answer = lambda request: WebhookAnswer(
            200, host.who_answers("CA1", request, Numbers(), {}) or "the default"
        )
        assert (await home.post())[1] == "the default"
        assert (await home.post("/toy/voice/sales"))[1] == "front"
        assert (await home.post("/toy/voice?assistant=echo"))[1] == "echo"
        assert (await home.post("/toy/voice/salse"))[:2] == (
            404,
            "'salse': no route in the settings has this path",
        )
        assert [host.has_assistant(name) for name in ("", "front", "polly")] == [True, True, False]
        assert host.allows_unauthenticated
        assert host.public_url == "https://voice.example.com"
        assert host.why_refused("C1") == ""
        assert host.busy == BusySettings()
        home.admission.closing = True
        assert host.why_refused("C2") == "the server is closing"
        assert host.unique_id() != host.unique_id()


async def test_a_webhook_is_answered_before_its_request_is(house: Open) -> None:
    async with house() as home:
        home.answers.clear()

        def ask(_request: WebhookRequest) -> WebhookAnswer:
            home.toy.send("yes")
            return WebhookAnswer()

        home.toy.answer = ask
        assert (await home.post())[0] == 204
        assert home.toy.outcomes == []
        home.answers.set()
        await home.toy.changed.wait()
    assert home.toy.outcomes == [("yes", {"body": b"done"})]


async def test_a_refused_request_is_told_and_logged(house: Open) -> None:
    with capture_logs() as lines:
        async with house() as home:
            home.toy.send("no")
            await home.toy.changed.wait()
    assert home.toy.outcomes == [("no", 422)]
    assert [line["event"] for line in lines] == ["< a carrier refused"]


async def test_an_outcome_that_nobody_waits_for(house: Open) -> None:
    with capture_logs() as lines:
        async with house() as home:
            request = ApiRequest("Toy", "no", "C1", "POST", f"{home.toy._api_url}/no", {}, b"", RULE, read)
            home.toy.host.send(request)
            home.toy.host.send(request)
    assert home.commands == ["no", "no"]
    assert [line["event"] for line in lines] == ["< a carrier refused"] * 2


# The timer


async def test_a_deadline_that_a_webhook_sets_is_kept(house: Open) -> None:
    async with house() as home:
        due = clock() + 0.03

        def wait(_request: WebhookRequest) -> WebhookAnswer:
            home.toy.wakes_at = due
            return WebhookAnswer()

        home.toy.answer = wait
        await home.post()
        await home.toy.changed.wait()
    assert len(home.toy.woken) == 1
    assert home.toy.woken[0] >= due


async def test_a_nearer_deadline_moves_the_timer_and_a_refused_webhook_sets_one_too(house: Open) -> None:
    async with house() as home:
        dues = [clock() + 1000.0, clock() + 0.03]

        def wait(_request: WebhookRequest) -> WebhookAnswer:
            home.toy.wakes_at = dues.pop(0)
            raise WebhookRefused(400, "no")

        home.toy.answer = wait
        await home.post()
        await home.post()
        await home.toy.changed.wait()
    assert len(home.toy.woken) == 1


async def test_a_deadline_that_is_set_beside_a_request_is_kept_before_its_answer(house: Open) -> None:
    """A call control sends one while no webhook is served."""
    async with house() as home:
        home.answers.clear()
        home.toy.send("yes", wakes_after_s=0.03)
        await home.toy.changed.wait()
        assert len(home.toy.woken) == 1
        assert home.toy.outcomes == []
        home.answers.set()


# The end


async def test_what_is_sent_at_the_end_is_waited_for_and_what_that_brings(house: Open) -> None:
    async with house() as home:
        home.toy.closing = lambda: home.toy.send("no")
        outcomes = home.toy.outcomes
        was_refused = home.toy._refused

        def again(command: str, refused: CarrierRefused, now: float) -> None:
            was_refused(command, refused, now)
            home.toy.send("yes")

        home.toy._refused = again  # type: ignore[method-assign]
    assert outcomes == [("no", 422), ("yes", {"body": b"done"})]


async def test_what_is_not_answered_at_the_end_is_given_up(
    house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST_REQUESTS_S", 0.05)
    with capture_logs() as lines:
        async with house() as home:
            home.answers.clear()
            home.toy.closing = lambda: home.toy.send("yes")
    assert home.toy.outcomes == []
    assert {"event": "> telnyx is no longer told", "steps": 1, "log_level": "warning"} in lines
