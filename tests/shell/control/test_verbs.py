"""The verbs of the control API over HTTP: what each answers, in which state, to whom, and what it does to the call."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import structlog
from aiohttp import web
from structlog.testing import LogCapture

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.shell.control.access import COOKIE
from bridge.shell.control.verbs import VERBS
from bridge.shell.server import Server
from tests.shell.control.conftest import OPS, SHOW, Asking, Caller, calling, serving, until

BODIES: dict[str, Any] = {
    "tell": {"text": "offer a discount"},
    "transfer": {"person": "billing"},
    "take": {"person": "billing"},
    "mute": {"who": "caller"},
    "press": {"keys": "12#"},
    "supervise": {"supervisor": "boss", "role": "listen"},
}

EVERY = [pytest.param(verb, id=verb.name) for verb in VERBS]


def path_of(verb: Any, call_id: str = "CA1") -> str:
    return f"/calls/{call_id}{verb.path}"


@pytest.fixture
def logged() -> Iterator[LogCapture]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    yield capture
    structlog.reset_defaults()


# Who may


@pytest.mark.parametrize("verb", EVERY)
async def test_a_verb_needs_a_token_that_may(verb: Any, server: Server, ops: Asking) -> None:
    body = BODIES.get(verb.name)
    assert (await ops.ask(verb.method, path_of(verb), body))[0] == 404  # no such call
    ops.headers = {"Authorization": f"Bearer {SHOW}"}
    status, problem = await ops.ask(verb.method, path_of(verb), body)
    assert (status, problem["title"]) == (403, "Forbidden")
    assert verb.can in problem["detail"]
    ops.headers = {}  # this machine
    assert (await ops.ask(verb.method, path_of(verb), body))[0] == 401
    ops.headers = {"Authorization": f"Bearer {OPS[:-1]}"}
    assert (await ops.ask(verb.method, path_of(verb), body))[0] == 401


async def test_without_a_token_the_api_is_off() -> None:
    async with serving(control={}) as running, aiohttp.ClientSession() as http, calling(running.port):
        for headers in ({}, {"Authorization": f"Bearer {OPS}"}):
            here = Asking(http, running.port, token="")
            for verb in VERBS:
                status, _ = await here.ask(verb.method, path_of(verb), BODIES.get(verb.name), headers)
                assert status == 404
            assert (await here.ask("POST", "/calls", {}, headers))[0] == 404
        assert running.admission.calls == 1


async def test_an_expired_token() -> None:
    control = {"tokens": [{"name": "old", "token": OPS, "expires": "2020-01-01"}]}
    async with serving(control=control) as running, aiohttp.ClientSession() as http:
        assert (await Asking(http, running.port).ask("DELETE", "/calls/CA1"))[0] == 401


async def test_a_page_of_another_site_changes_nothing(server: Server, ops: Asking) -> None:
    async with calling(server.port) as caller:
        session = server.control.access.log_in(OPS, time.time())
        ops.headers = {"Cookie": f"{COOKIE}={session}"}
        for origin in ({}, {"Origin": "https://evil.example.com"}, {"Origin": "null"}):
            assert (await ops.ask("DELETE", "/calls/CA1", headers=origin))[0] == 403
        assert server.admission.calls == 1
        status, done = await ops.ask("DELETE", "/calls/CA1", headers={"Origin": ops.url})
        assert (status, done["word"]) == (202, "HangUpRequested")
        await ended(caller)


# What it does


async def ended(caller: Caller) -> None:
    async with asyncio.timeout(3):
        await caller.socket.wait_closed()


async def heard(caller: Caller, kind: str) -> Any:
    """The next message of this kind that the carrier is sent."""
    async with asyncio.timeout(3):
        while True:
            message = json.loads(await caller.socket.recv())
            if message["event"] == kind:
                return message


async def test_hang_up(server: Server, ops: Asking, logged: LogCapture) -> None:
    async with calling(server.port) as caller:
        began = time.monotonic()
        assert await ops.ask("DELETE", "/calls/CA1") == (202, {"word": "HangUpRequested", "call": "CA1"})
        await ended(caller)
        assert time.monotonic() - began < 0.3
    await until(lambda: server.admission.calls == 0)
    line = next(entry for entry in logged.entries if entry["event"] == "= control")
    assert line == {
        "event": "= control",
        "log_level": "info",
        "token": "ops",
        "verb": "end",
        "call_id": "CA1",
        "outcome": "done",
    }
    assert (await ops.ask("DELETE", "/calls/CA1"))[0] == 404


async def test_hold_and_unhold(server: Server, ops: Asking) -> None:
    async with calling(server.port) as caller:
        began = time.monotonic()
        assert (await ops.ask("POST", "/calls/CA1/hold"))[0] == 202
        await heard(caller, "clear")
        await heard(caller, "media")
        assert time.monotonic() - began < 0.3
        _, call = await ops.ask("GET", "/calls/CA1")
        assert (call["state"], call["held"], call["parties"][0]["role"]) == ("holding", True, "held")
        status, problem = await ops.ask("POST", "/calls/CA1/hold")
        assert (status, problem["state"], problem["detail"]) == (409, "holding", "the call is held already")
        assert (await ops.ask("POST", "/calls/CA1/tell", {"text": "x"}))[0] == 409
        assert (await ops.ask("POST", "/calls/CA1/unhold"))[0] == 202
        assert (await ops.ask("GET", "/calls/CA1"))[1]["state"] == "talking"
        assert (await ops.ask("POST", "/calls/CA1/unhold"))[0] == 409


async def test_mute(server: Server, ops: Asking) -> None:
    async with calling(server.port):
        assert (await ops.ask("POST", "/calls/CA1/mute", {"who": "caller"}))[0] == 202
        _, call = await ops.ask("GET", "/calls/CA1")
        assert (call["muted"], call["parties"][1]["hears"]) == (["caller"], [])
        assert (await ops.ask("POST", "/calls/CA1/mute", {"who": "caller", "muted": False}))[0] == 202
        assert (await ops.ask("GET", "/calls/CA1"))[1]["muted"] == []
        status, problem = await ops.ask("POST", "/calls/CA1/mute", {"who": "supervisor"})
        assert (status, problem["detail"]) == (
            409,
            "there is no supervisor whom the bridge could mute in this call",
        )


async def test_press(server: Server, ops: Asking) -> None:
    async with calling(server.port) as caller:
        assert await ops.ask("POST", "/calls/CA1/press", {"keys": "1"}) == (
            202,
            {"word": "KeysRequested", "call": "CA1"},
        )
        assert len((await heard(caller, "media"))["media"]["payload"]) > 500


async def test_what_cannot_be_done_is_said(server: Server, ops: Asking) -> None:
    async with calling(server.port):
        status, problem = await ops.ask("POST", "/calls/CA1/tell", {"text": "x"})
        assert (status, problem["detail"]) == (409, "an assistant of kind 'echo' cannot be told anything")
        assert problem["state"] == "talking"
        status, problem = await ops.ask("POST", "/calls/CA1/transfer", {"person": "billing"})
        assert (status, problem["detail"]) == (409, "there is no person 'billing'")
        status, problem = await ops.ask("POST", "/calls/CA1/give-back")
        assert (status, problem["detail"]) == (409, "the caller is not with a person")
        status, problem = await ops.ask("POST", "/calls/CA1/supervise", BODIES["supervise"])
        assert (status, problem["state"]) == (409, "talking")
        assert problem["detail"] == "the carrier cannot have this call supervised"
        waits = BODIES["supervise"] | {"calls_in": True}
        done = {"word": "SuperviseRequested", "call": "CA1"}
        assert await ops.ask("POST", "/calls/CA1/supervise", waits) == (202, done)
        left = await ops.ask("POST", "/calls/CA1/supervise", waits | {"role": "leave"})
        assert left == (202, done)
        leave = {"supervisor": "boss", "role": "leave"}
        status, problem = await ops.ask("POST", "/calls/CA1/supervise", leave)
        assert (status, problem["detail"]) == (409, "the supervisor is not there")
        nobody = {"supervisor": "ann", "role": "listen"}
        status, problem = await ops.ask("POST", "/calls/CA1/supervise", nobody)
        assert (status, problem["detail"]) == (400, "supervisor: there is no 'ann': expected one of boss")


# Bad input


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("tell", {}, "required field `text`"),
        ("tell", {"text": 5}, "Expected `str`, got `int` - at `$.text`"),
        ("tell", {"text": ""}, "length >= 1 - at `$.text`"),
        ("tell", {"text": "x" * 4001}, "length <= 4000 - at `$.text`"),
        ("tell", {"text": "x", "loud": True}, "unknown field `loud`"),
        ("tell", b"{", "not JSON"),
        ("tell", b"[]", "Expected `object`, got `array`"),
        ("tell", b"\xff\xfe", "not JSON"),
        ("tell", b"[" * 30_000, "refused"),
        ("hold", {"music": "loud"}, "unknown field `music`"),
        ("mute", {"who": "everybody"}, "Invalid enum value 'everybody' - at `$.who`"),
        ("press", {"keys": "12x"}, "matching regex"),
        ("press", {"keys": ""}, "matching regex"),
        ("supervise", {"supervisor": "boss", "role": "shout"}, "Invalid enum value 'shout' - at `$.role`"),
        ("transfer", {"person": ["billing"]}, "Expected `str`, got `array` - at `$.person`"),
    ],
)
async def test_a_body_that_is_refused(server: Server, ops: Asking, path: str, body: Any, said: str) -> None:
    async with calling(server.port):
        status, problem = await ops.ask("POST", f"/calls/CA1/{path}", body)
    assert status == 400
    assert said in problem["detail"]


async def test_a_body_that_is_too_long(server: Server, ops: Asking) -> None:
    async with calling(server.port):
        assert (await ops.ask("POST", "/calls/CA1/tell", b"x" * 70_000))[0] == 413


async def test_ids_of_calls_are_encoded_in_paths(server: Server, ops: Asking) -> None:
    async with calling(server.port, "v3:a/b +c%"):
        status, call = await ops.ask("GET", "/calls/v3:a%2Fb%20+c%25")
        assert (status, call["id"]) == (200, "v3:a/b +c%")
        assert (await ops.ask("POST", "/calls/v3:a%2Fb%20+c%25/hold"))[0] == 202


# Repeats


async def test_a_request_that_is_sent_again_is_done_once(server: Server, ops: Asking) -> None:
    key = {"Idempotency-Key": "one"}
    async with calling(server.port):
        first = await ops.ask("POST", "/calls/CA1/hold", headers=key)
        assert first[0] == 202
        assert await ops.ask("POST", "/calls/CA1/hold", headers=key) == first
        assert (await ops.ask("POST", "/calls/CA1/hold"))[0] == 409
        assert (await ops.ask("POST", "/calls/CA1/unhold", headers=key))[0] == 422
        assert (await ops.ask("POST", "/calls/CA1/hold", headers={"Idempotency-Key": "x" * 201}))[0] == 400
        refused = {"Idempotency-Key": "two"}
        assert (await ops.ask("POST", "/calls/CA1/hold", headers=refused))[0] == 409
        assert (await ops.ask("POST", "/calls/CA1/unhold"))[0] == 202
        assert (await ops.ask("POST", "/calls/CA1/hold", headers=refused))[0] == 202  # it may be tried again


async def test_many_requests_at_once(server: Server, ops: Asking) -> None:
    async def ask(times: int) -> list[int]:
        return [(await ops.ask("POST", "/calls/CA1/mute", {"who": "caller"}))[0] for _ in range(times)]

    async with calling(server.port) as caller, caller.speaking():
        answers = await asyncio.gather(*(ask(50) for _ in range(8)))
        assert {status for some in answers for status in some} == {202}
        assert server.admission.calls == 1


# Placing a call


@asynccontextmanager
async def carrier(status: int = 201, asked: list[str] | None = None) -> AsyncIterator[str]:
    """A carrier's API that answers so: 201 takes the call, 0 breaks the connection. `asked`: is given each request."""

    async def create(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append(request.path)
        if not status and request.transport is not None:
            request.transport.abort()
        return web.json_response({"sid": "CA77"}, status=status or 200)

    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{sid}/Calls.json", create)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_call_is_placed() -> None:
    async with carrier() as api:
        twilio = {"account_sid": "AC" + "1" * 32, "auth_token": "2" * 32, "api_url": api}
        more = {"public_url": "https://voice.example.com", "twilio": twilio, "security": {}}
        async with serving(**more) as running, aiohttp.ClientSession() as http:
            ops = Asking(http, running.port)
            asked = {"carrier": "twilio", "to": "+15550199", "from": "+15550100"}
            assert await ops.ask("POST", "/calls", asked) == (202, {"id": "CA77"})
            for wrong, said in (
                ({"to": "5550199"}, "to '5550199': should be a number"),
                ({"assistant": "nobody"}, "assistant 'nobody': should be one of"),
                ({"carrier": "pigeon"}, "carrier 'pigeon': should be one of"),
                ({"from": None}, "`$.from`"),
                ({"from": ...}, "missing required field `from`"),
                ({"variables": {"na me": "Ann"}}, "`key` in `$.variables`"),
                ({"variables": {"name": 4}}, "Expected `str`, got `int` - at `$.variables[...]`"),
                ({"variables": {"name": "x" * 501}}, "length <= 500"),
                ({"variables": {f"n{number}": "" for number in range(33)}}, "length <= 32"),
            ):
                body = {name: value for name, value in (asked | wrong).items() if value is not ...}
                status, problem = await ops.ask("POST", "/calls", body)
                assert status == 400
                assert said in problem["detail"]
            status, _ = await Asking(http, running.port, SHOW).ask("POST", "/calls", asked)
            assert status == 403


async def test_variables_of_a_call_that_is_placed_are_told_to_its_assistant_and_not_to_the_carrier() -> None:
    async with carrier() as api:
        twilio = {"account_sid": "AC" + "1" * 32, "auth_token": "2" * 32, "api_url": api}
        more = {"public_url": "https://voice.example.com", "twilio": twilio, "security": {}}
        async with serving(**more) as running, aiohttp.ClientSession() as http:
            ops, admission = Asking(http, running.port), running.admission
            asked = {"carrier": "twilio", "to": "+15550199", "from": "+15550100"}
            told = asked | {"variables": {"name": "Ann\n Lee", "due": "$12"}}
            assert (await ops.ask("POST", "/calls", told))[0] == 202
            url = admission.expect("twilio", ExpectedCall("CA77", direction="outbound"))
            async with calling(running.port, "CA77", path=urlsplit(url).path):
                (call,) = admission.active
                assert call.expected.context.facts.variables == {"name": "Ann Lee", "due": "$12"}
                admission.call_ended("twilio", "CA77")
            assert len(admission.placed) == 0


@pytest.mark.parametrize(("answers", "status"), [(0, 504), (503, 502)])
async def test_a_call_of_which_nobody_knows_whether_it_was_placed_is_not_placed_again(
    answers: int, status: int, logged: LogCapture
) -> None:
    requests: list[str] = []
    async with carrier(answers, requests) as api:
        twilio = {"account_sid": "AC" + "1" * 32, "auth_token": "2" * 32, "api_url": api}
        more = {"public_url": "https://voice.example.com", "twilio": twilio, "security": {}}
        async with serving(**more) as running, aiohttp.ClientSession() as http:
            ops, key = Asking(http, running.port), {"Idempotency-Key": "one"}
            asked = {"carrier": "twilio", "to": "+15550199", "from": "+15550100"}
            first = await ops.ask("POST", "/calls", asked, headers=key)
            assert first[0] == first[1]["status"] == status
            assert first[1]["detail"].startswith("it is not known whether the call was placed")
            assert await ops.ask("POST", "/calls", asked, headers=key) == first
            other = asked | {"to": "+15550198"}
            assert (await ops.ask("POST", "/calls", other, headers=key))[0] == 422
            assert len(requests) == 1
            assert {one["outcome"] for one in logged.entries if one["event"] == "= control"} == {
                "unknown",
                "refused: 422",
            }


async def test_a_call_that_the_carrier_refused_may_be_tried_again_with_its_key() -> None:
    requests: list[str] = []
    async with carrier(400, requests) as api:
        twilio = {"account_sid": "AC" + "1" * 32, "auth_token": "2" * 32, "api_url": api}
        more = {"public_url": "https://voice.example.com", "twilio": twilio, "security": {}}
        async with serving(**more) as running, aiohttp.ClientSession() as http:
            ops, key = Asking(http, running.port), {"Idempotency-Key": "one"}
            asked = {"carrier": "twilio", "to": "+15550199", "from": "+15550100"}
            for _ in range(2):
                assert (await ops.ask("POST", "/calls", asked, headers=key))[0] == 502
            assert len(requests) == 2


# The document


async def test_the_document_has_every_route_and_every_field(server: Server, ops: Asking) -> None:
    status, document = await ops.ask("GET", "/openapi.json")
    assert status == 200
    app = web.Application()
    server.control.add_to(app)
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
        and (route.resource.canonical.startswith("/calls") or route.resource.canonical == "/openapi.json")
        and route.method != "HEAD"
    }
    written = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert written == served
    for verb in VERBS:
        fields = document["components"]["schemas"].get(verb.body.__name__, {}).get("properties", {})
        assert list(fields) == list(verb.body.__struct_encode_fields__)
