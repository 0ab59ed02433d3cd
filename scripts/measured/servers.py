"""Starts what is measured, and what it needs, in processes of their own: the server on one core, all others on another. Linux."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
VOICEBRIDGE = str(ROOT / ".venv/bin/voicebridge")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, TOOL_CORE = CORES[0], CORES[-1]

STOPS_WITHIN_S = 10.0

REPLY_S = 2.0
SCRIPTS = {"echo": "echo = true\n", "turns": f"first_audio_s = 0.1\n[[replies]]\nseconds = {REPLY_S}\n"}
"""What the simulated model does: each frame comes back by itself, or each turn has a reply."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A way to carry calls. `codec`: of Telnyx; empty: Twilio, mu-law. `rate_hz` 0: the codec's own."""

    kind: Literal["echo", "turns"] = "echo"
    codec: str = ""
    rate_hz: int = 0
    model_format: Literal["", "audio/pcm"] = ""
    """What the simulated model hears and speaks, whatever it is asked for: "audio/pcm" is 24 kHz."""
    is_recorded: bool = False
    """With a journal."""
    has_tls: bool = False

    @property
    def carrier(self) -> str:
        return "telnyx" if self.codec else "twilio"


class Server(NamedTuple):
    """A process that is measured. `url`: of its media socket. `environment`: what its callers need."""

    pid: int
    url: str
    environment: dict[str, str] = {}  # noqa: RUF012  # of a tuple; nobody changes it

    @property
    def webhook(self) -> str:
        """Of `voicebridge serve`."""
        return self.url.replace("ws", "http", 1).replace("/media", "/voice")


def on_core(core: int, *command: str) -> list[str]:
    return ["taskset", "-c", str(core), *command]


@contextmanager
def process(*command: str, core: int) -> Iterator[subprocess.Popen[str]]:
    """A process on this core, until the end of the block."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    running = subprocess.Popen(
        on_core(core, *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        for pipe in (running.stdin, running.stdout, running.stderr):
            if pipe is not None:
                pipe.close()


def _logged(running: subprocess.Popen[str], field: str) -> Any:
    """The value of a field, from the first line of a process's log that has it."""
    assert running.stderr is not None
    said = []
    for line in running.stderr:
        said.append(line)
        fields = json.loads(line) if line.startswith("{") else {}
        if field in fields:
            threading.Thread(target=running.stderr.read, daemon=True).start()  # or the pipe would fill
            return fields[field]
    raise RuntimeError(f"a process ended before it logged its {field}: {running.args!r}\n{''.join(said)}")


@contextmanager
def model(folder: Path, setup: Setup) -> Iterator[str]:
    """`voicebridge fake-openai` on the core of the callers; the address of its API."""
    script = folder / "script.toml"
    faults = (
        f'[[faults]]\ninput_format = "{setup.model_format}"\noutput_format = "{setup.model_format}"\n'
        if setup.model_format
        else ""
    )
    script.write_text(SCRIPTS[setup.kind] + faults)
    with process(
        VOICEBRIDGE, "fake-openai", "--script", str(script), "--port", "0", core=TOOL_CORE
    ) as running:
        yield f"http://127.0.0.1:{urlsplit(str(_logged(running, 'url'))).port}/v1"


@contextmanager
def relay(model_url: str) -> Iterator[Server]:
    """The barest relay to this model."""
    with _of_our_own("measured.relay", model_url) as server:
        yield server


@contextmanager
def echo_relay() -> Iterator[Server]:
    """The least that can be an echo."""
    with _of_our_own("measured.echo_relay") as server:
        yield server


@contextmanager
def _of_our_own(module: str, *arguments: str) -> Iterator[Server]:
    with process(sys.executable, "-m", module, *arguments, core=SERVER_CORE) as running:
        assert running.stdout is not None
        yield Server(running.pid, f"ws://127.0.0.1:{running.stdout.readline().strip()}/")


@contextmanager
def bridge(folder: Path, model_url: str, setup: Setup) -> Iterator[Server]:
    """`voicebridge serve` between a carrier and this model. It refuses no call for being busy."""
    settings = folder / "voicebridge.toml"
    settings.write_text(settings_of(setup, model_url, folder))
    with ExitStack() as running:
        server = running.enter_context(process(VOICEBRIDGE, "serve", "-c", str(settings), core=SERVER_CORE))
        scheme = "wss" if setup.has_tls else "ws"
        environment = {"SSL_CERT_FILE": str(folder / "certificate.pem")} if setup.has_tls else {}
        port = _logged(server, "port")
        yield Server(server.pid, f"{scheme}://127.0.0.1:{port}/{setup.carrier}/media", environment)


def settings_of(setup: Setup, model_url: str, folder: Path) -> str:
    """The settings' file of a server. With TLS it makes the certificate."""
    text = 'port = 0\nassistant = "model"\n'
    if setup.has_tls:
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        if not certificate.exists():
            _make_certificate(certificate, key)
        text += f'ssl_certfile = "{certificate}"\nssl_keyfile = "{key}"\n'
    text += "[security]\nallow_unauthenticated = true\n[limits]\ndrain_s = 1\nmax_lag_ms = 0\n"
    if setup.is_recorded:
        text += f'[journal]\ndirectory = "{folder}/journal"\n[recording]\ndirectory = "{folder}/recordings"\n'
    if setup.codec:
        text += f'[telnyx]\ncodec = "{setup.codec}"\n'
        text += f"sampling_rate = {setup.rate_hz}\n" if setup.rate_hz else ""
    return text + f'[assistants.model]\nkind = "openai-realtime"\nbase_url = "{model_url}"\napi_key = "any"\n'


def _make_certificate(certificate: Path, key: Path) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
