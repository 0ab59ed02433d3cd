"""Telnyx's webhooks over HTTP: who is let in, what is refused with which words, and that none keeps Telnyx waiting."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode
from xml.etree import ElementTree

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import json
from structlog.testing import capture_logs

from bridge.carriers.telnyx.webhook import TOLERANCE_S, Doubt
from bridge.config.settings import Settings
from bridge.shell import webhooks
from bridge.shell.server import Server
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY, Signer

OTHER_SEED = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
FORM = "application/x-www-form-urlencoded"
PAYLOAD = {"call_control_id": "v3:1", "direction": "incoming"}
RINGS: dict[str, Any] = {"event_type": "call.initiated", "id": "1", "payload": PAYLOAD}
TEXML = {"CallSid": "v3:1", "From": "+15550199", "To": "+15550100"}


def encoded(event: object) -> bytes:
    return json.encode({"data": event})


def signed(body: bytes, *, ago_s: float = 0.0, seed: str | None = None) -> dict[str, str]:
    signer = Signer() if seed is None else Signer(seed)
    return signer.headers(body, int(time.time() - ago_s))


class House(NamedTuple):
    """A server, and the commands that it gave."""

    server: Server
    commands: list[str]
    commanded: asyncio.Event

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.server.port}/telnyx/{path}"
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.text()

    async def say(self, body: bytes) -> tuple[int, str]:
        """A webhook that is Telnyx's."""
        return await self.post("webhook", body, signed(body))

    async def ask(self, path: str = "texml", **fields: str) -> tuple[int, str]:
        """A form that is Telnyx's."""
        body = urlencode(TEXML | fields).encode()
        return await self.post(path, body, signed(body) | {"Content-Type": FORM})


Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Open:
    """`answers`: Telnyx's API does, and otherwise never. The other arguments are telnyx's settings."""
    monkeypatch.setattr(webhooks, "LAST_REQUESTS_S", 0.05)

    @asynccontextmanager
    async def run(*, answers: bool = True, **telnyx: Any) -> AsyncIterator[House]:
        commands: list[str] = []
        commanded, closing = asyncio.Event(), asyncio.Event()

        async def take(request: web.Request) -> web.Response:
            commands.append(request.path.rpartition("/")[2])
            commanded.set()
            if not answers:
                await closing.wait()
            return web.json_response({"data": {"result": "ok"}})

        app = web.Application()
        app.router.add_post("/v2/{rest:.*}", take)
        async with asyncio.timeout(5.0), TestServer(app) as api:
            own = {"public_key": TEST_PUBLIC_KEY, "api_key": "KEY", "api_url": str(api.make_url("/v2"))}
            settings = {"port": 0, "assistant": "echo", "telnyx": own | telnyx}
            async with Server(Settings.model_validate(settings)).running() as server:
                yield House(server, commands, commanded)
                closing.set()

    return run


# Who is let in

DOUBTFUL: dict[str, tuple[dict[str, str], Doubt]] = {
    "unsigned": ({"Content-Type": "application/json"}, Doubt.UNSIGNED),
    "no time": (signed(encoded(RINGS)) | {"telnyx-timestamp": ""}, Doubt.UNSIGNED),
    "rubbish for a signature": (signed(encoded(RINGS)) | {"telnyx-signature-ed25519": "%"}, Doubt.UNSIGNED),
    "another key's": (signed(encoded(RINGS), seed=OTHER_SEED), Doubt.FORGED),
    "altered": (signed(encoded(RINGS | {"id": "2"})), Doubt.FORGED),
    "another time's": (signed(encoded(RINGS)) | {"telnyx-timestamp": "1"}, Doubt.FORGED),
    "stale": (signed(encoded(RINGS), ago_s=TOLERANCE_S + 3600), Doubt.STALE),
    "from the future": (signed(encoded(RINGS), ago_s=-TOLERANCE_S - 3600), Doubt.STALE),
}


@pytest.mark.parametrize("name", DOUBTFUL)
async def test_a_webhook_in_doubt_is_turned_away(name: str, house: Open) -> None:
    headers, doubt = DOUBTFUL[name]
    async with house() as home:
        assert await home.post("webhook", encoded(RINGS), headers) == (403, str(doubt))
        assert await home.post("texml", b"CallSid=1", headers | {"Content-Type": FORM}) in [
            (403, str(doubt)),
            (403, str(Doubt.FORGED)),  # the body is another one
        ]
        assert home.commands == []


async def test_without_telnyx_s_key_nobody_is_telnyx() -> None:
    settings = Settings.model_validate({"port": 0, "twilio": {"auth_token": "12345"}})
    async with Server(settings).running() as server:
        home = House(server, [], asyncio.Event())
        unset = (403, "telnyx.public_key is not set, so nobody can prove to be Telnyx")
        assert await home.say(encoded(RINGS)) == unset
        assert await home.ask() == unset
        assert await home.ask("stream") == unset


async def test_without_an_api_key_no_call_is_answered_and_the_reason_is_told() -> None:
    settings = Settings.model_validate({"port": 0, "telnyx": {"public_key": TEST_PUBLIC_KEY}})
    async with Server(settings).running() as server:
        home = House(server, [], asyncio.Event())
        status, why = await home.say(encoded(RINGS))
        assert status == 403
        assert why.startswith("telnyx.api_key is not set")
        assert (await home.ask())[0] == 200


# What is understood


async def test_a_repeated_webhook_makes_no_difference(house: Open) -> None:
    async with house() as home:
        for body in (encoded(RINGS), encoded(RINGS), json.encode(RINGS)):
            assert await home.say(body) == (204, "")
        await home.commanded.wait()
        assert home.commands == ["answer"]


async def test_a_webhook_without_its_wrapper(house: Open) -> None:
    async with house() as home:
        assert await home.say(json.encode(RINGS)) == (204, "")
        await home.commanded.wait()
        assert home.commands == ["answer"]


@pytest.mark.parametrize("kind", ["call.novelty", "message.received", "x" * 500])
async def test_a_novelty_is_no_fault(kind: str, house: Open) -> None:
    async with house() as home:
        assert await home.say(encoded(RINGS | {"event_type": kind})) == (204, "")
        assert home.commands == []


async def test_a_call_that_is_somebody_else_s_is_let_be(house: Open) -> None:
    async with house() as home:
        for number, kind in enumerate(("call.initiated", "call.answered", "streaming.failed", "call.hangup")):
            event = {
                "event_type": kind,
                "id": str(number),
                "payload": {"call_control_id": "v3:2", "direction": "outgoing", "client_state": "aGV5"},
            }
            assert await home.say(encoded(event)) == (204, "")
        assert home.commands == []


NO_WEBHOOK: dict[str, tuple[bytes, int]] = {
    "no JSON": (b'{"data":', 400),
    "nothing": (b"", 400),
    "a list": (b"[]", 400),
    "no type": (encoded({"id": "1", "payload": PAYLOAD}), 400),
    "no call": (encoded(RINGS | {"payload": {}}), 400),
    "nested without end": (b"[" * 60_000, 400),
    "too long": (b" " * 70_000, 413),
}


@pytest.mark.parametrize("name", NO_WEBHOOK)
async def test_what_is_no_webhook_is_refused(name: str, house: Open) -> None:
    body, status = NO_WEBHOOK[name]
    async with house() as home:
        assert (await home.say(body))[0] == status
        assert home.commands == []


@pytest.mark.parametrize(
    ("path", "right"), [("webhook", "application/json"), ("texml", FORM), ("stream", FORM)]
)
async def test_another_kind_of_body_is_refused(path: str, right: str, house: Open) -> None:
    body = encoded(RINGS)
    async with house() as home:
        headers = signed(body) | {"Content-Type": "text/plain"}
        assert await home.post(path, body, headers) == (415, f"this webhook has a body of {right}")


# Nobody waits


async def test_a_webhook_is_answered_before_its_work_is_done(house: Open) -> None:
    async with house(answers=False) as home:
        assert await home.say(encoded(RINGS)) == (204, "")
        await home.commanded.wait()
        assert await home.say(encoded(RINGS | {"event_type": "call.hangup", "id": "2"})) == (204, "")


# TeXML


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("?listen=yes", "listen = 'yes': should be true or false"),
        ("?listen=true", "telnyx.then is not set: a call that is only listened to would end here"),
        ("?assistant=polly", "assistant = 'polly': there is none of this name"),
    ],
)
async def test_what_cannot_be_is_said_before_the_call_is_answered(query: str, why: str, house: Open) -> None:
    async with house() as home:
        assert await home.ask(f"texml{query}") == (400, why)


async def test_a_form_without_its_call_is_refused(house: Open) -> None:
    async with house() as home:
        status, why = await home.ask(CallSid="")
        assert (status, why) == (400, "CallSid is missing: this is not TeXML's voice webhook")


async def test_a_closing_server_takes_no_texml_call(house: Open) -> None:
    async with house() as home:
        await home.server.admission.drain()
        assert await home.ask() == (503, "the server is closing")


@pytest.mark.parametrize(
    ("query", "verb", "reconnects"), [("", "Connect", "true"), ("?listen=true", "Start", "false")]
)
async def test_a_stream_is_dialled_again_where_the_call_would_be_taken_up(
    query: str, verb: str, reconnects: str, house: Open
) -> None:
    async with house(then="https://example.com/next.xml") as home:
        _, document = await home.ask(f"texml{query}")
        stream = ElementTree.fromstring(document).find(f"{verb}/Stream")
        assert stream is not None
        assert stream.get("enableReconnect") == reconnects


async def test_how_a_stream_fares_is_logged_without_its_address(house: Open) -> None:
    async with house() as home:
        with capture_logs() as logs:
            error = "wss://voice.example.com/telnyx/media/secret refused"
            assert await home.ask("stream", StreamEvent="stream-failed", StreamError=error) == (204, "")
        (line,) = [line for line in logs if line["event"] == "< telnyx stream"]
        assert line["log_level"] == "warning"
        assert line["CallSid"] == "v3:1"
        assert "secret" not in str(line)
        assert "+1555" not in str(line)
