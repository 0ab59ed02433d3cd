"""Headers that expire: files and commands, read when they are needed, and again after a 401; over loopback where sockets matter."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from bridge.settings.assistants import PostAddress, SocketAddress
from bridge.settings.header_values import HeaderSource
from bridge.shell import header_values
from bridge.shell.assistant_http import AssistantPosts
from bridge.shell.assistant_socket import AssistantSockets
from bridge.shell.header_values import HeaderReader
from bridge.vocabulary.contracts import LegMessage, Post, Posted
from bridge.vocabulary.errors import ConfigurationError

GIVE_UP_S = 10.0
SECRET = "s3cret"


def command(code: str, **fields: Any) -> HeaderSource:
    return HeaderSource(command=(sys.executable, "-c", code), **fields)


def counting(file: Path) -> str:
    """A command that prints how often it ran."""
    return (
        f"from pathlib import Path; file = Path({str(file)!r}); "
        "runs = int(file.read_text()) + 1 if file.exists() else 1; "
        "file.write_text(str(runs)); print(f'run-{runs}')"
    )


@pytest.fixture
async def reader() -> AsyncIterator[HeaderReader]:
    reader = HeaderReader()
    yield reader
    await reader.aclose()


# What is read


async def test_a_text_a_file_and_a_command(reader: HeaderReader, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    headers: dict[str, str | HeaderSource] = {
        "A": "as it is",
        "B": HeaderSource(file=file, prefix="Bearer "),
        "C": command("print('printed')", prefix="Key "),
    }
    assert await reader.resolve(headers) == {"A": "as it is", "B": f"Bearer {SECRET}", "C": "Key printed"}
    file.write_text("another")
    assert (await reader.resolve(headers))["B"] == "Bearer another", "a file is read each time"


async def test_a_command_runs_once_for_many_calls(reader: HeaderReader, tmp_path: Path) -> None:
    headers = {"A": command(counting(tmp_path / "runs"))}
    reader.prepare(headers)
    values = await asyncio.gather(*(reader.resolve(headers) for _ in range(5)))
    assert values == [{"A": "run-1"}] * 5
    assert await reader.resolve(headers) == {"A": "run-1"}


async def test_a_command_runs_again_before_its_value_expires(
    reader: HeaderReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_values, "RENEW_AFTER", 0.2)
    headers = {"A": command(counting(tmp_path / "runs"), for_s=1.0)}
    assert await reader.resolve(headers) == {"A": "run-1"}
    async with asyncio.timeout(GIVE_UP_S):
        while await reader.resolve(headers) == {"A": "run-1"}:
            assert not reader._running or reader._values, "nobody waits for it"
            await asyncio.sleep(0.01)


FAULTS: list[tuple[Callable[[Path], HeaderSource], str]] = [
    (lambda folder: HeaderSource(file=folder / "none"), "/none: No such file or directory; should be a text file"),
    (lambda folder: HeaderSource(file=folder), ": Is a directory; should be a text file"),
    (lambda folder: HeaderSource(file=folder / "empty"), "/empty is empty: should hold the value of a header"),
    (lambda folder: HeaderSource(file=folder / "lines"), "/lines is not the value of a header: should be one line"),
    (lambda folder: HeaderSource(file=folder / "latin"), "/latin is not the value of a header: should be one line"),
    (lambda folder: HeaderSource(file=folder / "long"), "/long is not the value of a header: should be one line"),
    (lambda _: HeaderSource(command=("/no/such/program", SECRET)), "'/no/such/program': No such file or directory"),
    (lambda _: command(f"print('{SECRET}'); exit(3)"), " failed with exit code 3"),
    (lambda _: command(f"import sys; sys.exit('{SECRET}')"), " failed with exit code 1"),
    (lambda _: command("while True: print('x' * 1000)"), " is not the value of a header: should be one line"),
    (lambda _: command("pass"), " is empty: should hold"),
    (lambda _: command(f"print('{SECRET}'); print('{SECRET}')"), " is not the value of a header"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "why"), FAULTS)
async def test_what_cannot_be_read_is_said_without_the_value(
    reader: HeaderReader, tmp_path: Path, source: Callable[[Path], HeaderSource], why: str
) -> None:
    for name, text in {
        "empty": "\n",
        "lines": f"{SECRET}\n{SECRET}",
        "latin": "ä",
        "long": "x" * 70_000,
    }.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    with structlog.testing.capture_logs() as lines, pytest.raises(ConfigurationError) as refused:
        await reader.resolve({"X-Key": source(tmp_path)})
    assert str(refused.value).startswith("header X-Key: ")
    assert why in str(refused.value)
    assert SECRET not in str(refused.value) + str(lines)


async def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    reader: HeaderReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_values, "COMMAND_TIMEOUT_S", 1.0)
    pid = tmp_path / "pid"
    source = HeaderSource(command=("sh", "-c", f"sleep 100 & echo $! > {pid}; wait"))
    with pytest.raises(ConfigurationError, match="the command 'sh' did not end within 1 s"):
        await reader.resolve({"A": source})
    async with asyncio.timeout(GIVE_UP_S):
        while is_alive(int(pid.read_text())):  # noqa: ASYNC110  # another process tells nobody
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_the_last_value_is_sent_while_the_command_fails(reader: HeaderReader, tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("good")
    headers = {"A": command(f"print(open({str(file)!r}).read())", for_s=1.0)}
    assert await reader.resolve(headers) == {"A": "good"}
    file.unlink()
    source = headers["A"]
    reader._good_until[source] = 0.0  # its time is over
    assert await reader.resolve(headers) == {"A": "good"}
    assert await reader.renew(headers, {"A": "good"}) is None, "the server refused that one"


# 401


class Doorman:
    """A WebSocket server that lets in one token alone; tells what it was shown."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.shown: list[str] = []

    def answer(self, peer: ServerConnection, request: Request) -> Response | None:
        self.shown.append(request.headers["Authorization"])
        if self.shown[-1] == self.wanted:
            return None
        return peer.respond(401, f"not {self.shown[-1]}")


REFUSED: list[tuple[Callable[[Path], str | HeaderSource], list[str], bool]] = [
    (lambda file: command(counting(file)), ["run-1", "run-2"], True),
    (lambda _file: command("print('same')"), ["same"], False),
    (lambda _file: "static", ["static"], False),
]  # what the header is; what the server was shown; whether it let the call in


@pytest.mark.parametrize(("value", "shown", "is_in"), REFUSED)
async def test_a_refused_socket_is_tried_once_more_with_another_value(
    tmp_path: Path, value: Callable[[Path], str | HeaderSource], shown: list[str], is_in: bool
) -> None:
    doorman, sockets = Doorman("run-2"), AssistantSockets()
    told: asyncio.Queue[object] = asyncio.Queue()

    async def assistant(peer: ServerConnection) -> None:
        await peer.send("hello")
        await peer.wait_closed()

    async with (
        asyncio.timeout(GIVE_UP_S),
        serve(assistant, "127.0.0.1", 0, process_request=doorman.answer) as server,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        address = SocketAddress(f"ws://127.0.0.1:{port}/", {"Authorization": value(tmp_path / "runs")})
        sockets.connect(address, told.put_nowait, lambda code, why: told.put_nowait((code, why)))
        refused = (1008, "the upgrade was refused with HTTP 401: the key is missing or not accepted")
        assert await told.get() == ("hello" if is_in else refused)
        await sockets.aclose()
    assert doorman.shown == shown


async def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    doorman, sockets = Doorman("Bearer new"), AssistantSockets()
    told: asyncio.Queue[object] = asyncio.Queue()

    def answer(peer: ServerConnection, request: Request) -> Response | None:
        response = doorman.answer(peer, request)
        file.write_text("new")
        return response

    async def assistant(peer: ServerConnection) -> None:
        await peer.send("hello")
        await peer.wait_closed()

    async with (
        asyncio.timeout(GIVE_UP_S),
        serve(assistant, "127.0.0.1", 0, process_request=answer) as server,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        headers = {"Authorization": HeaderSource(file=file, prefix="Bearer ")}
        sockets.connect(
            SocketAddress(f"ws://127.0.0.1:{port}/", headers),
            told.put_nowait,
            lambda code, why: told.put_nowait((code, why)),
        )
        assert await told.get() == "hello"
        await sockets.aclose()
    assert doorman.shown == ["Bearer old", "Bearer new"]


async def test_a_call_waits_for_a_command_no_longer_than_for_its_connection() -> None:
    sockets = AssistantSockets()
    lost: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    address = SocketAddress("ws://127.0.0.1:9/", {"A": command("import time; time.sleep(30)")})
    sockets.connect(
        address, lambda _message: None, lambda code, why: lost.put_nowait((code, why)), timeout_s=0.1
    )
    async with asyncio.timeout(GIVE_UP_S):
        assert await lost.get() == (1006, "the values of the headers were not there within 0.1 s")
        await sockets.aclose()


async def test_a_value_that_cannot_be_read_loses_the_leg_with_the_reason(tmp_path: Path) -> None:
    sockets = AssistantSockets()
    lost: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    address = SocketAddress("ws://127.0.0.1:9/", {"A": HeaderSource(file=tmp_path / "none")})
    sockets.connect(address, lambda _message: None, lambda code, why: lost.put_nowait((code, why)))
    async with asyncio.timeout(GIVE_UP_S):
        code, why = await lost.get()
    assert code == 1006, "it may be there for the next try"
    assert why.startswith("header A: ")
    await sockets.aclose()


async def test_a_refused_post_is_tried_once_more(tmp_path: Path) -> None:
    shown: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        shown.append(f"{request.headers['Authorization']} {await request.text()}")
        return web.Response(status=200 if shown[-1].startswith("run-2") else 401)

    app = web.Application()
    app.add_routes([web.post("/", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    posts, answers = AssistantPosts(), asyncio.Queue[LegMessage]()
    try:
        headers = {"Authorization": command(counting(tmp_path / "runs"))}
        port = runner.addresses[0][1]
        address = PostAddress(f"http://127.0.0.1:{port}/", headers, GIVE_UP_S, 1_000)
        leg = posts.open(address, answers.put_nowait, lambda _code, _why: None)
        for body in (b"one", b"two"):
            leg.send(Post(body, {}))
        async with asyncio.timeout(GIVE_UP_S):
            got = [await answers.get(), await answers.get()]
        assert [one.status for one in got if isinstance(one, Posted)] == [200, 200]
        assert shown == ["run-1 one", "run-2 one", "run-2 two"]
    finally:
        await posts.aclose()
        await runner.cleanup()


def test_a_command_s_arguments_and_a_value_are_not_shown() -> None:
    source = HeaderSource(command=("vault", SECRET), prefix="Bearer ")
    assert SECRET not in repr(source) + str(source) + source.model_dump_json()
