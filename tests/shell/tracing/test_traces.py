"""A call over loopback with an assistant, a tool and a receiver of traces: what came there, and who was told of it."""

import asyncio
import json
import sys
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import ConfigurationError
from tests.shell.tracing.otlp import Receiver, attributes, receiver, traceparent

TIMEOUT_S = 20.0
CALL = "CA" + "0123456789abcdef" * 2
START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "callSid": CALL,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
}
SOUND = b"\x10" * 1_600  # 200 ms
WEBHOOK = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OPEN: dict[str, Any] = {"port": 0, "assistant": "echo", "security": {"allow_unauthenticated": True}}
SAID = "my cat is called Tom"


class Assistant:
    """Has one turn with a tool in it, then is interrupted in another one, and hangs up."""

    def __init__(self) -> None:
        self.upgrades: list[dict[str, str]] = []

    async def __call__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.upgrades.append({name.lower(): value for name, value in socket.request.headers.raw_items()})
        with suppress(ConnectionClosed):
            async for message in socket:
                if isinstance(message, bytes):
                    continue
                match json.loads(message)["type"]:
                    case "hello":
                        await self._send(socket, type="hello", turns="assistant")
                        await self._send(socket, type="speech_stopped")
                        await self._send(socket, type="said", who="caller", text=SAID)
                        await self._send(
                            socket, type="call_tool", id="t1", tool="price", arguments={"of": "Tom"}
                        )
                    case "answer":
                        await self._reply(socket, "a")
                        await self._send(socket, type="reply_end")
                    case "heard":
                        await self._second_turn(socket)
                    case "interrupted":
                        await self._send(socket, type="hang_up")

    async def _second_turn(self, socket: ServerConnection) -> None:
        await self._send(socket, type="speech_stopped")
        await self._reply(socket, "b")
        await self._send(socket, type="interrupt")

    async def _reply(self, socket: ServerConnection, item: str) -> None:
        await self._send(socket, type="reply", item=item)
        await self._send(socket, type="said", who="assistant", text="It is eleven")
        await socket.send(SOUND)

    async def _send(self, socket: ServerConnection, **message: Any) -> None:
        await socket.send(json.dumps(message))


class Shop:
    """The tool's server."""

    def __init__(self) -> None:
        self.traceparents: list[str] = []
        app = web.Application()
        app.router.add_post("/price", self._price)
        self.server = TestServer(app)

    async def _price(self, request: web.Request) -> web.Response:
        self.traceparents.append(request.headers.get("traceparent", ""))
        return web.Response(text="11 euros")


@pytest.fixture
async def traces() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    await made.server.start_server()
    yield made
    await made.server.close()


async def carry(server: Server, header: str = "") -> None:
    """The carrier's side of one call: it plays at once, and returns each mark."""
    url = f"http://127.0.0.1:{server.port}/twilio/voice"
    form = {"CallSid": CALL, "From": "+15550142000", "To": "+15550142001", "Direction": "inbound"}
    headers = {"traceparent": header} if header else {}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
        twiml = await answer.text()
    async with connect(twiml.partition('url="')[2].partition('"')[0]) as socket:
        await socket.send(json.dumps({"event": "connected"}))
        await socket.send(json.dumps(START))
        await _play(socket)
    await server.admission.idle()


async def _play(socket: ClientConnection) -> None:
    payload = b64encode(b"\xff" * 160).decode()
    media = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": payload}
    await socket.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": media}))
    with suppress(ConnectionClosed):
        async for message in socket:
            told = json.loads(message)
            if told["event"] == "mark":
                await socket.send(json.dumps(told))


async def call(
    traces: Receiver, shop: Shop, header: str = "", *, preconnect: bool = False, **otel: Any
) -> Assistant:
    """One call of a server, which has closed behind it."""
    assistant = Assistant()
    async with asyncio.timeout(TIMEOUT_S), serve(assistant, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        parameters = {"type": "object", "properties": {"of": {"type": "string"}}}
        price = {"url": str(shop.server.make_url("/price")), "description": "x", "parameters": parameters}
        sales = {"kind": "stream", "url": f"ws://127.0.0.1:{port}/", "tools": {"price": price}}
        settings = {
            "port": 0,
            "assistant": "sales",
            "assistants": {"sales": sales | {"preconnect": preconnect}},
            "security": {"allow_unauthenticated": True},
            "otel": {"endpoint": traces.url} | otel,
        }
        async with Server(Settings.model_validate(settings)).running() as server:
            await carry(server, header)
    return assistant


async def test_a_call_is_a_trace_with_spans_of_its_turns_replies_and_tools(
    traces: Receiver, shop: Shop
) -> None:
    before_ns = time.time_ns()
    assistant = await call(traces, shop, headers={"x-key": "abc"}, service_name="front desk", call_id="plain")
    root = traces.one("call")
    assert {span.trace_id for span in traces.spans} == {root.trace_id}
    assert root.parent_span_id == b""
    assert before_ns < root.start_time_unix_nano < root.end_time_unix_nano < time.time_ns()
    found = attributes(root)
    assert found["voicebridge.call.id"] == found["gen_ai.conversation.id"] == CALL
    assert found["voicebridge.carrier"] == "twilio"
    assert found["voicebridge.direction"] == "inbound"
    assert found["voicebridge.assistant"] == "sales"
    assert found["voicebridge.ended_by"] == "assistant"
    assert found["voicebridge.turns"] == 2

    opened = traces.one("assistant.connect")
    assert opened.parent_span_id == root.span_id
    assert assistant.upgrades[0]["traceparent"] == traceparent(opened)

    first, second = traces.named("turn")
    assert first.parent_span_id == second.parent_span_id == root.span_id
    assert attributes(second)["voicebridge.turn.interrupted"] is True
    assert attributes(second)["voicebridge.turn.heard_of_ms"] < 200
    assert [event.name for event in second.events] == ["barge_in"]
    assert "voicebridge.turn.interrupted" not in attributes(first)

    tool = traces.one("execute_tool price")
    assert tool.parent_span_id == first.span_id
    assert shop.traceparents == [traceparent(tool)]
    assert attributes(tool)["gen_ai.tool.call.id"] == "t1"

    replies = traces.named("generate_content")
    assert [reply.parent_span_id for reply in replies] == [first.span_id, second.span_id]
    assert [attributes(reply)["gen_ai.response.id"] for reply in replies] == ["a", "b"]
    assert replies[0].start_time_unix_nano >= tool.end_time_unix_nano

    assert traces.resources[0]["service.name"] == "front desk"
    assert traces.headers[0]["x-key"] == "abc"
    assert not [body for body in traces.bodies if b"Tom" in body or b"eleven" in body or b"euros" in body]


async def test_the_trace_of_the_webhook_goes_on(traces: Receiver, shop: Shop) -> None:
    await call(traces, shop, WEBHOOK)
    root = traces.one("call")
    assert root.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    assert attributes(root)["voicebridge.call.id"] != CALL
    assert len(attributes(root)["voicebridge.call.id"]) == 32


async def test_an_assistant_that_is_connected_ahead_of_the_call_is_told_of_the_call(
    traces: Receiver, shop: Shop
) -> None:
    assistant = await call(traces, shop, preconnect=True)
    assert len(assistant.upgrades) == 1
    assert assistant.upgrades[0]["traceparent"] == traceparent(traces.one("call"))
    assert traces.one("assistant.connect")


async def test_what_was_said_is_there_where_the_settings_say_so(traces: Receiver, shop: Shop) -> None:
    await call(traces, shop, content=True)
    (first, _), tool = traces.named("turn"), traces.one("execute_tool price")
    assert json.loads(attributes(first)["gen_ai.input.messages"])[0]["parts"][0]["content"] == SAID
    assert attributes(tool)["gen_ai.tool.call.arguments"] == '{"of": "Tom"}'
    assert attributes(tool)["gen_ai.tool.call.result"] == "11 euros"
    assert "It is eleven" in attributes(traces.named("generate_content")[0])["gen_ai.output.messages"]


@pytest.mark.parametrize(
    ("header", "ratio", "flags"), [("", 0.0, "00"), (WEBHOOK[:-1] + "0", 1.0, "00"), (WEBHOOK, 0.0, "01")]
)
async def test_a_call_that_is_not_of_the_sample_has_no_spans_and_says_so(
    header: str, ratio: float, flags: str, traces: Receiver, shop: Shop
) -> None:
    assistant = await call(traces, shop, header, sample_ratio=ratio)
    assert bool(traces.spans) == (flags == "01")
    assert assistant.upgrades[0]["traceparent"].endswith(f"-{flags}")
    assert shop.traceparents[0].endswith(f"-{flags}")


async def test_without_an_endpoint_nobody_is_told_of_a_trace(traces: Receiver, shop: Shop) -> None:
    assistant = await call(traces, shop, WEBHOOK, disabled=True)
    assert traces.spans == []
    assert "traceparent" not in assistant.upgrades[0]
    assert shop.traceparents == [""]


async def test_a_receiver_that_is_away_costs_a_line_and_no_call(traces: Receiver, shop: Shop) -> None:
    traces.status = 400
    with capture_logs() as lines:
        await call(traces, shop)
    (line,) = [line for line in lines if line["event"] == "= traces were not taken"]
    assert line["spans"] > 5
    assert "400" in line["reason"]
    assert not [line for line in lines if "opentelemetry" in str(line)]


async def test_a_server_that_closes_waits_for_a_receiver_no_longer_than_it_may(
    traces: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.shell.tracing.exporter.LAST_EXPORT_S", 0.2)
    traces.answers.clear()
    settings = dict(OPEN)
    settings["otel"] = {"endpoint": traces.url}
    async with asyncio.timeout(TIMEOUT_S), Server(Settings.model_validate(settings)).running() as server:
        await place_call(f"http://127.0.0.1:{server.port}/twilio/voice", CallPlan(b"\x20" * 800))
        began = time.monotonic()
    assert time.monotonic() - began < 1.5
    assert traces.came.is_set()
    traces.answers.set()
    for thread in threading.enumerate():
        if thread.name.startswith(("last traces", "Otel")):
            await asyncio.to_thread(thread.join, 5)


def test_without_the_extra_the_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(
        ConfigurationError,
        match=r"otel\.endpoint: needs OpenTelemetry: pip install 'voicebridge-server\[otel\]'",
    ):
        Server(Settings.model_validate(OPEN | {"otel": {"endpoint": "http://127.0.0.1:1"}}))
    Server(Settings.model_validate(OPEN))
