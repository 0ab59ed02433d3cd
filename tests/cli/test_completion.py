"""Shell completion: the scripts are good ones of their shells, and names come from the settings' file."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.registry import CARRIERS
from bridge.cli import app as cli
from bridge.cli.completion import BUILT_IN, SHELLS
from bridge.simulators.doctor.findings import Group
from bridge.vocabulary.errors import ConfigurationError
from tests.cli.test_calls import completed


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell(shell: str, here: Path) -> None:
    done = CliRunner().invoke(cli.app, ["completion", shell])
    assert done.exit_code == 0
    assert "_VOICEBRIDGE_COMPLETE" in done.stdout
    if (program := shutil.which(shell)) is not None:
        (here / "script").write_text(done.stdout)
        subprocess.run([program, "-n", "script"], check=True, timeout=20)


def test_another_shell() -> None:
    done = CliRunner().invoke(cli.app, ["completion", "tcsh"])
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception) == "'tcsh': should be one of bash, zsh, fish"


def test_names_of_the_settings(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "voicebridge.toml").write_text(
        "[assistants.receptionist]\nkind = 'echo'\n[people.ann]\nto = '+15550111'\n[people.bob]\nto = '+15550112'\n"
    )
    assert completed("voicebridge dial --assistant re", monkeypatch) == ["receptionist"]
    assert completed("voicebridge calls transfer CA1 ", monkeypatch) == ["ann", "bob"]
    (here / "other.toml").write_text("[people.cleo]\nto = '+15550113'\n")
    assert completed("voicebridge calls -c other.toml transfer CA1 ", monkeypatch) == ["cleo"]


@pytest.mark.parametrize("text", [None, "prot = [", "people = 1", "[people"])
def test_a_file_that_cannot_be_read_offers_nothing(
    text: str | None, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (here / "voicebridge.toml").write_text(text)
    assert completed("voicebridge calls transfer CA1 ", monkeypatch) == []


def test_names_that_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("voicebridge doctor ", monkeypatch) == [group.value for group in Group]
    assert completed("voicebridge calls place --carrier ", monkeypatch) == list(CARRIERS)
    assert list(BUILT_IN) == [name for name, kind in ASSISTANTS.items() if kind.is_built_in]
    assert completed("voicebridge conf", monkeypatch) == ["config"]
