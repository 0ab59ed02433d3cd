"""`voicebridge replay`: what it prints, its exit codes, and what is wrong with options and files, in words."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bridge.cli.app import app
from bridge.cli.options import Interrupted
from bridge.simulators.replay.dry import DryReplay
from bridge.vocabulary.errors import BridgeError, ConfigurationError

TRACES = Path(__file__).parents[2] / "fixtures/traces"
ECHO, OPENAI = TRACES / "twilio-echo.trace.jsonl", TRACES / "telnyx-openai-barge-in.trace.jsonl"


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["replay", *map(str, arguments)])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_trace_that_is_the_same() -> None:
    done = replay(ECHO, "--dry")
    assert done.exit_code == 0
    assert done.stdout.startswith("twilio-echo.trace.jsonl: the same: ")
    assert "s of audio and" in done.stdout


def test_with_other_settings_the_first_difference_is_told() -> None:
    done = replay(OPENAI, "--dry")
    assert done.exit_code == 1
    assert done.stdout.startswith("telnyx-openai-barge-in.trace.jsonl: at 0.0"), (
        "the time of the first message to the assistant"
    )
    assert "the trace has session.update with session.instructions = 'You answer the phone" in done.stdout


def test_with_the_settings_of_the_server_it_is_the_same_and_its_trace_is_written(tmp_path: Path) -> None:
    settings, files = OPENAI.with_name("telnyx-openai-barge-in.toml"), [tmp_path / "a", tmp_path / "b"]
    for file in files:
        assert replay(OPENAI, "--dry", "--settings", settings, "--out", file).exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes(), "byte by byte"
    assert replay(files[0], "--dry", "--settings", settings).exit_code == 0, (
        "what comes out is a trace as well"
    )


def test_json_for_programs() -> None:
    told = json.loads(replay(OPENAI, "--dry", "--json").stdout)
    assert (told["same"], told["cut_off"], told["stopped_ms"], told["notes"]) == (False, False, None, [])
    assert told["difference"]["words"].startswith(f"at {told['difference']['at_ms'] / 1000:.3f} s ")
    assert told["legs"].keys() == {"carrier", "assistant-1"}


def test_a_trace_that_is_cut_off_is_compared_up_to_there(tmp_path: Path) -> None:
    file = tmp_path / "cut.trace.jsonl"
    file.write_bytes(ECHO.read_bytes()[:60_000])
    done = replay(file, "--dry")
    assert done.exit_code == 0
    assert "note: the trace is cut off after 1." in done.stdout
    assert done.stdout.rstrip().endswith(" s: it was compared up to there")


def test_ctrl_c_tells_what_was_compared_until_then(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    step, steps = DryReplay._step, iter(range(200))

    def interrupted(replayed: DryReplay) -> bool:
        if next(steps) == 150:
            raise KeyboardInterrupt
        return step(replayed)

    monkeypatch.setattr(DryReplay, "_step", interrupted)
    done = replay(ECHO, "--dry", "--out", tmp_path / "out")
    assert isinstance(done.exception, Interrupted)
    assert "the same: " in done.stdout
    assert "note: interrupted: compared up to " in done.stdout
    assert (tmp_path / "out").exists()


def test_a_full_disk_is_told_after_the_result() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full on this system")
    done = replay(ECHO, "--dry", "--out", full)
    assert "the same: " in done.stdout
    assert isinstance(done.exception, BridgeError)
    assert str(done.exception) == "/dev/full: No space left on device; the trace of the replay is not written"


WRONG = [
    ([ECHO], "expected the URL of a server, or --dry, and not both"),
    ([ECHO, "ws://h.example/", "--dry"], "expected the URL of a server, or --dry, and not both"),
    ([ECHO, "ws://h.example/", "--settings", "x.toml"], "--settings: a server has settings of its own: expected --dry"),
    ([ECHO, "ws://h.example/", "--speed", "0"], "--speed 0: expected more than 0"),
    ([ECHO, "ws://h.example/telnyx/media"], "the trace is of a call by twilio, and the path of the URL is for telnyx: "),
    ([ECHO, "--dry", "--settings", "none.toml"], "none.toml: there is no such file"),
    (["none.trace.jsonl", "--dry"], "none.trace.jsonl: No such file or directory"),
    (["version", "--dry"], "version: a trace of version 2: expected version 1"),
    (["journal", "--dry"], "journal: the first line is not the header of a trace: expected "),
    (["age", "--dry"], "age: it is encrypted: expected a plain trace, as `age --decrypt` makes it"),
    (["carrier", "--dry"], "no message of the carrier starts the call: expected messages of telnyx's, as the header"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "why"), WRONG)
def test_what_is_wrong_is_said_and_what_was_expected(arguments: list[object], why: str) -> None:
    Path("version").write_bytes(b'{"voicebridge_trace":2}\n')
    Path("journal").write_bytes(b'{"at":0.0,"way":"<","what":"CallStarted"}\n')
    Path("age").write_bytes(b"age-encryption.org/v1\n\x00")
    Path("carrier").write_bytes(ECHO.read_bytes().replace(b'"carrier":"twilio"', b'"carrier":"telnyx"', 1))
    done = replay(*arguments)
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception).startswith(why)
