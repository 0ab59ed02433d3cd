"""Signals to a server process with calls on the line: what goes on, what callers hear, how the process ends."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from bridge.config.audio_file import read_wav, write_wav
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K
from tests.processes import NO_LAG_LIMIT, clean_environment

ENVIRONMENT = clean_environment(**NO_LAG_LIMIT)
FILE = "voicebridge.toml"
OPEN = "port = 0\n[security]\nallow_unauthenticated = true\n"
ECHO = 'assistant = "echo"\n' + OPEN
PARROT = 'assistant = "parrot"\nlog_level = "debug"\n' + OPEN
FRAME = bytes(range(1, 127)) + bytes(range(1, 35))
LONG_ENOUGH_S = 120.0
READS_ALL = None
"""The queue of a caller: without a bound. Behind a full one the client reads no pings, and a close takes its timeout."""


class Process:
    """A server process whose settings are the file in `folder`. `events`: what it has logged so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = 0
        self.events: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        """Read the log up to this event."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.events.append(json.loads(line))
            if self.events[-1]["event"].startswith(event):
                return self.events[-1]
        raise AssertionError(f"no {event!r} in {self.events}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        assert self.process.stderr is not None
        self.events += [json.loads(line) for line in self.process.stderr]
        return self.process.wait(LONG_ENOUGH_S)

    def ready(self) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz") as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@contextmanager
def serving(folder: Path, settings: str, **environment: str) -> Iterator[Process]:
    (folder / FILE).write_text(settings)
    with subprocess.Popen(
        [sys.executable, "-m", "bridge", "serve"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=ENVIRONMENT | environment,
    ) as process:
        try:
            running = Process(process)
            running.port = running.until("= serving")["port"]
            yield running
        finally:
            process.kill()


class Call:
    """A caller."""

    def __init__(self, media: ClientConnection, call_id: str) -> None:
        self._media = media
        self._phone = SimulatedTwilioStream(call_sid=call_id, account_sid="AC1")
        self._began = time.monotonic()
        self.heard = b""
        for message in self._phone.opening():
            media.send(message)

    def echoes(self) -> bool:
        """What is said comes back, behind the silence that filled the pause before it and perhaps its first frames."""
        self.heard = b""
        at_ms = round((time.monotonic() - self._began) * 1000)
        for frame in range(25):
            self._media.send(self._phone.media("inbound", FRAME, at_ms + 20 * frame))
        while FRAME not in self.heard:
            self._hear(self._media.recv(LONG_ENOUGH_S))
        return True

    def hear(self, least: int) -> None:
        """Listen to so many bytes."""
        while len(self.heard) < least:
            self._hear(self._media.recv(LONG_ENOUGH_S))

    def hang_up(self) -> None:
        self._media.send(self._phone.closing())

    def closed(self) -> int:
        """Hear everything out until the server closes; its code."""
        with suppress(ConnectionClosed):
            for text in self._media:
                self._hear(text)
        return self._media.close_code or 0

    def _hear(self, text: Any) -> None:
        message = json.loads(text)
        if message["event"] == "media":
            self.heard += b64decode(message["media"]["payload"])
        elif message["event"] == "mark":
            self._media.send(self._phone.mark(message["mark"]["name"]))


@contextmanager
def calling(server: Process, call_id: str) -> Iterator[Call]:
    with connect(f"ws://127.0.0.1:{server.port}/twilio/media", max_queue=READS_ALL) as media:
        yield Call(media, call_id)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(str(tmp_path / "notify"))
        here.setblocking(False)
        yield here


def told(systemd: socket.socket) -> list[str]:
    """The first line of each message so far."""
    messages = []
    with suppress(BlockingIOError):
        while True:
            messages.append(systemd.recv(4096).decode().partition("\n")[0])
    return messages


def test_a_call_goes_on_through_reloads_and_a_stop(tmp_path: Path, systemd: socket.socket) -> None:
    with serving(tmp_path, ECHO, NOTIFY_SOCKET=str(tmp_path / "notify")) as server:
        with calling(server, "CA1") as old:
            assert old.echoes()
            server.signal(signal.SIGUSR1)
            assert old.echoes()

            (tmp_path / FILE).write_text(PARROT.replace("port = 0", "port = 1"))
            server.signal(signal.SIGHUP)
            assert server.until("= these settings need a restart")["settings"] == ["port"]
            server.until("= reloaded")
            assert old.echoes()
            with calling(server, "CA2") as new:
                new.hear(6400)  # the parrot's chime
                (tmp_path / FILE).write_text('assistant = "nobody"\nlog_level = "loud"\n' + OPEN)
                server.signal(signal.SIGHUP)
                faults = server.until("= not reloaded")["faults"]
                assert len(faults) == 2
                assert all(FILE in fault for fault in faults)
                assert old.echoes()
                server.signal(signal.SIGUSR1)  # now debug lines are logged
                server.until("= SIGUSR1")

                server.signal(signal.SIGTERM)
                server.until("= draining")
                assert server.ready() == 503
                assert old.echoes()
                server.signal(signal.SIGHUP)
                server.until("= not reloaded: the server is stopping")
                new.hang_up()
            assert old.echoes()
            old.hang_up()
            old.closed()
        assert server.ended() == 0
    messages = told(systemd)
    assert messages[:6] == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert all(message.startswith(("STATUS=", "EXTEND_TIMEOUT_USEC=")) for message in messages[6:])


@pytest.mark.parametrize(
    ("number", "signals", "goodbye_s", "code"),
    [(signal.SIGTERM, 2, 0.2, 1001), (signal.SIGINT, 3, 20.0, 1006)],
    ids=["two: goodbye", "three: at once"],
)
def test_more_signals_shorten_the_stop(
    tmp_path: Path, number: signal.Signals, signals: int, goodbye_s: float, code: int
) -> None:
    goodbye = encoder(PCMU_8K)((np.sin(np.arange(round(8000 * goodbye_s)) * 0.3) * 8000).astype(np.int16))
    write_wav(tmp_path / "goodbye.wav", goodbye)
    closing = '[closing]\ngoodbye = { play = "goodbye.wav" }\n[limits]\ngoodbye_s = 0.0\n'
    with serving(tmp_path, ECHO + closing) as server, calling(server, "CA1") as call:
        assert call.echoes()
        server.signal(number)
        server.until("= draining")
        assert call.echoes()
        server.signal(number)
        server.until("= goodbye")
        if signals == 3:
            server.signal(number)
        else:
            call.heard = b""
        assert call.closed() == code
        if signals == 2:
            assert read_wav(tmp_path / "goodbye.wav") in call.heard
        assert server.ended() == 0
