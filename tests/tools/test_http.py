"""Tools behind an address: what the server there gets, and what the assistant is told of its answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from bridge.settings.assistants import ToolSettings
from bridge.tools.http import MOST_ERROR_CHARACTERS
from bridge.tools.tool import LONGEST_OUTPUT
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.commands import RunTool

GIVE_UP_S = 5.0
KEY = "open sesame"
PARAMETERS = {
    "type": "object",
    "properties": {
        "day": {"type": "string"},
        "count": {"type": "integer"},
        "urgent": {"type": "boolean"},
        "days": {"type": "array"},
        "tenant": {"type": "string"},
    },
    "required": ["day"],
}


def cookie() -> web.Response:
    response = web.Response(text="sweet")
    response.set_cookie("caller", "1")
    return response


SAID: dict[str, Callable[[], web.Response]] = {
    "slots": lambda: web.Response(text='{"free": ["10:00", "ü"]}', content_type="application/json"),
    "latin": lambda: web.Response(
        body="ü".encode("latin-1"), headers={"Content-Type": "text/plain; charset=latin-1"}
    ),
    "odd": lambda: web.Response(body=b"\xff", headers={"Content-Type": "text/plain; charset=klingon"}),
    "nothing": lambda: web.Response(status=204),
    "broken": lambda: web.Response(status=500, text="x" * (MOST_ERROR_CHARACTERS + 1)),
    "near": lambda: web.Response(status=307, headers={"Location": "/slots"}),
    "round": lambda: web.Response(status=307, headers={"Location": "/round"}),
    "cookie": cookie,
}
"""What the server says, by the path."""


class Request(NamedTuple):
    """What the server got."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: str
    headers: dict[str, str]


class Clinic:
    """The users' server. It keeps what it got, and can be told to be slow."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()
        self.elsewhere = ""
        self.names_it_in = "Location"
        app = web.Application()
        app.router.add_route("*", "/{what}", self._answer)
        self.server = TestServer(app)

    def url(self, path: str) -> str:
        return str(self.server.make_url(path))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(
            Request(request.method, request.path, list(request.query.items()), await request.text(), headers)
        )
        what = request.match_info["what"]
        if what in SAID:
            return SAID[what]()
        match what:
            case "private":
                allowed = headers.get("x-key") == KEY
                return (
                    web.Response(text="come in") if allowed else web.Response(status=401, text="who are you?")
                )
            case "far":
                return web.Response(status=307, headers={self.names_it_in: self.elsewhere})
            case "slow":
                self.asked.set()
                await self.let_go.wait()
            case "endless":
                return await self._talk_on(request)
            case "cut":
                assert request.transport is not None
                request.transport.close()
        return web.Response()

    async def _talk_on(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65_536)
        return response


@pytest.fixture
async def clinic() -> AsyncIterator[Clinic]:
    clinic = Clinic()
    await clinic.server.start_server()
    yield clinic
    clinic.let_go.set()
    await clinic.server.close()


FACTS = Facts("+15550199", "+15550100", caller_name="Ann")


async def ask(url: str, arguments: str = '{"day": "Monday"}', **settings: Any) -> str:
    """One tool at this address, asked once."""
    tool = ToolSettings.model_validate(
        {"url": url, "description": "Slots.", "parameters": PARAMETERS, "timeout_s": GIVE_UP_S} | settings
    )
    box = Toolbox("receptionist", {"slots": tool})
    output: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    try:
        tools = box.open(call_id="CA1", parameters={}, facts=FACTS)
        tools.run(RunTool("w1", "slots", arguments), output.set_result)
        async with asyncio.timeout(GIVE_UP_S):
            return await output
    finally:
        await box.aclose()


def error_in(output: str) -> str:
    (error,) = json.loads(output).values()
    assert isinstance(error, str)
    return error


# What the server gets


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_arguments_are_the_body(clinic: Clinic, method: str) -> None:
    arguments = '{"day": "Grüß Gott", "days": ["Monday"], "count": 2}'
    assert await ask(clinic.url("/slots?tenant=5"), arguments, method=method) == '{"free": ["10:00", "ü"]}'
    (request,) = clinic.got
    assert (request.method, request.path, request.query) == (method, "/slots", [("tenant", "5")])
    assert json.loads(request.body) == json.loads(arguments)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-voicebridge-call"] == "CA1"


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_the_server_is_told_who_calls_unless_it_should_not_know(clinic: Clinic, method: str) -> None:
    await ask(clinic.url("/slots"), method=method)
    await ask(clinic.url("/slots"), method=method, facts=False)
    told, untold = clinic.got
    expected = {"from": "+15550199", "to": "+15550100", "caller_name": "Ann"}
    assert json.loads(told.headers["x-voicebridge-facts"]) == expected
    assert "x-voicebridge-facts" not in untold.headers


QUERIES: list[tuple[str, list[tuple[str, str]]]] = [
    ('{"day": "a b&c=d ü"}', [("day", "a b&c=d ü")]),
    (
        '{"day": "1", "count": 2, "urgent": true, "days": ["ü", null]}',
        [("day", "1"), ("count", "2"), ("urgent", "true"), ("days", '["ü", null]')],
    ),
    ('{"day": "1", "count": null}', [("day", "1")]),
    ('{"day": "1", "tenant": "6"}', [("day", "1")]),
]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(("arguments", "query"), QUERIES)
async def test_arguments_are_the_query_and_change_nothing_in_the_address(
    clinic: Clinic, method: str, arguments: str, query: list[tuple[str, str]]
) -> None:
    await ask(clinic.url("/slots?tenant=5"), arguments, method=method)
    (request,) = clinic.got
    assert (request.method, request.body) == (method, "")
    assert request.query == [("tenant", "5"), *query]


async def test_headers_are_as_set(clinic: Clinic) -> None:
    assert await ask(clinic.url("/private"), headers={"X-Key": KEY}) == "come in"


async def test_a_redirect_within_the_origin_is_followed(clinic: Clinic) -> None:
    assert await ask(clinic.url("/near"), headers={"X-Key": KEY}) == '{"free": ["10:00", "ü"]}'
    assert [(request.method, request.path) for request in clinic.got] == [
        ("POST", "/near"),
        ("POST", "/slots"),
    ]
    assert clinic.got[1].body == clinic.got[0].body


async def test_no_other_origin_learns_the_headers(clinic: Clinic) -> None:
    stranger = Clinic()
    await stranger.server.start_server()
    clinic.elsewhere = stranger.url("/slots")
    output = await ask(clinic.url("/far"), headers={"X-Key": KEY})
    await stranger.server.close()
    assert "another origin" in error_in(output)
    assert not stranger.got


ODD_REDIRECTS = [
    ("mailto:clinic@example.com", "the tool's server redirects to another origin, which is not followed"),
    ("http://[", "the tool's server redirects to another origin, which is not followed"),
    ("//127.0.0.1:1/", "the tool's server redirects to another origin, which is not followed"),
    ("", "HTTP 307"),
]


@pytest.mark.parametrize(("location", "error"), ODD_REDIRECTS)
async def test_odd_redirects_are_errors(clinic: Clinic, location: str, error: str) -> None:
    clinic.elsewhere = location
    assert error_in(await ask(clinic.url("/far"))) == error


async def test_no_secret_goes_where_an_old_header_points(clinic: Clinic) -> None:
    clinic.names_it_in, clinic.elsewhere = "URI", "http://127.0.0.1:1/"
    assert "another origin" in error_in(await ask(clinic.url("/far")))


async def test_no_call_gets_the_cookies_of_another(clinic: Clinic) -> None:
    by_name = clinic.url("/cookie").replace("127.0.0.1", "localhost")  # addresses have no cookies anyway
    tool = ToolSettings(url=by_name, description="Eats.")
    box = Toolbox("receptionist", {"eat": tool})
    for call in ("CA1", "CA2"):
        output: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        box.open(call_id=call, parameters={}).run(RunTool("w1", "eat", ""), output.set_result)
        async with asyncio.timeout(GIVE_UP_S):
            assert await output == "sweet"
    await box.aclose()
    assert [request.headers.get("cookie") for request in clinic.got] == [None, None]
    assert [request.headers["x-voicebridge-call"] for request in clinic.got] == ["CA1", "CA2"]


# What the assistant is told

ANSWERS = [
    ("/latin", "ü"),
    ("/odd", "\ufffd"),
    ("/nothing", '{"status":204}'),
]


@pytest.mark.parametrize(("path", "output"), ANSWERS)
async def test_the_body_is_the_output(clinic: Clinic, path: str, output: str) -> None:
    assert await ask(clinic.url(path)) == output


async def test_a_body_without_end_is_cut_off(clinic: Clinic) -> None:
    output = await ask(clinic.url("/endless"))
    assert output == "x" * LONGEST_OUTPUT + f"… (cut off after {LONGEST_OUTPUT} characters)"


ERRORS = [
    ("/private", {"headers": {"X-Key": "wrong"}}, "HTTP 401 who are you?", "HTTP 401"),
    ("/broken", {}, "HTTP 500 " + "x" * MOST_ERROR_CHARACTERS, "HTTP 500"),
    ("/round", {}, "the tool's server gave no answer; it may be done in part", "TooManyRedirects"),
    ("/cut", {}, "the tool's server gave no answer; it may be done in part", "ServerDisconnectedError"),
    (
        "/slow",
        {"timeout_s": 0.05},
        "slots did not come to an end within 0.05 s; it may be done in part",
        "timeout",
    ),
]


@pytest.mark.parametrize(("path", "settings", "error", "kind"), ERRORS)
async def test_what_goes_wrong_is_told_and_logged_without_what_was_said(
    clinic: Clinic, path: str, settings: dict[str, Any], error: str, kind: str
) -> None:
    with capture_logs() as logs:
        output = await ask(clinic.url(path), **settings)
    assert error_in(output) == error
    assert logs == [
        {
            "event": "= tool gave no result",
            "log_level": "warning",
            "call_id": "CA1",
            "tool": "slots",
            "error": kind,
        }
    ]


async def test_a_server_that_is_not_there(clinic: Clinic) -> None:
    url = clinic.url("/slots")
    await clinic.server.close()
    assert error_in(await ask(url)) == "the tool's server cannot be reached"


ARGUMENTS = [
    ('{"day":', "the arguments are no JSON: "),
    ('{"day": NaN}', "the arguments are no JSON: "),
    ("[]", "the arguments should be a JSON object"),
    ("", "the arguments do not fit: day is missing"),
    (
        '{"dya": "Monday"}',
        "the arguments do not fit: day is missing; dya: there is no such parameter; known: day, count, urgent, "
        "days, tenant",
    ),
]


@pytest.mark.parametrize(("arguments", "error"), ARGUMENTS)
async def test_arguments_that_do_not_fit_never_leave(clinic: Clinic, arguments: str, error: str) -> None:
    assert error_in(await ask(clinic.url("/slots"), arguments)).startswith(error)
    assert not clinic.got


async def test_more_parameters_are_welcome_where_the_settings_say_so(clinic: Clinic) -> None:
    parameters = PARAMETERS | {"additionalProperties": True}
    await ask(clinic.url("/slots"), '{"day": "Monday", "hour": 9}', parameters=parameters)
    assert json.loads(clinic.got[0].body) == {"day": "Monday", "hour": 9}


async def test_a_call_that_ends_drops_its_requests(clinic: Clinic) -> None:
    box = Toolbox("receptionist", {"slots": ToolSettings(url=clinic.url("/slow"), description="Slots.")})
    tools = box.open(call_id="CA1", parameters={})
    output: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    tools.run(RunTool("w1", "slots", "{}"), output.set_result)
    async with asyncio.timeout(GIVE_UP_S):
        await clinic.asked.wait()
        tools.close()
        await box.aclose()
    assert not output.done()
