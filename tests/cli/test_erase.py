"""`voicebridge erase`: what it deletes, what it prints, and its exit code."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.vocabulary.errors import BridgeError, ConfigurationError

NAMES = [
    "journal/20261101T120000-CA1.jsonl",
    "journal/20261101T120000-CA2.jsonl",
    "journal/CA1.txt",
    "recordings/20261101T120000-CA1-2.wav",
    "recordings/20261101T120000-CA1-truncated.wav",
    "recordings/20261101T120000-CA1.wav.age",
    "traces/20261101T120000-CA1.trace.jsonl",
]
KEPT = ["journal/20261101T120000-CA2.jsonl", "journal/CA1.txt"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a server kept files of two calls."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    Path("voicebridge.toml").write_text(
        '[journal]\ndirectory = "journal"\n[recording]\ndirectory = "recordings"\n[capture]\ndirectory = "traces"\n'
    )
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.glob("*/*"))


def test_all_that_is_kept_of_a_call_is_deleted(folder: Path) -> None:
    done = CliRunner().invoke(app, ["erase", "CA1"])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"deleted {name}" for name in NAMES if name not in KEPT]
    assert left(folder) == KEPT


def test_a_dry_run_deletes_nothing(folder: Path) -> None:
    done = CliRunner().invoke(app, ["erase", "CA1", "--dry-run"])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"would delete {name}" for name in NAMES if name not in KEPT]
    assert left(folder) == sorted(NAMES)


def test_a_call_of_which_nothing_is_kept_is_a_failure(folder: Path) -> None:
    done = CliRunner().invoke(app, ["erase", "CA9"])
    assert isinstance(done.exception, BridgeError)
    assert str(done.exception) == "nothing is kept of call 'CA9' in journal, recordings, traces"
    assert left(folder) == sorted(NAMES)


def test_without_folders_there_is_nothing_to_erase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["erase", "CA1"])
    assert isinstance(done.exception, ConfigurationError)
