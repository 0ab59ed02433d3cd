"""The leg that posts, over real sockets: one answer for each post, in order, whatever the server does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.settings.assistants import PostAddress
from bridge.shell import assistant_http as posting
from bridge.shell.assistant_http import MOST_WAITING, AssistantPosts, PostingLeg
from bridge.vocabulary.contracts import LegMessage, Post, PostDelayed, Posted

GIVE_UP_S = 5.0
SOON_S = 0.1
MOST = 10_000


class Got(NamedTuple):
    """What the server got."""

    path: str
    body: bytes
    headers: dict[str, str]


class Assistant:
    """The users' server. What it answers is the path's; it can be told to be slow."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()
        self.refusals: list[tuple[int, str, str]] = []
        """Status, Retry-After and body of the answers that come before those of the path."""
        app = web.Application()
        app.router.add_route("*", "/{what}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.path, await request.read(), headers))
        self.asked.set()
        if self.refusals:
            status, header, text = self.refusals.pop(0)
            return web.Response(status=status, text=text, headers={"Retry-After": header} if header else {})
        match request.match_info["what"]:
            case "echo":
                return web.Response(body=self.got[-1].body, content_type="audio/wav")
            case "nothing":
                return web.Response(status=204)
            case "broken":
                return web.Response(status=500, text="oh")
            case "elsewhere":
                return web.Response(status=307, headers={"Location": "/echo"})
            case "cookie":
                response = web.Response()
                response.set_cookie("caller", "1")
                return response
            case "slow":
                await self.let_go.wait()
            case "endless":
                return await self._talk_on(request)
            case "halting":
                return await self._talk_on(request, pieces=1)
            case "cut":
                assert request.transport is not None
                request.transport.close()
            case "packed":
                return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
        return web.Response()

    async def _talk_on(self, request: web.Request, pieces: int = 1_000_000) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000000000"})
        await response.prepare(request)
        with suppress(ConnectionError):
            for _ in range(pieces):
                await response.write(b"x" * 4_096)
            await self.let_go.wait()
        return response


class Call:
    """The near end of a leg."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[LegMessage] = asyncio.Queue()
        self.losses: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self.delays: list[float] = []

    def lost(self, code: int, reason: str) -> None:
        self.losses.put_nowait((code, reason))

    async def hears(self) -> Posted:
        async with asyncio.timeout(GIVE_UP_S):
            while isinstance(message := await self.heard.get(), PostDelayed):
                self.delays.append(message.wait_s)
        assert isinstance(message, Posted)
        return message


@pytest.fixture
async def assistant() -> AsyncIterator[Assistant]:
    assistant = Assistant()
    await assistant.server.start_server()
    yield assistant
    assistant.let_go.set()
    await assistant.server.close()


@pytest.fixture
async def posts() -> AsyncIterator[AssistantPosts]:
    posts = AssistantPosts()
    yield posts
    await posts.aclose()


Open = Callable[..., PostingLeg]


@pytest.fixture
def call() -> Call:
    return Call()


@pytest.fixture
def open_to(assistant: Assistant, posts: AssistantPosts, call: Call) -> Open:
    def open_one(path: str, **options: Any) -> PostingLeg:
        headers = {"Authorization": "Bearer sesame", "content-type": "text/plain"}
        address = PostAddress(str(assistant.server.make_url(path)), headers, GIVE_UP_S, MOST)
        return posts.open(address._replace(**options), call.heard.put_nowait, call.lost)

    return open_one


def post(body: bytes = b"hello") -> Post:
    return Post(body, {"Content-Type": "audio/wav", "X-Voicebridge-Turn": "1"})


async def test_posts_and_hands_over_the_answer(open_to: Open, call: Call, assistant: Assistant) -> None:
    open_to("/echo").send(post(b"a voice"))
    assert await call.hears() == Posted(200, "audio/wav", b"a voice")
    (got,) = assistant.got
    assert got.body == b"a voice"
    assert got.headers["content-type"] == "audio/wav", "what the post says of itself goes first"
    assert got.headers["authorization"] == "Bearer sesame"
    assert got.headers["x-voicebridge-turn"] == "1"
    assert got.headers["accept-encoding"] == "identity"


ANSWERED = [
    ("/nothing", 204, "application/octet-stream", b""),
    ("/broken", 500, "text/plain; charset=utf-8", b"oh"),
    ("/elsewhere", 307, "application/octet-stream", b""),
    ("/packed", 200, "application/octet-stream", b"\x1f\x8b"),
]


@pytest.mark.parametrize(("path", "status", "content_type", "body"), ANSWERED)
async def test_any_status_is_an_answer(
    open_to: Open, call: Call, assistant: Assistant, path: str, status: int, content_type: str, body: bytes
) -> None:
    open_to(path).send(post())
    answer = await call.hears()
    assert (answer.status, answer.body) == (status, body)
    assert answer.content_type in (content_type, "")
    assert len(assistant.got) == 1, "redirects are not followed: the body is a voice"


async def test_in_order_one_at_a_time(open_to: Open, call: Call, assistant: Assistant) -> None:
    leg = open_to("/echo")
    bodies = [bytes([number]) for number in range(MOST_WAITING)]
    for body in bodies:
        leg.send(post(body))
    assert [(await call.hears()).body for _ in bodies] == bodies
    assert [got.body for got in assistant.got] == bodies


@pytest.mark.parametrize("path", ["/slow", "/halting"])
async def test_time_is_up(open_to: Open, call: Call, path: str) -> None:
    leg = open_to(path, answer_s=SOON_S)
    leg.send(post())
    leg.send(post())
    for _ in range(2):
        assert await call.hears() == Posted(0, "", b"no response came within 0.1 s")


async def test_who_answers_without_end_is_cut_off(open_to: Open, call: Call) -> None:
    leg = open_to("/endless")
    for _ in range(2):
        leg.send(post())
        assert await call.hears() == Posted(0, "", b"the response is too long: expected at most 10000 bytes")


async def test_the_longest_answer_is_not(open_to: Open, call: Call) -> None:
    leg = open_to("/echo")
    leg.send(post(b"x" * MOST))
    assert len((await call.hears()).body) == MOST
    leg.send(post(b"x" * (MOST + 1)))
    assert (await call.hears()).status == 0


async def test_a_connection_that_breaks_costs_its_post(
    open_to: Open, call: Call, assistant: Assistant
) -> None:
    leg = open_to("/cut")
    for _ in range(2):
        leg.send(post())
        answer = await call.hears()
        assert answer.status == 0
        assert answer.body.startswith(b"the response of the assistant's server is not complete (")
    assert len(assistant.got) == 2, "nothing is posted twice: it may have been acted upon"


PASSING = {
    "429": [(429, "", "")],
    "503, then 425": [(503, "", ""), (425, "", "")],
    "words": [(429, "", "Please try again in 300ms.")],
    "503 and Retry-After": [(503, "1", "")],
    "500 and Retry-After: the server asks for it": [(500, "1", "")],
}


@pytest.mark.parametrize("refusals", PASSING.values(), ids=list(PASSING))
async def test_a_post_that_was_not_taken_is_posted_again(
    open_to: Open, call: Call, assistant: Assistant, refusals: list[tuple[int, str, str]]
) -> None:
    assistant.refusals = list(refusals)
    asked_s = max(float(header or "0.2") for _, header, _ in refusals)
    leg = open_to("/echo")
    began = asyncio.get_running_loop().time()
    leg.send(post(b"1"))
    leg.send(post(b"2"))
    assert [(await call.hears()).body for _ in range(2)] == [b"1", b"2"]
    assert asyncio.get_running_loop().time() - began >= asked_s * 0.75
    assert [got.body for got in assistant.got] == [b"1"] * (len(refusals) + 1) + [b"2"]
    assert len(call.delays) == len(refusals), "each repetition is told, with its pause"
    assert max(call.delays) >= asked_s * 0.75


@pytest.mark.parametrize(
    ("refusal", "asked_s"),
    [
        ((500, "", ""), None),
        ((502, "", ""), None),
        ((401, "", ""), None),
        ((500, "", "try again in 1 s"), 1.0),
        ((503, "60", ""), 60.0),
        ((429, "", "try again in 1m"), 60.0),
    ],
)
async def test_a_post_that_may_have_been_taken_or_would_wait_in_vain_is_posted_once(
    open_to: Open, call: Call, assistant: Assistant, refusal: tuple[int, str, str], asked_s: float | None
) -> None:
    assistant.refusals = [refusal]
    open_to("/echo").send(post())
    answer = await call.hears()
    assert (answer.status, answer.retry_after_s) == (refusal[0], asked_s)
    assert len(assistant.got) == 1


async def test_a_post_is_repeated_for_a_while_only(
    open_to: Open, call: Call, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "REPEATED_S", 0.5)
    assistant.refusals = [(503, "", "")] * 9
    open_to("/echo").send(post())
    assert (await call.hears()).status == 503
    assert 2 <= len(assistant.got) <= 3


async def test_nobody_is_there(posts: AssistantPosts, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "REPEATED_S", 0.1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = PostAddress(f"http://127.0.0.1:{free.getsockname()[1]}/", {}, GIVE_UP_S, MOST)
    posts.open(address, call.heard.put_nowait, call.lost).send(post())
    answer = await call.hears()
    assert (answer.status, answer.body) == (
        0,
        b"the assistant's server cannot be reached (ClientConnectorError)",
    )


async def test_a_header_that_is_none_costs_its_post(open_to: Open, call: Call) -> None:
    leg = open_to("/echo")
    leg.send(Post(b"", {"X-Voicebridge-Call": "CA1\r\nX-More: yes"}))
    assert (await call.hears()).status == 0
    leg.send(post())
    assert (await call.hears()).status == 200


async def test_cookies_are_not_carried_to_the_next_call(
    open_to: Open, call: Call, assistant: Assistant
) -> None:
    for _ in range(2):
        open_to("/cookie").send(post())
        await call.hears()
    assert "cookie" not in assistant.got[1].headers


# The end


async def test_a_closed_leg_posts_what_it_was_given_and_tells_nobody(
    open_to: Open, call: Call, assistant: Assistant
) -> None:
    leg = open_to("/slow")
    leg.send(post(b"1"))
    leg.send(post(b"2"))
    await assistant.asked.wait()
    leg.close()
    leg.close()
    leg.send(post(b"3"))
    assistant.let_go.set()
    async with asyncio.timeout(GIVE_UP_S):
        await leg.task
    assert [got.body for got in assistant.got] == [b"1", b"2"]
    assert call.heard.empty()
    assert call.losses.empty()


async def test_but_not_for_ever(open_to: Open, assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "LAST_WORDS_S", SOON_S)
    leg = open_to("/slow")
    leg.send(post())
    await assistant.asked.wait()
    leg.close()
    async with asyncio.timeout(GIVE_UP_S):
        await asyncio.wait([leg.task])
    assert leg.task.cancelled()


async def test_an_idle_leg_closes_at_once(open_to: Open) -> None:
    leg = open_to("/echo")
    leg.close()
    async with asyncio.timeout(GIVE_UP_S):
        await leg.task


async def test_too_many_posts_cost_the_leg(open_to: Open, call: Call, assistant: Assistant) -> None:
    leg = open_to("/slow")
    leg.send(post())
    await assistant.asked.wait()
    for _ in range(MOST_WAITING + 2):
        leg.send(post())
    assert call.losses.empty(), "never from inside a call of ours"
    async with asyncio.timeout(GIVE_UP_S):
        assert await call.losses.get() == (
            1011,
            "too many posts wait for their responses: expected at most 16",
        )
    leg.close()
    assert call.losses.empty()


async def test_the_owner_drops_them_all(open_to: Open, posts: AssistantPosts, assistant: Assistant) -> None:
    legs = [open_to("/slow"), open_to("/echo")]
    legs[0].send(post())
    await assistant.asked.wait()
    await posts.aclose()
    assert all(leg.task.done() for leg in legs)
