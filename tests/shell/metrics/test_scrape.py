"""/metrics over real sockets: on the server's own port, on a port of its own, with calls, and while the server stops."""

import asyncio
import json
import shutil
import subprocess
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import ConfigurationError

OPEN: dict[str, Any] = {"port": 0, "assistant": "echo", "security": {"allow_unauthenticated": True}}
START = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
}
FORWARDED = {"X-Forwarded-For": "192.0.2.7"}


def server(**more: Any) -> Server:
    return Server(Settings.model_validate(OPEN | more))


async def get(port: int | None, path: str = "/metrics", method: str = "GET", **headers: str) -> tuple[int, str]:  # fmt: skip
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}{path}"
        async with http.request(method, url, headers=headers) as answer:
            return answer.status, await answer.text()


def values(text: str) -> dict[str, float]:
    return {
        " ".join([one.name.removeprefix("voicebridge_"), *one.labels.values()]): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


async def test_a_call_is_in_the_figures_while_it_lasts_and_after_it() -> None:
    async with server().running() as running:
        async with connect(f"ws://127.0.0.1:{running.port}/twilio/media") as socket:
            await socket.send(json.dumps(START))
            await socket.send(json.dumps({"event": "mark"}))  # malformed
            await socket.send(json.dumps({"event": "nobody knows this"}))
            async with asyncio.timeout(5):
                while "messages_refused_total twilio carrier" not in (during := values((await get(running.port))[1])):  # fmt: skip
                    pass
            await socket.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}))
            await socket.wait_closed()
        async with asyncio.timeout(5):
            await running.admission.idle()
        async with asyncio.timeout(5):
            while (after := values((await get(running.port))[1]))["event_loop_lag_seconds_count"] == 0:
                pass  # the first probe comes after a tenth of a second
    assert (during["calls_active twilio"], after["calls_active twilio"]) == (1, 0)
    assert after["calls_total twilio unknown echo caller_or_carrier"] == 1
    assert after["messages_ignored_total twilio"] == 1
    assert after["assistant_connections_total echo first"] == 1


async def test_strangers_need_the_token_on_the_servers_own_port() -> None:
    token = "a-token-of-a-scraper"
    async with server(metrics={"token": token}).running() as running:
        assert (await get(running.port))[0] == 200
        assert await get(running.port, **FORWARDED) == (401, "401: Unauthorized")
        assert (await get(running.port, Authorization="Bearer wrong"))[0] == 401
        status, text = await get(running.port, Authorization=f"Bearer {token}", **FORWARDED)
    assert status == 200
    assert "voicebridge_build_info{" in text


async def test_a_port_of_its_own_needs_no_token_and_has_nothing_else() -> None:
    async with server(metrics={"port": 0}).running() as running:
        port = running.metrics_port
        assert (await get(port, **FORWARDED))[0] == 200
        assert await get(port, "/healthz") == (404, "404: Not Found")
        assert (await get(port, method="POST"))[0] == 405
        assert await get(port, method="HEAD") == (200, "")
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(port)


async def test_a_port_that_is_taken_is_named_and_leaves_nothing_open() -> None:
    async with server(metrics={"port": 0}).running() as running:
        second = server(metrics={"port": running.metrics_port})
        with pytest.raises(ConfigurationError, match=str(running.metrics_port)):
            async with second.running():
                pass


async def test_the_figures_are_there_while_the_server_drains() -> None:
    async with server(metrics={"port": 0}, limits={"drain_s": 30.0}).running() as running:
        async with connect(f"ws://127.0.0.1:{running.port}/twilio/media") as socket:
            await socket.send(json.dumps(START))
            running.lifecycle.signal()
            for port in (running.port, running.metrics_port):
                found = values((await get(port))[1])
                assert (found["draining"], found["calls_active twilio"]) == (1, 1)
            await socket.close()
        async with asyncio.timeout(5):
            await running.lifecycle.finished()
        assert values((await get(running.metrics_port))[1])["calls_active twilio"] == 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
async def test_promtool_finds_no_fault_in_a_scrape() -> None:
    async with server(assistant="parrot").running() as running:
        url = f"ws://127.0.0.1:{running.port}/twilio/media"
        await place_call(url, CallPlan(audio=b"\x7f" * 4000))
        text = (await get(running.port))[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)  # noqa: ASYNC221  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
