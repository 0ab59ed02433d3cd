"""The files of the page over real sockets: who gets them, with which headers, and what is not served."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from bridge.config.settings import Settings
from bridge.shell.page.address import page_address
from bridge.shell.page.web_files import web_files
from bridge.shell.server import Server
from tests.processes import clean_environment

OPEN: dict[str, Any] = {"port": 0, "assistant": "echo", "security": {"allow_unauthenticated": True}}
FORWARDED = {"X-Forwarded-For": "192.0.2.7"}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with Server(Settings.model_validate(OPEN)).running() as running:
        yield running.port


async def ask(
    port: int, path: str, method: str = "GET", **headers: str
) -> tuple[int, Mapping[str, str], bytes]:
    async with aiohttp.ClientSession() as http:
        url = URL(f"http://127.0.0.1:{port}{path}", encoded=True)
        async with http.request(method, url, headers=headers, allow_redirects=False) as answer:
            return answer.status, answer.headers, await answer.read()


async def test_the_page_on_this_machine(port: int) -> None:
    status, headers, body = await ask(port, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'<script type="module" src="web/main.js">' in body
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "media-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    assert "Server" not in headers


async def test_a_file_is_sent_again_only_if_it_has_changed(port: int) -> None:
    status, headers, body = await ask(port, "/web/main.js")
    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert body == web_files()["main.js"].content
    tag = headers["ETag"]
    assert (await ask(port, "/web/main.js", **{"If-None-Match": f'"other", W/{tag}'}))[0] == 304
    assert (await ask(port, "/web/main.js", **{"If-None-Match": '"other"'}))[0] == 200


@pytest.mark.parametrize("path", ["/", "/web/main.js", "/web/style.css", "/web/login.js", "/session"])
async def test_another_address_gets_nothing(port: int, path: str) -> None:
    assert (await ask(port, path, **FORWARDED))[0::2] == (404, b"404: Not Found")


@pytest.mark.parametrize("path", ["/", "/web/main.js", "/session"])
async def test_another_sites_name_for_this_machine_gets_nothing(port: int, path: str) -> None:
    assert (await ask(port, path, Host=f"evil.example:{port}"))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/web/",
        "/web/index.html",  # only at its own address
        "/web/../shell/server.py",
        "/web/..%2fshell%2fserver.py",
        "/web/%2e%2e/%2e%2e/pyproject.toml",
        "/web//etc/passwd",
        "/web/.%00/main.js",
        "/web/phone/../main.js",
        "/web/main.js/",
        "/web/MAIN.JS",
    ],
)
async def test_nothing_else_is_served(port: int, path: str) -> None:
    assert (await ask(port, path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_pages_are_only_read(port: int, method: str) -> None:
    assert (await ask(port, "/", method))[0] == 405


def test_serve_tells_the_address_of_the_page(tmp_path: Path) -> None:
    settings = {"VOICEBRIDGE_ASSISTANT": "echo", "VOICEBRIDGE_SECURITY__ALLOW_UNAUTHENTICATED": "true"}
    command = [sys.executable, "-m", "bridge", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=clean_environment(**settings)
    ) as process:
        assert process.stderr is not None
        try:
            lines = (json.loads(line) for line in process.stderr)
            told = next(line for line in lines if line["event"] == "= the page is open")
            with urllib.request.urlopen(told["address"], timeout=10) as answer:
                assert b"web/main.js" in answer.read()
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"host": "127.0.0.1"}, "http://127.0.0.1:8080/"),
        ({"host": "::1"}, "http://[::1]:8080/"),
        ({"host": "0.0.0.0", "security": {}}, "http://127.0.0.1:8080/"),
        ({"host": "::", "security": {}}, "http://127.0.0.1:8080/"),
        ({"host": "192.0.2.1", "security": {}}, "http://192.0.2.1:8080/"),
        ({"ssl_certfile": "a.pem", "ssl_keyfile": "b.pem"}, "https://127.0.0.1:8080/"),
    ],
)
def test_the_address_that_is_told(settings: dict[str, Any], address: str) -> None:
    assert page_address(Settings.model_validate(OPEN | settings), 8080) == address
