"""The control API and the page of a server with two worker processes, over real sockets: one answer for all."""

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.cli.test_signals import FILE, LONG_ENOUGH_S, Process, serving
from tests.shell.control.conftest import OPS, SHOW, Asking, Events, calling

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/smaps_rollup"), reason="worker processes need Linux"
)

FORWARDED = {"X-Forwarded-For": "192.0.2.7"}
NEW = "MN4bV8cX1zL6kJ3hG9fD2sA5"
METRICS = "pQ7wE2rT9yU4iO1p"
SETTINGS = """\
assistant = "echo"
workers = 2
port = 0
public_url = "http://127.0.0.1:9"
[twilio]
account_sid = "AC11111111111111111111111111111111"
auth_token = "22222222222222222222222222222222"
api_url = "%s"
[security]
allow_unauthenticated = true
[limits]
silent_s = 60.0
[metrics]
token = "%s"
[control]
requests_per_s = 50
%stokens = [
    { name = "ops", token = "%s" },
    { name = "show", token = "%s", can = ["see"] },
]
"""


class Placing:
    """A carrier's API that places calls."""

    def __init__(self) -> None:
        self.asked = 0

    async def serve(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"sid": f"CA{70 + self.asked}"}, status=201)

    def server(self) -> TestServer:
        app = web.Application()
        app.router.add_post("/{path:.+}", self.serve)
        return TestServer(app)


async def until(server: Process, event: str) -> dict[str, Any]:
    return await asyncio.to_thread(server.until, event)


async def ids(ops: Asking) -> list[str]:
    status, found = await ops.ask("GET", "/calls")
    assert status == 200
    return sorted(call["id"] for call in found["calls"])


async def ended(events: Events, number: int) -> dict[str, str]:
    """The ids and reasons of the next calls that end."""
    found = [await events.until("ended") for _ in range(number)]
    return {one["id"]: one["reason"] for one in found}


async def listed(ops: Asking, expected: list[str]) -> None:
    """Wait until these calls are listed: a media socket that was closed is noticed a moment later."""
    give_up = time.monotonic() + LONG_ENOUGH_S
    while await ids(ops) != expected:
        assert time.monotonic() < give_up


async def test_all_workers_answer_as_one(tmp_path: Path) -> None:
    placing = Placing()
    async with placing.server() as api, aiohttp.ClientSession() as http, AsyncExitStack() as ending:
        settings = SETTINGS % (str(api.make_url("/")).rstrip("/"), METRICS, "", OPS, SHOW)
        server = ending.enter_context(serving(tmp_path, settings))
        pids = {one["worker"]: one["pid"] for one in server.events if one["event"] == "= a worker is ready"}
        ops, show = Asking(http, server.port), Asking(http, server.port, SHOW)
        first = await ending.enter_async_context(ops.watching())
        assert await first.next() == ("snapshot", {"calls": []})

        await lists_and_feeds(ending, server, ops, first)
        await steers_and_limits(ops, show, placing)
        await logs_in_once_for_all(ops)
        await reads_tokens_again(tmp_path, settings, server, ops)
        await loses_a_worker(server, ops, pids[2])
        server.signal(signal.SIGTERM)
        await until(server, "= stopping")
        assert len(await ids(ops)) == 2, "calls that go on while it stops are shown"


async def lists_and_feeds(ending: AsyncExitStack, server: Process, ops: Asking, first: Events) -> None:
    names = [f"CA{number}" for number in range(4)]
    for name in names:
        await ending.enter_async_context(calling(server.port, name))
    assert {(await first.until("call"))["id"] for _ in names} == set(names)
    assert await ids(ops) == names
    async with ops.watching() as second:
        name, snapshot = await second.next()
        assert (name, sorted(call["id"] for call in snapshot["calls"])) == ("snapshot", names)
        async with calling(server.port, "CA8"):
            assert (await second.until("call"))["id"] == "CA8"
        assert await second.until("ended") == {"id": "CA8", "reason": "caller_or_carrier"}
    await first.until("ended")
    for name in names:
        await is_found(ops, name)


async def is_found(ops: Asking, call_id: str) -> None:
    """Only the worker that has the call can tell; nobody said by a webhook which one."""
    for _ in range(3):
        status, found = await ops.ask("GET", f"/calls/{call_id}")
        assert (status, found["id"]) == (200, call_id)


async def steers_and_limits(ops: Asking, show: Asking, placing: Placing) -> None:
    for name in ("CA0", "CA1", "CA2", "CA3"):
        status, done = await ops.ask("POST", f"/calls/{name}/hold")
        assert (status, done) == (202, {"word": "HoldRequested", "call": name})
        assert (await ops.ask("POST", f"/calls/{name}/unhold"))[0] == 202
    key = {"Idempotency-Key": "one"}
    body = {"carrier": "twilio", "to": "+15550199", "from": "+15550100"}
    answers = [await ops.ask("POST", "/calls", body, key) for _ in range(4)]
    assert answers == [(202, {"id": "CA71"})] * 4
    assert placing.asked == 1
    statuses = [(await show.ask("GET", f"/calls/CA{number % 4}"))[0] for number in range(200)]
    assert statuses.count(429) >= 20  # 50 in a second and 100 at once, in all workers together
    assert (await Asking(ops.http, 0, "").http.get(ops.url + "/calls", headers=FORWARDED)).status == 401


async def logs_in_once_for_all(ops: Asking) -> None:
    own = {"Origin": ops.url} | FORWARDED
    async with ops.http.post(ops.url + "/session", json={"token": OPS}, headers=own) as answer:
        assert answer.status == 204
        cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]} | FORWARDED
    for path in (
        "/",
        "/session",
        "/web/main.js",
        "/calls",
        "/phone",
        "/calls/CA0/history",
        "/calls/CA1/history",
    ):
        for _ in range(2):
            async with ops.http.get(ops.url + path, headers=cookie) as answer:
                assert answer.status == 200, path
    async with ops.http.post(
        ops.url + "/calls/CA0/hold", headers=cookie | {"Origin": "https://evil.example.com"}
    ) as answer:
        assert answer.status == 403
    async with ops.http.get(ops.url + "/healthz", headers=FORWARDED) as answer:
        assert await answer.json() == {"status": "ok"}
    async with ops.http.get(ops.url + "/healthz", headers=FORWARDED | ops.headers) as answer:
        assert (await answer.json())["calls"] == 4
    for token, status in ((OPS, 200), (METRICS, 200), (SHOW, 401)):
        bearer = {"Authorization": f"Bearer {token}"}
        async with ops.http.get(ops.url + "/metrics", headers=FORWARDED | bearer) as answer:
            assert answer.status == status


async def reads_tokens_again(folder: Path, settings: str, server: Process, ops: Asking) -> None:
    """SIGHUP: a token of before is good no longer, also for calls of the workers that are replaced."""
    (folder / FILE).write_text(settings.replace(OPS, NEW).replace(METRICS, METRICS[::-1]))
    server.signal(signal.SIGHUP)
    await until(server, "= replaced")
    for path in ("/calls", "/calls/CA0", "/calls/CA1", "/metrics", "/session"):
        async with ops.http.get(ops.url + path, headers=ops.headers) as answer:
            assert answer.status == 401, path
    ops.headers["Authorization"] = f"Bearer {NEW}"
    assert await ids(ops) == ["CA0", "CA1", "CA2", "CA3"]
    for number in range(4):
        await is_found(ops, f"CA{number}")
    bearer = {"Authorization": f"Bearer {METRICS[::-1]}"}
    async with ops.http.get(ops.url + "/metrics", headers=bearer) as answer:
        assert answer.status == 200


async def loses_a_worker(server: Process, ops: Asking, pid: int) -> None:
    """A worker that dies takes its calls out of the list."""
    async with ops.watching() as events:  # whoever had the token of before sees no more
        assert (await events.next())[0] == "snapshot"
        os.kill(pid, signal.SIGKILL)
        lost = await ended(events, 2)
    assert set(lost.values()) == {"fault"}
    assert await ids(ops) == sorted({"CA0", "CA1", "CA2", "CA3"} - lost.keys())
    for name in lost:
        assert (await ops.ask("GET", f"/calls/{name}"))[0] == 404


async def test_the_port_of_control_is_the_supervisors(tmp_path: Path) -> None:
    settings = SETTINGS % ("http://127.0.0.1:1", METRICS, "port = 0\n", OPS, SHOW)
    async with aiohttp.ClientSession() as http, AsyncExitStack() as ending:
        server = ending.enter_context(serving(tmp_path, settings))
        (line,) = (one for one in server.events if "port of its own" in one["event"])
        control, main = Asking(http, line["port"]), Asking(http, server.port)
        names = ["CA0", "CA1", "CA2"]
        for name in names:
            await ending.enter_async_context(calling(server.port, name))
        await listed(control, names)
        async with control.watching() as events:
            assert len((await events.next())[1]["calls"]) == 3
        for name in names:
            assert (await control.ask("POST", f"/calls/{name}/hold"))[0] == 202
            assert (await main.ask("POST", f"/calls/{name}/hold"))[0] == 404
        assert (await control.ask("GET", "/"))[0] == 200
        assert (await control.ask("GET", "/session"))[1]["has_phone"] is False
        for path in ("/calls", "/calls/events", "/", "/session", "/openapi.json"):
            assert (await main.ask("GET", path))[0] == 404, path
        for path in ("/twilio/voice", "/healthz", "/metrics", "/phone"):
            assert (await control.ask("GET", path))[0] == 404, path
