"""Servers and phones in processes of their own, on different cores, and what a call costs the server. Linux."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bridge.config.audio_file import read_wav
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from telecodecs.format import PCMU_8K

ROOT = Path(__file__).resolve().parents[2]
VOICEBRIDGE = str(ROOT / ".venv/bin/voicebridge")

SETTLE_S = 3.0
"""From the first connection until all calls have begun."""

TURN_S, WORD_S = 4.0, 0.9
"""The length of a turn, and of the caller's word in it."""


class Server(NamedTuple):
    """A process that is measured, and where phones call it."""

    pid: int
    url: str


class Cost(NamedTuple):
    """`cpu_ms`: per second of one call. `heard`: how much of the calls' time a phone was played something."""

    cpu_ms: float
    heard: float


@contextmanager
def process(*command: str, core: int) -> Iterator[subprocess.Popen[str]]:
    """A process on a core of its own, if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    pinned = ["taskset", "-c", str(cores[core % len(cores)])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    running = subprocess.Popen(
        [*pinned, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


def logged(running: subprocess.Popen[str], field: str) -> Any:
    """The value of a field, from the first line of a process's log that has it."""
    assert running.stderr is not None
    for line in running.stderr:
        if field in (fields := json.loads(line)):
            threading.Thread(target=running.stderr.read, daemon=True).start()  # or the pipe would fill
            return fields[field]
    raise RuntimeError(f"a process ended before it logged its {field}: {running.args}")


@contextmanager
def fake_openai(folder: Path, script: str) -> Iterator[str]:
    """`voicebridge fake-openai` on the core of the phones; its URL."""
    file = folder / "script.toml"
    file.write_text(script)
    with process(VOICEBRIDGE, "fake-openai", "--script", str(file), "--port", "0", core=1) as simulator:
        port = urlsplit(logged(simulator, "url")).port  # the log does not have the path
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def relay(openai: str) -> Iterator[Server]:
    """The barest relay, to the simulated OpenAI server at this URL."""
    with process(sys.executable, "-m", "measured.relay", openai, core=0) as running:
        assert running.stdout is not None
        yield Server(running.pid, f"ws://127.0.0.1:{running.stdout.readline().strip()}/")


@contextmanager
def bridge(folder: Path, openai: str, *, journal: bool) -> Iterator[Server]:
    """`voicebridge serve` between Twilio and the simulated OpenAI server at this URL."""
    settings = folder / "voicebridge.toml"
    settings.write_text(
        'port = 0\nassistant = "realtime"\n[security]\nallow_unauthenticated = true\n[limits]\ndrain_s = 1\nmax_lag_ms = 0\n'
        + (f'[journal]\ndirectory = "{folder}/journal"\n' if journal else "")
        + f'[assistants.realtime]\nkind = "openai-realtime"\nbase_url = "{openai}"\napi_key = "any"\n'
    )
    with process(VOICEBRIDGE, "serve", "-c", str(settings), core=0) as running:
        yield Server(running.pid, f"ws://127.0.0.1:{logged(running, 'port')}/twilio/media")


def _cpu_ms(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def cost_of(server: Server, calls: int, seconds: float, *, turns: bool) -> Cost:
    """Carry calls at once, and measure the server in the middle of them, when all are under way."""
    command = [sys.executable, str(ROOT / "scripts/relay-ratio"), "--calls", str(calls)]
    command += [
        "--seconds",
        str(seconds + 2 * SETTLE_S),
        "--phones",
        server.url,
        "turns" if turns else "echo",
    ]
    with process(*command, core=1) as running:
        assert running.stdout is not None
        running.stdout.readline()  # all calls are under way
        cpu, began = _cpu_ms(server.pid), time.monotonic()
        time.sleep(seconds)
        cpu_ms = (_cpu_ms(server.pid) - cpu) / (time.monotonic() - began) / calls
        heard, errors = running.communicate()
    assert running.returncode == 0, errors
    return Cost(cpu_ms, float(heard))


async def phones(url: str, calls: int, seconds: float, *, turns: bool) -> None:
    """Carry calls with the simulated phone. Prints a line after `SETTLE_S`, and at the end the share of their time in
    which a phone was played something.
    """
    asyncio.get_running_loop().call_later(SETTLE_S, partial(print, "the calls are under way", flush=True))
    line = PCMU_8K
    audio = read_wav(ROOT / "fixtures/sentence-en-us-male.wav", line)
    if turns:
        word = audio[line.bytes_in(300) :][: line.bytes_in(int(WORD_S * 1000))]
        audio = word + line.silence * line.samples_in(line.bytes_in(int(TURN_S * 1000)) - len(word))
    audio *= int(seconds * 1000 / line.duration_ms(len(audio))) + 1
    plan = CallPlan(audio, hang_up_at_ms=int(seconds * 1000), longest_s=seconds + 10, keeps_trace=False)
    reports = await asyncio.gather(*(place_call(url, plan, carrier=TwilioExchange()) for _ in range(calls)))
    heard_ms = sum(line.duration_ms(len(audio)) for report in reports for _, audio in report.received)
    print(heard_ms / 1000 / seconds / calls)
