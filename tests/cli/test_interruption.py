"""Ctrl-C: what it ends, what is kept, and that nobody sees a traceback. SIGINT to this process, and to real ones."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.app import main
from bridge.cli.options import Interrupted, run, run_interruptible
from bridge.simulators.interruption import Interruption
from bridge.vocabulary.errors import CallRefused

COMMAND = [sys.executable, "-m", "bridge"]
LONG_ENOUGH_S = 120.0


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def as_it_was() -> None:
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN, "these tests press ctrl-C"


# In this process


async def wait_for_ever() -> None:
    asyncio.get_running_loop().call_soon(press_ctrl_c)
    await asyncio.Event().wait()


def test_a_command_is_cancelled() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"^interrupted$"):
        run(wait_for_ever())
    assert signal.getsignal(signal.SIGINT) is before


def test_a_call_ends_by_itself_at_the_first_one_and_is_cancelled_by_the_second() -> None:
    told: list[str] = []

    async def call(interruption: Interruption, times: int) -> str:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            told.append("hang up")
            if times == 1:
                over.set()
            else:
                loop.call_soon(press_ctrl_c)

        with interruption.ends_with(end):
            loop.call_soon(press_ctrl_c)
            await over.wait()
        return "report"

    assert run_interruptible(lambda interruption: call(interruption, 1)) == "report"
    with pytest.raises(Interrupted):
        run_interruptible(lambda interruption: call(interruption, 2))
    assert told == ["hang up", "hang up"]


def test_what_is_being_saved_is_saved() -> None:
    async def save(interruption: Interruption) -> str:
        with interruption.kept_out():
            for _ in range(2):
                press_ctrl_c()
                await asyncio.sleep(0.01)
        return "saved"

    assert run_interruptible(save) == "saved"


def test_a_call_that_fails_because_of_it_says_so() -> None:
    async def fail(interruption: Interruption) -> None:
        with interruption.ends_with(lambda: None):
            press_ctrl_c()
            await asyncio.sleep(0.01)
        raise CallRefused("no stream was opened")

    with pytest.raises(Interrupted, match=r"^interrupted: no stream was opened$"):
        run_interruptible(fail)


def test_its_exit_code_is_that_of_the_shells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bridge.simulators.openai.server.serve", lambda *_arguments: wait_for_ever())
    monkeypatch.setattr(sys, "argv", ["voicebridge", "fake-openai"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "voicebridge: interrupted\n"


# Processes, on a terminal


def on_terminal(arguments: list[str], folder: Path, *until: str) -> tuple[int, str, str]:
    """Run a command with its errors on a terminal, press ctrl-C when all of `until` has come; code, output, errors."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=its,
        text=True,
        cwd=folder,
        env=os.environ | {"COLUMNS": "100", "TERM": "xterm"},
    ) as process:
        os.close(its)
        assert process.stdout is not None
        seen = "".join(read_until(ours, words) for words in until)
        process.send_signal(signal.SIGINT)
        seen += read_until(ours, "")
        out = process.stdout.read()
        code = process.wait(LONG_ENOUGH_S)
    os.close(ours)
    return code, out, seen


def read_until(terminal: int, words: str) -> str:
    """What comes until `words` are there; without any, until the end."""
    seen = b""
    while not words or words.encode() not in seen:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed (Linux)
            piece = b""
        if not piece:
            assert not words, seen.decode()
            break
        seen += piece
    return seen.decode()


def test_the_demo_says_what_it_does_and_keeps_what_it_has(tmp_path: Path) -> None:
    code, out, err = on_terminal(["demo"], tmp_path, "on the phone", "0:00:01")
    assert code == 130
    assert "the call was interrupted" in out
    assert "voicebridge: interrupted; what was recorded until then is in voicebridge-demo" in err
    assert "Traceback" not in err
    kept = {file.name for file in (tmp_path / "voicebridge-demo").iterdir()}
    assert {"caller-heard.wav", "trace.jsonl", "call.wav", "journal.jsonl"} <= kept


def test_during_the_start_there_is_no_traceback(tmp_path: Path) -> None:
    """At the moment when the first heavy module is imported; it is the same one for all commands."""
    program = (
        "import os, signal, sys\n"
        "class Presses:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Presses())\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from bridge.__main__ import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=LONG_ENOUGH_S,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
