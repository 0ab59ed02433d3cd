"""The command line from outside: what it prints, where, and with which code it ends. Every process has a clean
environment and a folder of its own.
"""

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

from bridge.cli.app import app, main
from bridge.config.audio_file import read_wav, write_wav
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan
from tests.processes import NO_LAG_LIMIT, clean_environment

COMMAND = [sys.executable, "-m", "bridge"]
ENVIRONMENT = clean_environment(COLUMNS="120")
OPEN = {
    "VOICEBRIDGE_SECURITY__ALLOW_UNAUTHENTICATED": "true",
    "VOICEBRIDGE_ASSISTANT": "echo",
} | NO_LAG_LIMIT
LONG_ENOUGH_S = 120.0
"""For anything here to end; only a failing test waits so long."""

NOISE = np.random.default_rng(7).integers(0, 127, 80_000, np.uint8).tobytes()
SAID = NOISE[:2400]  # 300 ms


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=ENVIRONMENT | environment,
    )


class Done(NamedTuple):
    code: int
    out: str
    err: str


def done(process: subprocess.Popen[str]) -> Done:
    with process:
        try:
            out, err = process.communicate(timeout=LONG_ENOUGH_S)
        finally:
            process.kill()
    return Done(process.returncode, out, err)


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server process, and the port that it opened."""
    with start(folder, "serve", "--port", "0", **OPEN, **environment) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert '"= serving"' in first, first + process.stderr.read()
            yield process, json.loads(first)["port"]
        finally:
            process.kill()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For what runs in this process: the same clean place."""
    for name in os.environ.keys() - ENVIRONMENT.keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# In this process


def test_help_lists_the_commands() -> None:
    shown = CliRunner().invoke(app, ["--help"], env=ENVIRONMENT)
    assert shown.exit_code == 0
    for command in ("serve", "call", "demo", "config"):
        assert f" {command} " in shown.output
    assert "no account, no key, no phone" in shown.output


@pytest.mark.parametrize("command", ["serve", "call", "demo", "config", "config check", "config show"])
def test_each_command_has_help(command: str) -> None:
    for flag in ("-h", "--help"):
        shown = CliRunner().invoke(app, [*command.split(), flag], env=ENVIRONMENT)
        assert shown.exit_code == 0
        assert f"Usage: root {command}" in shown.output


def test_a_command_runs_with_the_garbage_collector() -> None:
    """The start is without it."""
    gc.disable()
    try:
        assert CliRunner().invoke(app, ["completion", "bash"]).exit_code == 0
        assert gc.isenabled()
    finally:
        gc.enable()


def test_config_check_of_good_settings(here: Path) -> None:
    (here / "mine.toml").write_text('assistant = "check"\n[assistants.check]\nkind = "echo"\n')
    shown = CliRunner().invoke(
        app, ["config", "check", "--config", "mine.toml"], env={"TWILIO_AUTH_TOKEN": "12345"}
    )
    assert (shown.exit_code, shown.output) == (
        0,
        "The settings are good.\nCalls go to 'check'.\nTwilio's come to http://127.0.0.1:8080/twilio/voice.\n",
    )


@pytest.mark.parametrize(
    ("public_url", "doubtful"),
    [
        ("http://u:hush@voice.example.com", True),
        ("https://voice.example.com", False),
        ("http://[::1]:8080", False),
    ],
)
@pytest.mark.usefixtures("here")
def test_config_check_doubts_an_address_without_tls(public_url: str, doubtful: bool) -> None:
    environment = {"TWILIO_AUTH_TOKEN": "12345", "VOICEBRIDGE_PUBLIC_URL": public_url}
    shown = CliRunner().invoke(app, ["config", "check"], env=environment)
    assert shown.exit_code == 0
    assert ("should begin with https" in shown.stderr) is doubtful
    assert "hush" not in shown.output


@pytest.mark.usefixtures("here")
def test_config_show_hides_secrets() -> None:
    shown = CliRunner().invoke(app, ["config", "show"], env={"TWILIO_AUTH_TOKEN": "very-secret"})
    assert shown.exit_code == 0
    assert "very-secret" not in shown.output
    settings = json.loads(shown.output)
    assert settings["twilio"]["auth_token"] == "**********"
    assert settings["port"] == 8080


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (
            ["config", "check", "--host", "0.0.0.0"],
            2,
            "voicebridge: twilio.auth_token and telnyx.public_key are missing",
        ),
        (["call", "ws://", "--audio", "said.wav"], 1, "voicebridge: no WebSocket was opened"),
    ],
)
def test_a_refusal_is_one_line_and_a_code(
    arguments: list[str],
    code: int,
    why: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_wav(here / "said.wav", SAID)
    monkeypatch.setattr(sys, "argv", ["voicebridge", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(why)


# Refusals, each from a process of its own; DEAD stands for an address where nobody listens


class Refusal(NamedTuple):
    command: str
    code: int
    says: tuple[str, ...]
    settings: str | None = None
    file: str = "voicebridge.toml"


REFUSALS = {
    "an unknown key": Refusal(
        "config check",
        2,
        ("voicebridge.toml", "no setting limits.start", "did you mean start_s?"),
        "[limits]\nstart = 1\n",
    ),
    "a wrong value": Refusal(
        "config check --config voicebridge.toml",
        2,
        ("voicebridge.toml", "log_level = 'loud'", "'debug', 'info', 'warning' or 'error'"),
        "log_level = 'loud'\n",
    ),
    "no TOML": Refusal("config check", 2, ("voicebridge.toml", "line 1"), "port = \n"),
    "no file": Refusal("config show --config none.toml", 2, ("none.toml: there is no such file",)),
    "a server without a token": Refusal(
        "serve --port 0", 2, ("TWILIO_AUTH_TOKEN",), 'public_url = "https://voice.example.com"\n'
    ),
    "a server whose port is none": Refusal(
        "serve --port 70000", 2, ("--port", "70000", "less than or equal to 65535")
    ),
    "a server with an open door": Refusal(
        "serve --host 0.0.0.0", 2, ("0.0.0.0", "127.0.0.1"), "[security]\nallow_unauthenticated = true\n"
    ),
    "nobody at the socket": Refusal("call ws://DEAD/twilio/media --audio said.wav", 1, ("no WebSocket",)),
    "nobody at the webhook": Refusal(
        "call http://DEAD/twilio/voice --audio said.wav", 1, ("the webhook cannot be reached",)
    ),
    "no address": Refusal(
        "call nonsense --audio said.wav", 1, ("the address is not valid: expected ws://HOST:PORT/",)
    ),
    "wrong keys": Refusal(
        "call ws://DEAD/ --audio said.wav --digits 1@1s,5,6@2s",
        2,
        ("--digits: '5'", "expected for example 5@2.5s"),
    ),
    "no WAV": Refusal("call ws://DEAD/ --audio none.wav", 2, ("none.wav: No such file",)),
    "a WAV that is none": Refusal(
        "call ws://DEAD/ --audio voicebridge.toml", 2, ("voicebridge.toml: this is not a WAV file",), "#"
    ),
}
REFUSALS |= {
    "a port that is taken": Refusal(
        "serve --port TAKEN",
        2,
        ("port = TAKEN: it is in use at host = '127.0.0.1': expected a free port",),
        "[security]\nallow_unauthenticated = true\n",
    ),
    "a port that is taken, foreseen": Refusal(
        "config check --port TAKEN",
        2,
        ("port = TAKEN: it is in use at host = '127.0.0.1': expected a free port",),
        "[security]\nallow_unauthenticated = true\n",
    ),
    "a .env that is no text": Refusal("config check", 2, (".env",), "A=\udcff\n", file=".env"),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """All at once: most of their time is Python's own start."""
    with socket.socket() as nobody, ExitStack() as stack:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        host, port = nobody.getsockname()
        processes = {}
        for name, refusal in REFUSALS.items():
            folder = tmp_path_factory.mktemp("refusal")
            write_wav(folder / "said.wav", SAID)
            if refusal.settings is not None:
                (folder / refusal.file).write_text(refusal.settings, errors="surrogateescape")
            command = refusal.command.replace("DEAD", f"{host}:{port}").replace("TAKEN", str(port))
            processes[name] = start(folder, *command.split())
            stack.callback(processes[name].kill)
        return {name: without_port(done(process), port) for name, process in processes.items()}


def without_port(done: Done, port: int) -> Done:
    return done._replace(err=done.err.replace(f"port = {port}", "port = TAKEN"))


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses_in_one_line_with_what_would_be_right(name: str, refusals: dict[str, Done]) -> None:
    code, out, err = refusals[name]
    assert (code, out) == (REFUSALS[name].code, ""), err
    for words in REFUSALS[name].says:
        assert words in err
    assert err.startswith("voicebridge: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


# Calls


class Calls(NamedTuple):
    people: Done
    programs: dict[str, Any]
    files: Path


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """Two at once: by the webhook for people, and by the media socket, in this process, for programs."""
    folder = tmp_path_factory.mktemp("calls")
    said, out = folder / "said.wav", folder / "deep" / "out"
    write_wav(said, SAID)
    with serving(folder, VOICEBRIDGE_KEYPAD__MUTE_MS="0") as (_, port), ExitStack() as stack:
        command = ("call", f"http://127.0.0.1:{port}/twilio/voice", "--audio", "said.wav")
        by_webhook = stack.enter_context(start(folder, *command, "--digits", "4@0.1s,2@0.2s"))
        stack.callback(by_webhook.kill)
        url = f"ws://127.0.0.1:{port}/twilio/media"
        by_socket = CliRunner().invoke(
            app, ["call", url, "--audio", str(said), "--json", "--out", str(out)], catch_exceptions=False
        )
        assert by_socket.exit_code == 0
        return Calls(done(by_webhook), json.loads(by_socket.stdout), out)


def test_a_call_is_summed_up_for_people(calls: Calls) -> None:
    code, out, err = calls.people
    assert (code, err) == (0, "")
    told = [" ".join(line.split()) for line in out.splitlines()]
    assert told[0].startswith("Call CA")
    assert "keys 4 2" in told
    assert any(line.startswith("echo each frame back after") for line in told)
    assert any(line.startswith(("length 1.", "length 2.")) for line in told)


def test_a_call_is_told_to_programs(calls: Calls) -> None:
    told = calls.programs
    assert told["ending"] == "the caller had nothing left to say, and the line was quiet"
    assert (told["close_code"], told["digits"], told["warnings"]) == (1000, "", [])
    assert told["echo_latency"]["count"] >= len(SAID) // 160
    assert told["marks_played"] >= 1


def test_a_call_leaves_what_was_heard_and_the_trace(calls: Calls) -> None:
    heard, trace = calls.files / "caller-heard.wav", calls.files / "trace.jsonl"
    assert calls.programs["files"] == [str(heard), str(trace)]
    assert len(read_wav(heard)) == calls.programs["length_ms"] * 8
    messages = [json.loads(line)["message"]["event"] for line in trace.read_text().splitlines()]
    assert messages[:3] == ["connected", "start", "media"]
    assert messages.count("media") == calls.programs["frames_sent"] + calls.programs["messages_received"]


# The end of a server


@pytest.fixture
def recording_server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    folders = {
        "VOICEBRIDGE_RECORDING__DIRECTORY": str(tmp_path / "recordings"),
        "VOICEBRIDGE_JOURNAL__DIRECTORY": str(tmp_path / "journals"),
    }
    with serving(tmp_path, **folders) as running:
        yield running


async def test_a_killed_server_leaves_files_that_lack_their_last_second(
    tmp_path: Path, recording_server: tuple[subprocess.Popen[str], int]
) -> None:
    server, port = recording_server
    call = asyncio.create_task(place_call(f"ws://127.0.0.1:{port}/twilio/media", CallPlan(NOISE)))
    await asyncio.wait({call}, timeout=1.6)  # a call takes its time
    server.kill()
    report = await call
    assert (report.ending, report.close_code) == (Ending.SERVER_LEFT, 1006)
    assert report.length_ms > 1400

    (recording,) = (tmp_path / "recordings").iterdir()
    with wave.open(str(recording)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        frames = file.getnframes()
        assert len(file.readframes(frames)) == frames * 4
    assert report.length_ms - 1000 <= frames / 8 <= len(report.said) / 8

    (journal,) = (tmp_path / "journals").iterdir()
    *whole, rest = journal.read_text().split("\n")
    lines = [json.loads(line) for line in whole]
    assert rest == "" or len(lines) > 1
    assert [line["what"] for line in lines[:2]] == ["Ignored", "CallStarted"]
    assert max(line.get("until", line["at"]) for line in lines) * 1000 >= report.length_ms - 1000
    assert "Ended" not in [line["what"] for line in lines]
