"""`voicebridge calls`: what each command asks of the control API, what it prints, and its exit code."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from typer.testing import CliRunner

from bridge.cli import app as cli
from bridge.cli.control_client import Event, Refused, problem, read_events
from bridge.config.settings import load
from bridge.vocabulary.errors import ConfigurationError
from tests.processes import SETTINGS, free_port

TOKEN = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"

CALL = {
    "id": "v3:a/b",
    "carrier": "telnyx",
    "direction": "inbound",
    "route": "routes[0]",
    "assistant": "receptionist",
    "state": "talking",
    "began_at": "2026-11-30T12:00:00Z",
    "duration_s": 72.4,
    "from": "•••••••99",
    "to": "•••••••00",
    "parties": [{"name": "caller", "role": "talks", "hears": ["assistant"]}],
    "last_wait_ms": 640,
    "digits": "••",
    "held": True,
    "muted": ["assistant"],
}

DETAILS = CALL | {"transcript": [{"speaker": "caller", "text": "Hello\x1b[2J", "at_ms": 1500}]}


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    body: Any


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    return tmp_path


Respond = Callable[[web.Request], web.StreamResponse | None]


@asynccontextmanager
async def server(asked: list[Asked], respond: Respond = lambda _: None) -> AsyncIterator[str]:
    """A control API that takes everything; gives its address. `respond`: what it answers instead."""

    async def answer(request: web.Request) -> web.StreamResponse:
        text = await request.text()
        asked.append(Asked(request.method, request.raw_path, json.loads(text) if text else None))
        if request.method != "GET":
            assert len(request.headers["Idempotency-Key"]) == 36
        if (own := respond(request)) is not None:
            return own
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response(
                {"title": "Unauthorized", "detail": "the token is not one of these"},
                status=401,
                content_type="application/problem+json",
            )
        match request.method, request.path:
            case "GET", "/calls":
                return web.json_response({"calls": [CALL]})
            case "GET", _:
                return web.json_response(DETAILS)
            case "POST", "/calls":
                return web.json_response({"id": "CA1"}, status=202)
        return web.json_response({"word": "SomethingRequested", "call": "v3:a/b"}, status=202)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def calls(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output, and what is said on standard error."""
    done = await asyncio.to_thread(CliRunner().invoke, cli.app, ["calls", *arguments])
    if isinstance(done.exception, ConfigurationError):
        return 2, done.stdout, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


ID, PATH = "v3:a/b", "/calls/v3%3Aa%2Fb"


@pytest.mark.parametrize(
    ("command", "method", "path", "body", "said"),
    [
        (["tell", ID, "He is a doctor"], "POST", "/tell", {"text": "He is a doctor", "respond": True}, "was told"),
        (["tell", ID, "x", "--quietly"], "POST", "/tell", {"text": "x", "respond": False}, "was told"),
        (["transfer", ID, "ann"], "POST", "/transfer", {"person": "ann"}, "ann is called."),
        (["take", ID, "ann"], "POST", "/take", {"person": "ann"}, "ann takes the call."),
        (["give-back", ID], "POST", "/give-back", {}, "The assistant has the call again."),
        (["hold", ID], "POST", "/hold", {}, "on hold"),
        (["unhold", ID], "POST", "/unhold", {}, "off hold"),
        (["mute", ID, "caller"], "POST", "/mute", {"who": "caller", "muted": True}, "is muted"),
        (["mute", ID, "caller", "--off"], "POST", "/mute", {"who": "caller", "muted": False}, "heard again"),
        (["supervise", ID, "sue"], "POST", "/supervise", {"supervisor": "sue", "role": "listen"}, "sue: listen."),
        (["supervise", ID, "sue", "--calls-in"], "POST", "/supervise",
         {"supervisor": "sue", "role": "listen", "calls_in": True}, "sue: listen."),
        (["supervise", ID, "sue", "--role", "whisper", "--to", "person"], "POST", "/supervise",
         {"supervisor": "sue", "role": "whisper", "to": "person"}, "sue: whisper."),
        (["press", ID, "12w#"], "POST", "/press", {"keys": "12w#"}, "The keys are pressed."),
        (["end", ID], "DELETE", "", None, "The call ends."),
    ],
)  # fmt: skip
async def test_each_verb(command: list[str], method: str, path: str, body: object, said: str) -> None:
    asked: list[Asked] = []
    async with server(asked) as url:
        code, out, err = await calls("--url", url, "--token", TOKEN, *command)
        assert (code, err) == (0, "")
        assert said in out
        code, out, _ = await calls("--url", url, "--token", TOKEN, *command, "--json")
        assert json.loads(out) == {"word": "SomethingRequested", "call": ID}
    assert asked == [Asked(method, PATH + path, body)] * 2


async def test_a_call_is_placed() -> None:
    asked: list[Asked] = []
    async with server(asked) as url:
        code, out, _ = await calls(
            "--url", url, "--token", TOKEN, "place", "--to", "+15550100", "--carrier", "twilio",
            "--variable", "name=Ann", "--variable", "rule=a=b",
        )  # fmt: skip
        assert (code, out) == (0, "It rings. CA1\n")
        code, _, err = await calls(
            "--url", url, "--token", TOKEN, "place", "--to", "+1", "--carrier", "x", "--variable", "a"
        )
    assert (code, err) == (2, "--variable 'a': should be NAME=VALUE")
    variables = {"name": "Ann", "rule": "a=b"}
    assert asked == [
        Asked("POST", "/calls", {"carrier": "twilio", "to": "+15550100", "variables": variables})
    ]


async def test_the_list_and_one_call() -> None:
    async with server([]) as url:
        code, out, _ = await calls("--url", url, "--token", TOKEN, "list")
        row = " ".join(out.splitlines()[-1].split())
        assert code == 0
        assert "v3:a/b talking 1:12" in row
        code, out, _ = await calls("--url", url, "--token", TOKEN, "list", "--json")
        assert json.loads(out) == {"calls": [CALL]}
        code, out, _ = await calls("--url", url, "--token", TOKEN, "show", ID)
        assert "caller talks and hears assistant" in out
        assert "    1.5 s caller: Hello·[2J" in out, "no control character of a caller's gets to the terminal"
        assert "held, assistant muted, typing ••" in out


async def test_no_calls() -> None:
    async with server([], lambda _: web.json_response({"calls": []})) as url:
        code, out, _ = await calls("--url", url, "list")
    assert (code, out) == (0, "No calls are under way.\n")


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (401, {"title": "Unauthorized"}, 1, "Unauthorized (401)"),
        (403, {"detail": "ops may not end calls"}, 1, "ops may not end calls (403)"),
        (404, {"detail": "no call of this id is under way"}, 3, "no call of this id is under way (404)"),
        (404, None, 3, "there is no control API at this address: [control] tokens should be set"),
        (409, {"detail": "it cannot be held", "state": "ringing"}, 4, "it cannot be held; the call is ringing (409)"),
        (429, {"detail": "too many requests"}, 1, "too many requests; try again in 7 s (429)"),
        (503, None, 1, "the server is closing (503)"),
        (500, {"detail": "\x1b]0;x\x07"}, 1, "·]0;x· (500)"),
    ],
)  # fmt: skip
async def test_a_refusal_is_a_sentence(
    status: int, body: dict[str, str] | None, code: int, said: str
) -> None:
    def refuse(_: web.Request) -> web.Response:
        text = "<html>" if body is None else json.dumps(body)
        headers = {"Retry-After": "7"} if status == 429 else {}
        return web.Response(status=status, text=text, headers=headers)

    async with server([], refuse) as url:
        done, out, err = await calls("--url", url, "--token", TOKEN, "hold", ID)
    assert (done, out) == (code, "")
    assert err.startswith(f"voicebridge: {said}")


async def test_nobody_listens() -> None:
    port = free_port()
    code, _, err = await calls("--url", f"http://127.0.0.1:{port}", "list")
    assert code == 1
    assert err.startswith(f"voicebridge: no server answers at 127.0.0.1, port {port}: ")


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "http://x:99999", "http://[::1"])
async def test_an_address_that_is_none(url: str) -> None:
    code, _, err = await calls("--url", url, "list")
    assert code == 2
    assert "should be an address such as http://127.0.0.1:8080" in err


async def test_where_the_token_comes_from(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = here / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    async with server([]) as url:
        assert (await calls("--url", url, "--token-file", str(file), "list"))[0] == 0
        assert (await calls("--url", url, "list"))[0] == 1
        monkeypatch.setenv("VOICEBRIDGE_CONTROL_TOKEN", TOKEN)
        assert (await calls("--url", url, "list"))[0] == 0
        monkeypatch.setenv("VOICEBRIDGE_CONTROL_URL", url)
        assert (await calls("list"))[0] == 0
        code, _, err = await calls("--token-file", str(file), "list")
        assert (code, err) == (2, "--token and --token-file: expected one of the two")
    code, _, err = await calls("--token", "two words", "list")
    assert code == 2
    assert "two words" not in err
    assert load().port == 8080, "and the server's settings do not mind these variables"


def test_a_token_in_clear_to_another_machine_is_warned_of() -> None:
    from bridge.cli.control_client import ControlClient

    assert ControlClient("http://10.0.0.1", TOKEN).sends_in_clear
    assert not ControlClient("https://10.0.0.1", TOKEN).sends_in_clear
    assert not ControlClient("http://127.0.0.1:8080", TOKEN).sends_in_clear
    assert not ControlClient("http://10.0.0.1").sends_in_clear


STREAM = [
    ("snapshot", {"calls": [CALL]}),
    ("levels", {ID: [-20, -30]}),
    ("text", {"id": ID, "speaker": "caller", "text": "Hello"}),
    ("word", {"at_ms": 2500, "what": "SpeechStarted", "item": "a"}),
    ("ended", {"id": ID, "reason": "the caller hung up"}),
]


def feed(_: web.Request) -> web.Response:
    """Events and comments, and then the end."""
    pieces = [":\n\n", *(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in STREAM)]
    return web.Response(text="".join(pieces), content_type="text/event-stream")


async def test_a_call_is_watched_to_its_end() -> None:
    asked: list[Asked] = []
    async with server(asked, feed) as url:
        code, out, _ = await calls("--url", url, "watch", ID)
        assert code == 0
        assert out.splitlines()[2:] == [
            f"{ID} caller: Hello",
            "    2.5 s SpeechStarted item=a",
            f"{ID} has ended: the caller hung up",
        ]
        code, out, _ = await calls("--url", url, "watch", "--json")
        assert [json.loads(line)["event"] for line in out.splitlines()] == [name for name, _ in STREAM]
    assert [one.path for one in asked] == [f"{PATH}/events", "/calls/events"]


def test_events_in_any_form() -> None:
    lines = [
        "data: 1",
        "",
        ": comment",
        "event:a",
        "data:2",
        "id: 5",
        "",
        "data: [1,",
        "data: 2]",
        "",
        "data: x",
        "",
    ]
    assert list(read_events(lines)) == [Event("message", 1), Event("a", 2), Event("message", [1, 2])]


def test_a_status_that_nobody_knows() -> None:
    assert isinstance(problem(599, b""), Refused)


async def test_ids_are_completed_from_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server([]) as url:
        done = await asyncio.to_thread(
            completed, f"voicebridge calls --url {url} --token {TOKEN} show ", monkeypatch
        )
    assert done == [ID]
    assert await asyncio.to_thread(completed, f"voicebridge calls --url {url} show ", monkeypatch) == []


def completed(line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What fish is offered at the end of a line."""
    environment = {"_VOICEBRIDGE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": line}
    environment["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    done = CliRunner().invoke(cli.app, [], prog_name="voicebridge", env=environment)
    return [text.partition("\t")[0] for text in done.stdout.splitlines() if text]
