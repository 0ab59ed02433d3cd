"""The wheel: built, installed with what the server's lock names and nothing else, and run far from the checkout.

So there is no matplotlib, as after a plain `pip install voicebridge-server`.
"""

import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
HOW_TO_GET_IT = "a picture needs matplotlib: pip install 'voicebridge-server[report]'"


def pip(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def top_level(name: str) -> Iterator[Path]:
    """What an installed distribution put into site-packages."""
    told = distribution(name)
    for entry in sorted({file.parts[0] for file in told.files or []} - {"..", "__pycache__"}):
        yield Path(str(told.locate_file(entry)))


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command. Its environment holds links to what requirements-serve.lock names: no network is needed."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    lock = (ROOT / "requirements-serve.lock").read_text(encoding="utf-8")
    for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE):
        try:
            entries = list(top_level(name))
        except PackageNotFoundError:
            continue  # for another platform; `pip check` tells if it is not
        for entry in entries:
            link = packages / entry.name
            if not link.exists():
                link.symlink_to(entry)
    python = folder / "bin/python"
    pip("--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    pip("--python", python, "check")
    return folder / "bin/voicebridge"


def run(command: Path, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VOICEBRIDGE_"))
    }
    words = [str(command), *map(str, arguments)]
    return subprocess.run(
        words, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def python_in(command: Path, code: str, folder: Path) -> str:
    done = run(command.with_name("python"), "-c", code, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def demo(command: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Where it left its files, and what it printed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "voicebridge-demo").mkdir()
    (folder / "voicebridge-demo/timeline.png").write_bytes(b"of an earlier call")
    done = run(command, "demo", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, json.loads(done.stdout)


def test_the_wheel_is_named_after_the_distribution_and_holds_both_packages(wheel: Path) -> None:
    assert wheel.name.startswith("voicebridge_server-")
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bridge", "telecodecs"}


def test_it_is_the_wheel_that_runs_and_there_is_no_matplotlib(command: Path, tmp_path: Path) -> None:
    place = python_in(
        command, "import bridge, telecodecs; print(bridge.__file__, telecodecs.__file__)", tmp_path
    )
    assert str(ROOT) not in place
    assert place.count(str(command.parents[1])) == 2
    find = "import importlib.util as u; print(u.find_spec('matplotlib'), u.find_spec('twilio'), u.find_spec('pytest'))"
    assert python_in(command, find, tmp_path) == "None None None"


def test_version(command: Path, wheel: Path, tmp_path: Path) -> None:
    done = run(command, "--version", folder=tmp_path)
    assert done.stdout == f"voicebridge {wheel.name.split('-')[1]}\n"
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_it_answers_without_loading_what_is_slow_to_load(command: Path, tmp_path: Path, flag: str) -> None:
    """The budget is 0.3 s; a busy machine has another clock, but loads the same modules."""
    done = run(command.with_name("python"), "-X", "importtime", command, flag, folder=tmp_path)
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert ("importlib.metadata" in loaded) == (flag == "--version")
    slow = {
        "aiohttp",
        "asyncio",
        "bridge.redaction",
        "cryptography",
        "numpy",
        "openai",
        "picows",
        "pydantic",
        "structlog",
        "tomllib",
        "uvloop",
    }
    assert not loaded & slow


def test_the_demo_leaves_the_picture_out_and_says_how_to_get_it(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, told = demo
    names = ["caller-heard.wav", "trace.jsonl", "call.wav", "journal.jsonl"]
    assert [Path(file).name for file in told["files"]] == names
    assert sorted(path.name for path in (folder / "voicebridge-demo").iterdir()) == sorted(names)
    assert told["notes"] == [f"no timeline.png: {HOW_TO_GET_IT}"]
    assert told["ending"] == "the caller had nothing left to say, and the line was quiet"
    assert told["digits"] == "42"
    assert len(told["clears"]) == 1


def test_the_timeline_is_told_in_a_line(demo: tuple[Path, dict[str, Any]], command: Path) -> None:
    folder = demo[0] / "voicebridge-demo"
    said = run(command, "timeline", "call.wav", "journal.jsonl", folder=folder)
    assert (said.returncode, said.stderr) == (0, "")
    story, picture = said.stdout.splitlines()
    assert "Keys: 2." in story
    assert "Barge-ins: 1" in story
    assert picture == f"No picture: {HOW_TO_GET_IT}"
    printed = run(command, "timeline", "call.wav", "journal.jsonl", "--json", folder=folder)
    facts = json.loads(printed.stdout)
    assert f"Call {facts['call_id']}. {facts['summary']}" == story
    assert (facts["picture"], facts["notes"]) == (None, [HOW_TO_GET_IT])


def test_a_recording_that_is_missing_is_still_a_fault(command: Path, tmp_path: Path) -> None:
    journal = ROOT / "tests/observers/call-journal.jsonl"
    done = run(command, "timeline", "none.wav", journal, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "voicebridge: none.wav: No such file or directory\n"
