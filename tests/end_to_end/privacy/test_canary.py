"""Telephone numbers, keys, sensitive digits, secret parameters and names, planted wherever somebody else can write.

One call over loopback with a carrier, an assistant, tools and strangers that plant them, at debug, with journal,
recording, trace and spans; then everything that was written is searched for them.
"""

import asyncio
import importlib
import json
import logging
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.carriers.twilio.signature import signature
from bridge.cli import log as log_module
from bridge.config.settings import Settings
from bridge.shell.server import Server
from tests.shell.tracing.otlp import Receiver, receiver

AUTH_TOKEN = "0123456789canary0123456789canary"
PIN = "864297"  # six digits: too few to be taken for a telephone number
PLANTED = {
    "a number": ["15550142", "5550142", "1705550042", "170 555 00 42", "55501420042", "555 0142 0042"],
    "a key": ["sk-canary", "KEY0123456789ABCDEF", "canary.jwt", "Zm9vYmFyOmNhbmFyeQ", AUTH_TOKEN],
    "sensitive digits": [PIN, " ".join(PIN), "-".join(PIN)],
    "a secret parameter": ["hunter2-canary", "plain-canary"],
    "a name": ["Mallory Canary", "Mallory%20Canary"],
}
NUMBER = "+1 (555) 0142"
ANYWHERE = (
    f"{NUMBER} +15550142 %2B15550142 sip:15550142@example.com sk-canary-0001 KEY0123456789ABCDEF Bearer canary.jwt "
    "Basic Zm9vYmFyOmNhbmFyeQ== api_key=plain-canary "
    'secret: {"password": "plain-canary", "headers": {"x": "plain-canary"}} '
    "wss://user:plain-canary@host.example/twilio/media/plain-canary?api_key=plain-canary"
)
"""What is known by its looks, whoever writes it."""
EVERYTHING = f"{PIN} pin {' '.join(PIN)} hunter2-canary {ANYWHERE}"
"""With what is known by its value, to whoever writes of this call."""
CALL = "CA" + "0123456789abcdef" * 2
STREAM = "MZ-15550142"
START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": STREAM,
    "start": {
        "streamSid": STREAM,
        "callSid": CALL,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {
            "api_key": "hunter2-canary",
            "caller": NUMBER,
            NUMBER: "x",
            "note": "sk-canary-0001",
        },
    },
}
TIMEOUT_S = 30.0


class Assistant:
    """Says what it should not, in each message of the stream protocol that has a text."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.entry: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def __call__(self, socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "hello"}))
        await socket.send(json.dumps({"type": "collect_digits", "id": "+15550142", "sensitive": True}))
        with suppress(ConnectionClosed):
            async for message in socket:
                if isinstance(message, bytes):
                    continue
                told = json.loads(message)
                if told["type"] == "entry":
                    await self._plant(socket, told)
                elif told["type"] == "answer":
                    self.answers.append(told)
                    if len(self.answers) == 2:
                        await self._fail(socket)

    async def _plant(self, socket: ServerConnection, entry: dict[str, Any]) -> None:
        self.entry.set_result(entry)
        arguments = {"pin": entry["name"]}
        planted: list[dict[str, Any]] = [
            {"type": "reply", "item": "+15550142"},
            {"type": "said", "who": "assistant", "text": EVERYTHING},
            {"type": "said", "who": "caller", "text": EVERYTHING},
            {"type": "reply_end"},
            {"type": "note", "text": EVERYTHING},
            {"type": "error", "why": EVERYTHING},
            {"type": EVERYTHING},
            {"type": "note", "text": "x", EVERYTHING: EVERYTHING},
            {"type": "call_tool", "id": "t-+15550142", "tool": "pay", "arguments": arguments},
            {"type": "call_tool", "id": "sk-canary-0001", "tool": "fail", "arguments": arguments},
            {"type": "call_tool", "id": "t3", "tool": NUMBER, "arguments": {"api_key": "plain-canary"}},
        ]
        for message in planted:
            await socket.send(json.dumps(message))

    async def _fail(self, socket: ServerConnection) -> None:
        await socket.close(1008, "+15550142 sk-canary-0001 api_key=plain-canary")


class Office:
    """The users' server, asked before the call and told after it: its answers plant, and its first one takes nothing."""

    def __init__(self) -> None:
        self.reports: list[bytes] = []
        self.asked: list[dict[str, Any]] = []
        app = web.Application()
        app.router.add_post("/before", self._before)
        app.router.add_post("/after", self._after)
        self.server = TestServer(app)

    async def _before(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        planted = {
            "assistant": EVERYTHING,
            "variables": {"note": ANYWHERE},
            "instructions": EVERYTHING,
            "greeting": EVERYTHING,
            "parameters": {"token": "hunter2-canary", "mobile": NUMBER},
            "put_through": EVERYTHING[:150],
            ANYWHERE: 1,
        }
        return web.json_response(planted | {"assistant": "+15550142 sk-canary-0001"})

    async def _after(self, request: web.Request) -> web.Response:
        self.reports.append(await request.read())
        return web.Response(status=500 if len(self.reports) == 1 else 204, text=EVERYTHING)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    await office.server.start_server()
    yield office
    await office.server.close()


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tools' module, which the server imports by its name."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    module = importlib.import_module("vault")
    module.PAID.clear()
    return module


@pytest.fixture
def log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The log as `serve` sets it up, at debug, in a file."""
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    monkeypatch.setattr(log_module, "_standard_error", lambda: descriptor)
    log_module.configure("debug")
    yield path
    os.close(descriptor)


@asynccontextmanager
async def server(
    folder: Path, assistant_port: int, office: Office, traces: Receiver
) -> AsyncIterator[Server]:
    function = {"pay": {"function": "vault:pay"}, "fail": {"function": "vault:fail"}}
    settings = Settings.model_validate(
        {
            "port": 0,
            "log_level": "debug",
            "assistant": "planter",
            "assistants": {
                "planter": {
                    "kind": "stream",
                    "url": f"ws://127.0.0.1:{assistant_port}/",
                    "tools": function,
                }
            },
            "twilio": {"auth_token": AUTH_TOKEN},
            "journal": {"directory": folder / "journal"},
            "recording": {"directory": folder / "recordings"},
            "capture": {"directory": folder / "traces", "assistant": True},
            "limits": {"drain_s": 0.0},
            "keypad": {"sensitive": True},
            "otel": {"endpoint": traces.url, "content": True, "call_id": "plain"},
            "before_call": {"url": f"{office.server.make_url('/before')}?api_key=plain-canary"},
            "after_call": {"url": f"{office.server.make_url('/after')}?api_key=plain-canary"},
        }
    )
    async with Server(settings).running() as running:
        yield running


async def post(port: int, path: str, form: dict[str, str], *, is_signed: bool = True) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}{path}"
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, url, form.items())} if is_signed else {}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
        return answer.status, await answer.text()


FORM = {
    "CallSid": CALL,
    "From": "+15550142",
    "To": "+15550142",
    "CallerName": "Mallory Canary",
    "SpeechResult": ANYWHERE,
}


async def strangers(port: int) -> None:
    """What is turned away, or is not a request at all, with all of it in its path."""
    everything = quote(ANYWHERE.replace("/", " "))
    await post(port, f"/twilio/voice/{everything}?assistant={everything}", FORM)
    await post(port, f"/twilio/voice/+15550142?assistant={everything}", FORM, is_signed=False)
    await post(port, "/twilio/voice/15550142?api_key=plain-canary", FORM)
    await post(port, f"/{everything}", FORM)
    for path in ("/twilio/media/plain-canary", f"/twilio/media/{everything}"):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{port}{path}")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /twilio/voice/+15550142?api_key=plain-canary HTTP/1.1\r\nX sk-canary-0001\r\n\r\n")
    await reader.read()
    writer.close()


async def talk(socket: ClientConnection, assistant: Assistant) -> None:
    """The carrier's side of the call."""
    await socket.send(json.dumps({"event": "connected", "protocol": EVERYTHING, "version": EVERYTHING}))
    await socket.send(json.dumps(START))
    payload = b64encode(b"\xff" * 160).decode()
    for n in range(10):
        media = {"track": "inbound", "chunk": str(n), "timestamp": str(n * 20), "payload": payload}
        await socket.send(json.dumps({"event": "media", "streamSid": STREAM, "media": media}))
    for digit in f"{PIN}#":
        await socket.send(
            json.dumps({"event": "dtmf", "streamSid": STREAM, "dtmf": {"track": "inbound", "digit": digit}})
        )
    await assistant.entry
    for message in (
        {"event": "mark", "streamSid": STREAM, "mark": {"name": "+15550142 sk-canary-0001"}},
        {"event": EVERYTHING, "streamSid": STREAM},
        {"event": "media", "streamSid": EVERYTHING, "media": {"payload": EVERYTHING}},
    ):
        await socket.send(json.dumps(message))
    await socket.send(EVERYTHING)
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass


async def test_nothing_that_was_planted_is_written_anywhere(
    tmp_path: Path, log_file: Path, vault: ModuleType, office: Office
) -> None:
    assistant = Assistant()
    async with (
        asyncio.timeout(TIMEOUT_S),
        receiver() as sent,
        serve(assistant, "127.0.0.1", 0) as listening,
    ):
        port = next(iter(listening.sockets)).getsockname()[1]
        async with server(tmp_path, port, office, sent) as running:
            await strangers(running.port)
            status, twiml = await post(running.port, "/twilio/voice", FORM)
            assert status == 200
            async with connect(twiml.partition('url="')[2].partition('"')[0]) as socket:
                await talk(socket, assistant)
            error = {"StreamEvent": "stream-error", "StreamError": ANYWHERE, "StreamSid": STREAM}
            assert (await post(running.port, "/twilio/status", FORM | error))[0] < 300
            structlog.get_logger().error(ANYWHERE, api_key="plain-canary", call_id="+15550142")
            logging.getLogger("library").error("failed: %s", ANYWHERE)
    assert vault.PAID == [PIN], "the tool got the digits"
    assert (await assistant.entry)["name"] != PIN
    assert office.asked[-1]["from"] == "+15550142", "who is asked and told gets the numbers"
    told = office.reports[-1].decode()
    assert len(office.reports) == 2
    assert '"from":"+15550142"' in told
    assert [secret for secret in (PIN, "hunter2-canary") if secret in told] == []

    log = await written_log(log_file)
    journals, recordings = list((tmp_path / "journal").iterdir()), list((tmp_path / "recordings").iterdir())
    traces = list((tmp_path / "traces").iterdir())
    assert len(journals) == len(recordings) == len(traces) == 1
    written = {"log": log, "journal": journals[0].read_text(), "trace": traces[0].read_text()}
    written |= {"spans": b"".join(sent.bodies).decode(errors="replace")}
    files = [*journals, *recordings, *traces]
    written |= {"names": " ".join(str(file.relative_to(tmp_path)) for file in files)}
    leaks = [
        (where, what, canary, text[max(0, text.index(canary) - 120) :][:200])
        for where, text in written.items()
        for what, canaries in PLANTED.items()
        for canary in canaries
        if canary in text and not (where == "journal" and what == "a name")
    ]
    assert leaks == []
    # and the search had something to search
    for event in (
        "= call started",
        "= call over",
        "< assistant reported an error",
        "= before_call names an assistant",
        "= before_call: unknown fields",
        "= after_call: a report was not taken",
        "= tool failed",
        "< Ignored",
    ):
        assert event in log, event
    for word in (
        "CallerSaid",
        "ReplySaid",
        "NoteTaken",
        "ToolCalled",
        "ToolAnswered",
        "CallStarted",
        "Ended",
    ):
        assert f'"what":"{word}"' in written["journal"], word
    for name in ("call", "assistant.connect", "execute_tool pay", "execute_tool fail"):
        assert sent.one(name), name
    assert "gen_ai.input.messages" in written["spans"]
    for event in ("connected", "start", "media", "dtmf", "mark", "hello", "said", "note", "answer"):
        assert f':"{event}"' in written["trace"], event
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


async def written_log(path: Path) -> str:
    """The log, when its last line has been written: a thread does that."""
    for _ in range(500):
        if "library: failed" in (text := path.read_text()):
            return text
        await asyncio.sleep(0.01)
    raise AssertionError("the log is not complete")
