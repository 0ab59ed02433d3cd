"""A carrier that nobody but its own folder and the registry knows: its settings, webhooks, calls, and what ends them."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner
from websockets.asyncio.server import ServerConnection, serve

from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.registry import CARRIERS
from bridge.cli.app import app
from bridge.config.audio_file import write_wav
from bridge.config.settings import Settings
from bridge.shell.outbound import place_call as place_outbound_call
from bridge.shell.server import Server
from bridge.simulators.carriers.registry import SIMULATORS
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused, ConfigurationError
from tests.assistants.toy.kind import TOY_ASSISTANT
from tests.carriers.toy.kind import TOY
from tests.carriers.toy.simulator import TOY_SIMULATOR, ToyExchange

PASSWORD = "toy-password-of-no-account"
SAID = np.random.default_rng(7).integers(0, 127, 2_400, np.uint8).tobytes()  # 300 ms
TIMEOUT_S = 30.0


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a new carrier needs outside its folder."""
    monkeypatch.setitem(CARRIERS, "toy", TOY)
    monkeypatch.setitem(SIMULATORS, "toy", TOY_SIMULATOR)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and no environment, for the command line."""
    for name in os.environ:
        if name.startswith(("VOICEBRIDGE_", "TWILIO_", "TELNYX_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def settings(**tables: Any) -> Settings:
    toy = {"password": PASSWORD} | tables.pop("toy", {})
    return Settings.model_validate({"port": 0, "assistant": "echo", "toy": toy} | tables)


async def call(
    server: Server, plan: CallPlan, path: str = "/toy/call", password: str = PASSWORD
) -> CallReport:
    url = f"http://127.0.0.1:{server.port}{path}"
    return await place_call(url, plan, carrier=ToyExchange(password))


@dataclass
class ToyRest:
    """The toy carrier's REST API, which answers each request and remembers it."""

    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Path and body."""
    more: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {PASSWORD}"
        self.asked.append((request.path, await request.json()))
        self.more.set()
        return web.json_response({"call": "toy-1"})

    async def wait_for(self, path: str) -> dict[str, Any]:
        """The body of the first request to this path."""
        async with asyncio.timeout(TIMEOUT_S):
            while not (found := [body for asked, body in self.asked if asked == path]):
                self.more.clear()
                await self.more.wait()
        return found[0]


@asynccontextmanager
async def rest() -> AsyncIterator[ToyRest]:
    toy = ToyRest()
    application = web.Application()
    application.router.add_post("/{path:.*}", toy.answer)
    async with TestServer(application) as server:
        toy.url = str(server.make_url("")).rstrip("/")
        yield toy


# Calls


async def test_a_call_is_carried() -> None:
    async with asyncio.timeout(TIMEOUT_S), Server(settings()).running() as server:
        report = await call(server, CallPlan(SAID, linger_s=0.2))
    assert (report.ending, report.warnings) == (Ending.QUIET, ())
    assert SAID in b"".join(audio for _, audio in report.received)
    assert report.marks


async def test_a_route_has_the_parameters_and_the_path_of_its_webhook(tmp_path: Path) -> None:
    routes = [
        {"path": "sales", "assistant": "echo"},
        {"parameters": {"plan": "gold"}, "assistant": "parrot"},
    ]
    tables: dict[str, Any] = {"routes": routes, "journal": {"directory": tmp_path}}
    for path, toy, assistant in (
        ("/toy/call/sales", {}, "echo"),
        ("/toy/call", {"parameters": {"plan": "gold"}}, "parrot"),
    ):
        server = Server(settings(toy=toy, **tables | {"assistant": "parrot"}))
        async with asyncio.timeout(TIMEOUT_S), server.running():
            await call(server, CallPlan(hang_up_at_ms=60), path)
        (file,) = tmp_path.glob("*.jsonl")
        opened = [json.loads(line) for line in file.read_text().splitlines()]
        assert [line["assistant"] for line in opened if line["what"] == "OpenAssistant"] == [assistant]
        file.unlink()


async def test_the_call_is_ended_by_rest_after_the_bridge_has_closed_its_stream() -> None:
    async with asyncio.timeout(TIMEOUT_S), rest() as toy:
        limits = {"longest_call_s": 0.2}
        async with Server(settings(toy={"api_url": toy.url}, limits=limits)).running() as server:
            report = await call(server, CallPlan(SAID))
            assert report.ending is Ending.SERVER_LEFT
            assert await toy.wait_for("/calls/toy-1/end") == {}


async def test_a_caller_who_hangs_up_needs_no_end_by_rest() -> None:
    async with asyncio.timeout(TIMEOUT_S), rest() as toy:
        async with Server(settings(toy={"api_url": toy.url})).running() as server:
            await call(server, CallPlan(SAID, hang_up_at_ms=100))
            await server.admission.idle()
            await server.files.written()
        assert toy.asked == []


async def test_an_assistant_s_keys_are_pressed_by_the_carrier(monkeypatch: pytest.MonkeyPatch) -> None:
    async def says_back(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    monkeypatch.setitem(ASSISTANTS, "toy", TOY_ASSISTANT)
    async with (
        asyncio.timeout(TIMEOUT_S),
        rest() as toy,
        serve(says_back, "127.0.0.1", 0, compression=None) as assistant,
    ):
        port = next(iter(assistant.sockets)).getsockname()[1]
        mine = {"kind": "toy", "url": f"ws://127.0.0.1:{port}/", "api_key": "key"}
        tables: dict[str, Any] = {"assistant": "mine", "assistants": {"mine": mine}}
        async with Server(settings(toy={"api_url": toy.url}, **tables)).running() as server:
            await call(server, CallPlan(SAID, (Digit("5", 100),), linger_s=0.2))
            assert await toy.wait_for("/calls/toy-1/keys") == {"keys": "5"}


async def test_a_wrong_password_is_turned_away() -> None:
    async with Server(settings()).running() as server:
        with pytest.raises(CallRefused, match="403: the password is wrong"):
            await call(server, CallPlan(SAID), password="guessed")


# A call that we place


async def test_placing_a_call() -> None:
    async with rest() as toy:
        placing = settings(toy={"api_url": toy.url}, public_url="https://voice.example.com")
        call_id = await place_outbound_call(
            placing, "toy", to="+15550100", from_="+15550199", assistant="parrot"
        )
        assert call_id == "toy-1"
        assert toy.asked == [
            (
                "/calls",
                {
                    "to": "+15550100",
                    "from": "+15550199",
                    "webhook": "https://voice.example.com/toy/call?assistant=parrot",
                },
            )
        ]


async def test_what_is_missing_is_said_before_anybody_is_called() -> None:
    placing = settings(toy={"password": None}, public_url="https://voice.example.com")
    with pytest.raises(ConfigurationError, match=r"toy\.password is missing"):
        await place_outbound_call(placing, "toy", to="+15550100", from_="+15550199")


# The command line


def invoke(*arguments: str, **environment: str) -> tuple[int, str]:
    shown = CliRunner().invoke(app, [*arguments], env=environment)
    return shown.exit_code, str(shown.exception) if shown.exception else shown.output


@pytest.mark.usefixtures("here")
def test_config_check_says_where_its_calls_come_to() -> None:
    assert invoke("config", "check", TOY_PASSWORD=PASSWORD) == (
        0,
        "The settings are good.\nCalls go to 'parrot'.\nThe toy's come to http://127.0.0.1:8080/toy/call.\n",
    )


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("pasword = 'x'", "voicebridge.toml: there is no setting toy.pasword; did you mean password?"),
        ("password = ''", "voicebridge.toml: toy.password: "),
        ("api_url = 'x'", "voicebridge.toml: toy.api_url = 'x': should be a web address"),
        ("password = 'two words'", "toy.password: should be one word"),
    ],
)
def test_config_check_finds_what_is_wrong_with_it(table: str, why: str, here: Path) -> None:
    (here / "voicebridge.toml").write_text(f"[toy]\n{table}\n")
    code, told = invoke("config", "check")
    assert code == 1
    assert told.startswith(why)


def test_config_check_wants_the_password_where_calls_come_from_outside(here: Path) -> None:
    (here / "voicebridge.toml").write_text('public_url = "https://bridge.example.com"')
    code, told = invoke("config", "check")
    assert code == 1
    assert told.startswith(
        "twilio.auth_token, telnyx.public_key and toy.password are missing, and without one of them no carrier can "
        "prove to be one: set TWILIO_AUTH_TOKEN, TELNYX_PUBLIC_KEY or TOY_PASSWORD"
    )


@pytest.mark.usefixtures("here")
def test_config_show_has_its_table_and_hides_its_password() -> None:
    code, shown = invoke(
        "config", "show", TOY_PASSWORD=PASSWORD, VOICEBRIDGE_TOY__API_URL="https://toy.example"
    )
    assert (code, PASSWORD in shown) == (0, False)
    assert json.loads(shown)["toy"] == {
        "password": "**********",
        "api_url": "https://toy.example",
        "parameters": {},
    }


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["call", "dial"])
def test_help_lists_it(command: str) -> None:
    assert "twilio or telnyx or toy" in invoke(command, "--help")[1]


async def test_the_command_call_plays_it(here: Path) -> None:
    write_wav(here / "said.wav", SAID)
    async with Server(settings()).running() as server:
        url = f"http://127.0.0.1:{server.port}/toy/call"
        arguments = ("call", url, "--carrier", "toy", "--audio", "said.wav", "--json")
        code, shown = await asyncio.to_thread(invoke, *arguments, TOY_PASSWORD=PASSWORD)
    assert code == 0
    assert json.loads(shown)["call"] == "toy-1"
