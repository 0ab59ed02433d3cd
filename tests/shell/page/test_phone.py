"""The calls that the phone's page places: who may, with which answer, and who opens the media socket. No browser."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge.config.checks import check_doors
from bridge.config.settings import Settings
from bridge.observers.trace import read_trace
from bridge.shell.kept_traces import MOST_KEPT, KeptTraces
from bridge.shell.page import phone as module
from bridge.shell.server import Server
from bridge.simulators.replay.comparison import compare
from bridge.simulators.replay.dry import DryReplay
from bridge.vocabulary.errors import ConfigurationError

SECRETS: dict[str, Any] = {
    "port": 0,
    "assistant": "echo",
    "twilio": {"auth_token": "12345"},
    "limits": {"max_lag_ms": 5000},
}
"""Of a server that lets in no carrier whose upgrade is not signed."""

FRAME = "/v79/v79" * 26 + "/v79/w=="


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Settings.model_validate(SECRETS)).running() as running:
        yield running


async def ask(
    server: Server, path: str = "/phone/calls", body: str | None = "{}", **headers: str
) -> tuple[int, dict[str, Any]]:
    """Post where there is a body. Returns the status, and what JSON says."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.port}{path}"
        async with http.request("GET" if body is None else "POST", url, data=body, headers=given) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith("{") else {"text": text}


def page_of(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def opening(placed: dict[str, Any], stream_sid: str = "") -> list[str]:
    """The first messages of the stream, and a frame."""
    stream = stream_sid or placed["stream_sid"]
    start = {
        "callSid": placed["call_id"],
        "streamSid": stream,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    }
    media = {"track": "inbound", "timestamp": "0", "payload": FRAME}
    return [
        json.dumps({"event": "start", "streamSid": stream, "start": start}),
        json.dumps({"event": "media", "streamSid": stream, "media": media}),
    ]


async def test_a_call_from_the_page_is_let_in_and_its_trace_is_a_test(server: Server) -> None:
    status, placed = await ask(server, Origin=page_of(server))
    assert status == 200
    assert set(placed) == {"url", "call_id", "stream_sid", "trace"}
    url = f"ws://127.0.0.1:{server.port}/{placed['url']}"
    async with connect(url, origin=page_of(server)) as socket:  # type: ignore[arg-type]
        for message in opening(placed):
            await socket.send(message)
        assert json.loads(await socket.recv())["media"]["payload"] == FRAME
        await socket.send(json.dumps({"event": "stop", "streamSid": placed["stream_sid"]}))
        await socket.wait_closed()
    trace = read_trace(await saved(server, placed["trace"]))
    assert (trace.header.carrier, trace.header.assistant, trace.is_cut_off) == ("twilio", "echo", False)
    assert compare(trace, read_trace(DryReplay(trace).run())).difference is None


async def saved(server: Server, path: str) -> bytes:
    async with aiohttp.ClientSession() as http, http.get(f"{page_of(server)}/{path}") as answer:
        assert answer.headers["Content-Disposition"].endswith('.trace.jsonl"')
        return await answer.read()


async def test_the_stream_comes_back_with_its_token_and_nobody_elses_page_does(server: Server) -> None:
    _, placed = await ask(server, Origin=page_of(server))
    url = f"ws://127.0.0.1:{server.port}/{placed['url']}"
    for origin in (None, "https://evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, origin=origin)  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403
    socket = await connect(url, origin=page_of(server))  # type: ignore[arg-type]
    for message in opening(placed):
        await socket.send(message)
    await socket.recv()
    socket.transport.abort()
    with pytest.raises(InvalidStatus):
        await connect(url, origin="https://evil.example")  # type: ignore[arg-type]
    async with connect(url, origin=page_of(server)) as again:  # type: ignore[arg-type]
        for message in opening(placed, "MZ2"):
            await again.send(message)
        assert json.loads(await again.recv())["streamSid"] == "MZ2"
        assert server.admission.calls == 1


REFUSED: dict[str, tuple[dict[str, str], str, int, str]] = {
    "another site's page": ({"Origin": "https://evil.example"}, "{}", 403, "another site's page"),
    "a page without an origin": ({"Origin": "null"}, "{}", 403, "another site's page"),
    "no page at all": ({}, "{}", 403, "another site's page"),
    "an assistant that is not there": ({"Origin": "HERE"}, '{"assistant":"x"}', 400, "unknown"),
    "an unknown field": ({"Origin": "HERE"}, '{"to":"+15550100"}', 400, "to"),
    "no JSON": ({"Origin": "HERE"}, "hello", 400, "expected"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses(server: Server, name: str) -> None:
    headers, body, status, detail = REFUSED[name]
    given = {key: page_of(server) if value == "HERE" else value for key, value in headers.items()}
    refused, problem = await ask(server, body=body, **given)
    assert refused == status
    assert detail in problem["detail"]
    assert server.admission.promised == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_For": "192.0.2.7", "Origin": "HERE"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
    ids=["through a proxy", "a name that was made to lead here"],
)
@pytest.mark.parametrize("path", ["/phone/calls", "/phone/assistants", "/phone/calls/x/trace", "/phone"])
async def test_who_is_not_on_this_machine_gets_nothing(
    server: Server, headers: dict[str, str], path: str
) -> None:
    given = {key: page_of(server) if value == "HERE" else value for key, value in headers.items()}
    status, _ = await ask(server, path, "{}" if path == "/phone/calls" else None, **given)
    assert status == 404
    assert server.admission.promised == 0


TOKEN = "k3Jt9QvXw2LmZ8pRb6TyN4cF"


@pytest.mark.parametrize(
    ("can", "status", "detail"),
    [
        (["see", "place"], 200, ""),
        (["see"], 403, "'place'"),
        (["place"], 401, ""),
    ],
)
async def test_from_elsewhere_it_needs_a_token_that_can_place(
    can: list[str], status: int, detail: str
) -> None:
    settings = SECRETS | {"control": {"tokens": [{"name": "ops", "token": TOKEN, "can": can}]}}
    async with Server(Settings.model_validate(settings)).running() as server:
        headers = {"X_Forwarded_For": "192.0.2.7", "Origin": page_of(server)}
        assert (await ask(server, **headers))[0] == 401
        found, problem = await ask(server, Authorization=f"Bearer {TOKEN}", **headers)
        assert found == status
        assert detail in problem.get("detail", "")


async def test_a_page_on_a_port_of_its_own_has_no_phone() -> None:
    control = {"port": 0, "tokens": [{"name": "ops", "token": TOKEN}]}
    async with Server(Settings.model_validate(SECRETS | {"control": control})).running() as server:
        assert (await ask(server, "/phone", None, Authorization=f"Bearer {TOKEN}"))[0] == 404


async def test_calls_are_rationed(server: Server) -> None:
    answers = [(await ask(server, Origin=page_of(server)))[0] for _ in range(module.CALLS_AT_ONCE + 1)]
    assert answers == [200] * module.CALLS_AT_ONCE + [429]


async def test_a_busy_machine_refuses_no_call_that_would_be_the_only_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.admission, "lag_s", lambda: 60.0)
    assert (await ask(server, Origin=page_of(server)))[0] == 200
    status, problem = await ask(server, Origin=page_of(server))
    assert (status, "the event loop is 60000 ms late" in problem["detail"]) == (503, True)


async def test_a_server_that_closes_says_so(server: Server) -> None:
    server.admission.refuse_new_calls()
    status, problem = await ask(server, Origin=page_of(server))
    assert (status, problem["detail"].partition(":")[0]) == (503, "the call is not taken")


@pytest.mark.parametrize("handle", ["x", "0" * 8 + "-" + "0" * 32])
async def test_a_trace_that_is_not_there(server: Server, handle: str) -> None:
    assert (await ask(server, f"/phone/calls/{handle}/trace", None))[0] == 404


def test_the_newest_traces_are_kept() -> None:
    traces = KeptTraces()
    kept = [traces.keep("twilio", f"CA{number}", f"handle {number}") for number in range(MOST_KEPT + 1)]
    assert traces.find("twilio", "CA0") is None
    assert kept[0].is_over.is_set()
    assert traces.find("twilio", "CA1") is kept[1]
    assert traces.with_handle("handle 1") is kept[1]
    assert traces.with_handle("handle 0") is None


def test_a_trace_that_is_too_long_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.shell.kept_traces.MOST_BYTES", 10)
    trace = KeptTraces().keep("twilio", "CA1", "handle")
    for line in (b"12345\n", b"123\n", b"1\n", b"\n"):
        trace.append(line)
    assert trace.content == b"12345\n123\n"


@pytest.mark.parametrize(
    ("more", "starts"),
    [({}, True), ({"public_url": "https://voice.example.com"}, False), ({"host": "0.0.0.0"}, False)],
)
def test_without_a_carriers_key_a_server_starts_for_this_machine_alone(
    more: dict[str, Any], starts: bool
) -> None:
    settings = Settings.model_validate({"port": 0} | more)
    if starts:
        check_doors(settings)
        return
    with pytest.raises(ConfigurationError, match="no carrier can prove"):
        check_doors(settings)
