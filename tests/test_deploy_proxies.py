"""The lines for nginx, HAProxy and Caddy in docs/operate.md, each run by that proxy in front of a server.

Without their TLS, for which there is no certificate here. A test is skipped where its proxy is not installed (Debian:
nginx-light, haproxy, and caddy from Debian 13 on).
"""

import asyncio
import json
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from websockets.asyncio.client import connect

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.doctor.examination import Patient, examine
from bridge.simulators.doctor.findings import Group, Level
from bridge.simulators.doctor.self_call import NotCalled, call
from tests.processes import free_ports

OPERATE = Path(__file__).parents[1] / "docs/operate.md"

KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "k3Jt9QvXw2LmZ8pRb6TyN4cF"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

HAPROXY_DEFAULTS = "defaults\n timeout connect 5000\n timeout client 50000\n timeout server 50000\n"
"""As Debian's /etc/haproxy/haproxy.cfg has them."""

CADDY_WITH_CLOSE_DELAY = (2, 7)

READY_S = 30.0
FIRST_EVENT_S = 10.0
"""How long a proxy may take to open its port, and the first event to come: less than the 15 s after which the feed's next one does."""


def documented(begin: str) -> str:
    """The block of docs/operate.md that begins with these words."""
    (block,) = re.findall(rf"^```text\n({re.escape(begin)}[\s\S]*?)^```$", OPERATE.read_text(encoding="utf-8"), re.MULTILINE)  # fmt: skip
    return str(block)


def nginx(port: int, folder: Path) -> str:
    lines = re.sub(r"^ *ssl_.*\n", "", documented("map $http_upgrade"), flags=re.MULTILINE)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    return (
        f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}\n"
        f"http {{ access_log off; {paths}\n{replaced(lines, 'listen 443 ssl', f'listen 127.0.0.1:{port}')} }}\n"
    )


def haproxy(port: int, _folder: Path) -> str:
    bind = ":443 ssl crt /etc/haproxy/voice.example.com.pem"
    lines = replaced(documented("frontend world"), bind, f"127.0.0.1:{port}")
    return f"{HAPROXY_DEFAULTS}\n{lines}"


def caddy(port: int, _folder: Path) -> str:
    lines = replaced(documented("voice.example.com {"), "voice.example.com", f"http://127.0.0.1:{port}")
    return "{\n admin off\n auto_https off\n}\n" + lines


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"docs/operate.md has {old!r} not once"
    return text.replace(old, new)


class Proxy(NamedTuple):
    """`arguments`: of its command, before the file of its settings."""

    settings: Callable[[int, Path], str]
    arguments: tuple[str, ...]


PROXIES = {
    "nginx": Proxy(nginx, ("-c",)),
    "haproxy": Proxy(haproxy, ("-db", "-f")),
    "caddy": Proxy(caddy, ("run", "--adapter", "caddyfile", "--config")),
}


def command_of(name: str) -> str | None:
    """Where the proxy is; None: it is not installed. Debian has them where only an administrator's shell looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin")


def version_of(caddy: str) -> tuple[int, ...]:
    """The first two numbers that `caddy version` prints."""
    said = subprocess.run([caddy, "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said)[:2])


@asynccontextmanager
async def running(name: str, behind: int, port: int, folder: Path, without: str = "") -> AsyncIterator[None]:
    """The proxy at `port`, with the documented lines but those that match `without`, in front of port `behind`."""
    command = command_of(name)
    assert command is not None
    file = folder / f"{name}.conf"
    lines = PROXIES[name].settings(port, folder)
    if without:
        lines = re.sub(rf"^.*({without}).*\n", "", lines, flags=re.MULTILINE)
    file.write_text(replaced(lines, "127.0.0.1:8080", f"127.0.0.1:{behind}"))
    output = folder / "output"
    with output.open("wb") as kept:
        process = await asyncio.create_subprocess_exec(
            command, *PROXIES[name].arguments, str(file), stdout=kept, stderr=kept, env={"HOME": str(folder)}
        )
    try:
        async with asyncio.timeout(READY_S):
            while not await is_open(port):
                assert process.returncode is None, output.read_text()
                await asyncio.sleep(0.02)
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class Site(NamedTuple):
    """A server behind a proxy."""

    server: Server
    settings: Settings
    url: str
    http: aiohttp.ClientSession

    async def status(self, path: str, method: str = "GET", **more: Any) -> int:
        async with self.http.request(method, f"{self.url}{path}", **more) as answer:
            return answer.status


def settings_of(port: int, behind: int) -> Settings:
    """Those of a server at port `behind`, which the world reaches at a proxy's `port`."""
    table = {
        "port": behind,
        "public_url": f"http://127.0.0.1:{port}",
        "assistant": "echo",
        "twilio": {"auth_token": KEY},
        "limits": {"max_lag_ms": 0},
        "control": {"tokens": [{"name": "ops", "token": TOKEN}]},
    }
    return Settings.model_validate(table)


@pytest.fixture(params=PROXIES)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    if (command := command_of(request.param)) is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == "caddy" and version_of(command) < CADDY_WITH_CLOSE_DELAY:
        pytest.skip("Caddy 2.7 or newer is not installed")
    port, behind = free_ports(2)
    settings = settings_of(port, behind)
    async with (
        Server(settings).running() as server,
        running(request.param, behind, port, tmp_path),
        aiohttp.ClientSession() as http,
    ):
        yield Site(server, settings, f"http://127.0.0.1:{port}", http)


async def test_a_signed_call_comes_through(site: Site) -> None:
    found = await examine(Patient(site.settings, runs=True, free=False), (Group.PUBLIC, Group.CALL))
    levels = {finding.name: finding.level for finding in found}
    assert levels["server"] is levels["call by public_url"] is Level.OK, found


async def test_whoever_comes_through_it_is_not_on_this_machine(site: Site) -> None:
    private = ("/", "/calls", "/calls/events", "/phone", "/metrics")
    assert {path: await site.status(path) for path in private} == dict.fromkeys(private, 401)
    assert await site.status("/calls", headers=BEARER) == 200


async def test_events_come_at_once(site: Site) -> None:
    async with (
        asyncio.timeout(FIRST_EVENT_S),
        site.http.get(f"{site.url}/calls/events", headers=BEARER) as feed,
    ):
        assert await feed.content.readline() == b"event: snapshot\n"


async def test_the_phone_of_the_page_calls(site: Site) -> None:
    own = {"Origin": site.url}
    async with site.http.post(f"{site.url}/session", json={"token": TOKEN}, headers=own) as session:
        assert session.status == 204, "the page of this origin is the server's own"
        cookie = {"Cookie": session.headers["Set-Cookie"].partition(";")[0]}
    assert await site.status("/phone", headers=cookie) == 200
    async with site.http.post(f"{site.url}/phone/calls", json={}, headers=own | cookie) as answer:
        placed = json.loads(await answer.text())
    address = f"{site.url.replace('http', 'ws', 1)}/{placed['url']}"
    async with connect(address, origin=site.url) as socket:  # type: ignore[arg-type]
        stream = {"streamSid": placed["stream_sid"]}
        start = {"callSid": placed["call_id"], "tracks": ["inbound"], "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}  # fmt: skip
        await socket.send(json.dumps({"event": "start", **stream, "start": start | stream}))
        frame = "/v79/v79" * 26 + "/v79/w=="
        await socket.send(json.dumps({"event": "media", **stream, "media": {"track": "inbound", "timestamp": "0", "payload": frame}}))  # fmt: skip
        assert json.loads(await socket.recv())["media"]["payload"] == frame


@pytest.mark.skipif(command_of("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize(
    ("without", "found"),
    [
        ("proxy_set_header (Upgrade|Connection)", "The proxy in front drops the Upgrade header: "),
        ("proxy_set_header Connection", "The proxy in front drops the Connection header: "),
        ("proxy_http_version", "The proxy in front speaks HTTP/1.0 to the server "),
    ],
)
async def test_doctor_names_the_line_that_nginx_lacks(without: str, found: str, tmp_path: Path) -> None:
    port, behind = free_ports(2)
    settings = settings_of(port, behind)
    async with Server(settings).running(), running("nginx", behind, port, tmp_path, without):
        outcome = await call(f"http://127.0.0.1:{port}/twilio/voice", TwilioExchange(KEY))
    assert isinstance(outcome, NotCalled)
    assert outcome.why.startswith(found)
