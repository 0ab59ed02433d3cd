"""`voicebridge health`: it follows host, port and TLS of the settings, and its exit code says whether the server lives."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme

from bridge.config.settings import Settings
from bridge.shell.server import Server
from tests.processes import clean_environment

OPEN = {"security": {"allow_unauthenticated": True}}


def health(folder: Path, toml: str, *arguments: str) -> subprocess.Popen[str]:
    (folder / "voicebridge.toml").write_text(toml, encoding="utf-8")
    command = [sys.executable, "-m", "bridge", "health", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def finished(asked: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code and output; the server goes on meanwhile."""
    out, err = await asyncio.to_thread(asked.communicate, timeout=60)
    return asked.returncode, out, err


@pytest.mark.parametrize("asked_at", ["127.0.0.1", "0.0.0.0", "localhost"])
async def test_a_server_that_lives(tmp_path: Path, asked_at: str) -> None:
    async with Server(Settings.model_validate({**OPEN, "port": 0})).running() as server:
        toml = f'host = "{asked_at}"\nport = {server.port}\n'
        code, out, err = await finished(health(tmp_path, toml))
    assert (code, err) == (0, "")
    assert json.loads(out) == {"status": "ok", "calls": 0}


async def test_tls_with_a_certificate_for_another_name(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("voice.example.com")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    tls = {"ssl_certfile": tmp_path / "cert.pem", "ssl_keyfile": tmp_path / "key.pem"}
    async with Server(Settings.model_validate({**OPEN, **tls, "port": 0})).running() as server:
        toml = f'port = {server.port}\nssl_certfile = "cert.pem"\nssl_keyfile = "key.pem"\n'
        code, out, err = await finished(health(tmp_path, toml))
    assert (code, err) == (0, "")
    assert json.loads(out)["status"] == "ok"


async def test_nobody_answers(tmp_path: Path, unused_tcp_port: int) -> None:
    code, out, err = await finished(health(tmp_path, f"port = {unused_tcp_port}"))
    assert (code, out) == (1, "")
    assert err.startswith(f"voicebridge: no answer at 127.0.0.1 port {unused_tcp_port}: ")
    assert err.count("\n") == 1


async def test_it_waits_for_a_server_that_starts(tmp_path: Path, unused_tcp_port: int) -> None:
    asked = health(tmp_path, f"port = {unused_tcp_port}", "--wait", "30")
    async with Server(Settings.model_validate({**OPEN, "port": unused_tcp_port})).running():
        code, _, err = await finished(asked)
    assert (code, err) == (0, "")


async def test_it_does_not_wait_for_ever(tmp_path: Path, unused_tcp_port: int) -> None:
    began = time.monotonic()
    code, _, err = await finished(health(tmp_path, f"port = {unused_tcp_port}", "--wait", "0.3"))
    assert (code, "no answer" in err) == (1, True)
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("port = 0", "port = 0: health needs to know the port; expected a fixed one"),
        ("prot = 1", "there is no setting prot; did you mean port?"),
    ],
)
async def test_settings_with_which_it_cannot_ask(tmp_path: Path, toml: str, says: str) -> None:
    code, _, err = await finished(health(tmp_path, toml))
    assert code == 2
    assert says in err
