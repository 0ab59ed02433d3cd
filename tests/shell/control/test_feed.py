"""The calls under way over HTTP: lists, and the live feed, over real sockets on loopback."""

import asyncio
import json
import socket

import aiohttp
import pytest

from bridge.shell.control import feed
from bridge.shell.server import Server
from bridge.vocabulary.events import PressRequested
from tests.shell.control.conftest import OPS, SHOW, Asking, calling, serving, until


async def test_a_call_is_listed_with_masked_numbers(server: Server, ops: Asking) -> None:
    assert await ops.ask("GET", "/calls") == (200, {"calls": []})
    async with calling(server.port) as caller:
        status, found = await ops.ask("GET", "/calls")
        assert status == 200
        (call,) = found["calls"]
        assert call["id"] == "CA1"
        assert (call["carrier"], call["assistant"], call["state"]) == ("twilio", "echo", "talking")
        assert (call["from"], call["to"]) == ("***99", "***00")
        assert [party["name"] for party in call["parties"]] == ["caller", "assistant"]
        assert call["parties"][0] == {"name": "caller", "role": "talks", "hears": ["assistant"]}
        assert (call["held"], call["muted"], call["last_wait_ms"]) == (False, [], None)
        await caller.press("4")
        status, one = await ops.ask("GET", "/calls/CA1")
        assert status == 200
        assert one["transcript"] == []


async def test_an_unknown_call(ops: Asking) -> None:
    status, problem = await ops.ask("GET", "/calls/CA9")
    assert (status, problem["status"], problem["title"]) == (404, 404, "Not Found")
    assert (await ops.ask("GET", "/calls/CA9/events"))[0] == 404


async def test_a_viewer_sees_calls_come_change_and_go(server: Server, ops: Asking) -> None:
    async with ops.watching() as events:
        assert await events.next() == ("snapshot", {"calls": []})
        async with calling(server.port, "CA7") as caller:
            assert (await events.until("call"))["id"] == "CA7"
            async with caller.speaking():
                heard = -90
                while heard == -90:
                    heard, said = (await events.until("levels"))["CA7"]
            assert heard == pytest.approx(-4, abs=1)
            assert said in (heard, -90)
            await caller.press("7")
            assert (await events.until("call"))["digits"] == "•"
        assert await events.until("ended") == {"id": "CA7", "reason": "caller_or_carrier"}


async def test_one_calls_stream_has_its_lines_and_ends_with_it(server: Server, ops: Asking) -> None:
    async with calling(server.port, "CA8") as caller, calling(server.port, "CA9"):
        async with ops.watching("/calls/CA8/events") as events:
            name, snapshot = await events.next()
            assert (name, [call["id"] for call in snapshot["calls"]]) == ("snapshot", ["CA8"])
            await caller.press("5")
            word = await events.until("word")
            assert (word["what"], word["digit"]) == ("DigitPressed", "•")
            await caller.socket.close()
            assert (await events.until("ended"))["id"] == "CA8"
            assert await events.next() == ("", None)


async def test_a_feed_ends_with_its_token(server: Server, ops: Asking) -> None:
    async with ops.watching() as events:
        assert await events.next() == ("snapshot", {"calls": []})
        server.control.access.replace([])
        async with calling(server.port, "CA7"):
            assert await events.next() == ("", None)


async def test_keys_that_are_pressed_for_the_caller_are_masked_too(server: Server, ops: Asking) -> None:
    async with calling(server.port, "CA8"), ops.watching("/calls/CA8/events") as events:
        (call,) = server.admission.active
        call.session.handle(PressRequested("4711#"))
        word = await events.until("word")
        assert (word["what"], word["keys"]) == ("PressRequested", "•••••")


async def test_a_hundred_viewers(server: Server, ops: Asking) -> None:
    begun = asyncio.Event()

    async def watch_one() -> str:
        async with ops.watching() as events:
            await events.next()
            await events.until("call")
            begun.set()
            return str((await events.until("ended"))["id"])

    watching = [asyncio.create_task(watch_one()) for _ in range(100)]
    await until(lambda: len(server.control.feed) == 100)
    async with calling(server.port):
        await begun.wait()
    assert await asyncio.gather(*watching) == ["CA1"] * 100
    await until(lambda: not len(server.control.feed))


async def test_a_viewer_that_does_not_read_is_dropped(
    server: Server, ops: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_WAITING", 1_000)
    deaf = socket.create_connection(("127.0.0.1", server.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
    deaf.sendall(f"GET /calls/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPS}\r\n\r\n".encode())
    try:
        await until(lambda: len(server.control.feed) == 1)
        async with asyncio.timeout(10), ops.watching() as reading:
            while len(server.control.feed) > 1:
                for watch in server.admission.live.watches:
                    watch.take(b": " + b"x" * 20_000 + b"\n\n")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            assert (await reading.next())[0] == "snapshot"
    finally:
        deaf.close()


async def test_a_feed_lasts_longer_than_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.shell.http_server.REQUEST_TIMEOUT_S", 0.2)
    monkeypatch.setattr(feed, "COMMENT_S", 0.1)
    async with serving() as running, aiohttp.ClientSession() as http:
        async with http.get(
            f"http://127.0.0.1:{running.port}/calls/events", headers={"Authorization": f"Bearer {SHOW}"}
        ) as answer:
            lines = [await answer.content.readline() for _ in range(12)]
    assert json.loads(lines[1].removeprefix(b"data: ")) == {"calls": []}
    assert lines.count(b":\n") >= 4


# Where


async def test_a_port_of_its_own() -> None:
    control = {"tokens": [{"name": "ops", "token": OPS}], "port": 0}
    async with serving(control=control) as running, aiohttp.ClientSession() as http, calling(running.port):
        assert (await Asking(http, running.port).ask("GET", "/calls"))[0] == 404
        assert running.control_port is not None
        own = Asking(http, running.control_port)
        assert len((await own.ask("GET", "/calls"))[1]["calls"]) == 1
        assert (await own.ask("GET", "/healthz"))[0] == 404
        assert (await own.ask("POST", "/twilio/voice"))[0] == 404
        async with own.watching() as events:
            assert (await events.next())[0] == "snapshot"


async def test_a_token_opens_the_figures_and_the_details_of_health(server: Server, ops: Asking) -> None:
    from_elsewhere = {"X-Forwarded-For": "192.0.2.1"}
    assert (await ops.ask("GET", "/metrics", headers=from_elsewhere))[0] == 200
    assert (await ops.ask("GET", "/healthz", headers=from_elsewhere))[1] == {"status": "ok", "calls": 0}
    assert "calls" in (await ops.ask("GET", "/readyz", headers=from_elsewhere))[1]
    ops.headers = {"Authorization": f"Bearer {SHOW}"}
    assert (await ops.ask("GET", "/metrics", headers=from_elsewhere))[0] == 401
    assert "calls" in (await ops.ask("GET", "/readyz", headers=from_elsewhere))[1]
    ops.headers = {}
    assert (await ops.ask("GET", "/metrics", headers=from_elsewhere))[0] == 401
    assert (await ops.ask("GET", "/healthz", headers=from_elsewhere))[1] == {"status": "ok"}


# Who may


async def test_this_machine_sees_without_a_token() -> None:
    async with serving(control={}) as running, aiohttp.ClientSession() as http:
        here = Asking(http, running.port, token="")
        assert (await here.ask("GET", "/calls"))[0] == 200
        async with here.watching() as events:
            assert (await events.next())[0] == "snapshot"
        through_a_proxy = {"X-Forwarded-For": "192.0.2.1"}
        assert (await here.ask("GET", "/calls", headers=through_a_proxy))[0] == 404
        assert (await here.ask("GET", "/calls", headers={"Host": "rebound.example.com"}))[0] == 404


async def test_with_tokens_others_need_one(server: Server, ops: Asking) -> None:
    headers = {"X-Forwarded-For": "192.0.2.1"}
    wrong = {"Authorization": "Bearer wrong-wrong-wrong-wrong-wrong"}
    for given in (wrong, headers | wrong):
        status, problem = await ops.ask("GET", "/calls", headers=given)
        assert (status, problem["status"]) == (401, 401)
    ops.headers = {}
    assert (await ops.ask("GET", "/calls", headers=headers))[0] == 401


async def test_failures_are_limited_for_each_address(server: Server, ops: Asking) -> None:
    ops.headers = {"Authorization": "Bearer wrong-wrong-wrong-wrong-wrong"}
    statuses = [(await ops.ask("GET", "/calls"))[0] for _ in range(25)]
    assert statuses[:20] == [401] * 20
    assert statuses[-1] == 429
    ops.headers = {"Authorization": f"Bearer {OPS}"}
    assert (await ops.ask("GET", "/calls"))[0] == 200


async def test_requests_of_a_token_are_limited() -> None:
    control = {"tokens": [{"name": "ops", "token": OPS}], "requests_per_s": 2}
    async with serving(control=control) as running, aiohttp.ClientSession() as http:
        ops = Asking(http, running.port)
        assert [(await ops.ask("GET", "/calls"))[0] for _ in range(5)] == [200, 200, 200, 200, 429]
        async with http.get(f"{ops.url}/calls", headers=ops.headers) as answer:
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.content_type == "application/problem+json"
