"""Installing: which interpreters `scripts/install` refuses and why, and that the lock is complete."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

REFUSED = [
    ((2, 7, 18), "is Python 2.7.18: needs 3.11 or newer"),
    ((3, 10, 13), "is Python 3.10.13: needs 3.11 or newer"),
    ((3, 14, 0), "is Python 3.14.0, whose garbage collector lets memory grow: needs 3.14.5, or 3.11 to 3.13"),
    ((3, 14, 4), "is Python 3.14.4, whose garbage collector lets memory grow: needs 3.14.5, or 3.11 to 3.13"),
]
ACCEPTED = [(3, 11, 0), (3, 12, 1), (3, 13, 0), (3, 14, 5), (3, 15, 0)]


def project() -> dict[str, object]:
    table: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def installing(folder: Path, python: Path) -> str:
    """What `scripts/install` says in a copy of the checkout that holds nothing else."""
    (folder / "scripts").mkdir(exist_ok=True)
    for name in ("scripts/install", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    command = [str(folder / "scripts/install")]
    environment = os.environ | {"PYTHON": str(python)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    return done.stderr


def pretend_python(folder: Path, release: tuple[int, int, int]) -> Path:
    """Runs what it is given, says that it is another release, and makes no virtual environment."""
    code = f"import sys; sys.version_info = {(*release, 'final', 0)}; exec(sys.argv[1])"
    python = folder / "python"
    python.write_text(f"""#!/bin/sh
if [ "$1" != -c ]; then echo "makes no $2" >&2; exit 1; fi
exec '{sys.executable}' -c "{code}" "$2"
""")
    python.chmod(0o755)
    return python


@pytest.mark.parametrize(("release", "reason"), REFUSED)
def test_an_unfit_interpreter_is_refused_with_the_reason(
    tmp_path: Path, release: tuple[int, int, int], reason: str
) -> None:
    python = pretend_python(tmp_path, release)
    assert installing(tmp_path, python).splitlines()[0] == f"voicebridge: {python} {reason}"


@pytest.mark.parametrize("release", ACCEPTED)
def test_a_fit_interpreter_is_asked_for_a_virtual_environment(
    tmp_path: Path, release: tuple[int, int, int]
) -> None:
    assert "makes no venv" in installing(tmp_path, pretend_python(tmp_path, release))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("", "voicebridge: there is no {python}"),
        ("#!/bin/sh\nexit 0\n", "voicebridge: {python} is not a Python"),
        (
            "#!/bin/sh\nexit 1\n",
            "voicebridge: {python} is not a Python that runs and has venv and pip: needs",
        ),
    ],
)
def test_what_is_no_python_is_named(tmp_path: Path, program: str, reason: str) -> None:
    python = tmp_path / "python"
    if program:
        python.write_text(program)
        python.chmod(0o755)
    told = installing(tmp_path, python)
    assert told.startswith(reason.format(python=python))
    assert "or name one: PYTHON=" in told


def test_pip_refuses_the_same_releases() -> None:
    allowed = SpecifierSet(str(project()["requires-python"]))
    for release, _ in REFUSED:
        assert not allowed.contains(".".join(map(str, release)))
    for release in ACCEPTED:
        assert allowed.contains(".".join(map(str, release)))


def required(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """What a distribution asks for on this machine, with these extras."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        asked = extras or frozenset({""})
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in asked
        ):
            yield requirement


def pins(lock: str) -> set[str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {canonicalize_name(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


EVERYTHING = frozenset({"report", "g722", "opus", "amr-wb", "mp3", "dev"})


@pytest.mark.parametrize(
    ("lock", "asked"),
    [
        ("requirements.lock", {"voicebridge-server": EVERYTHING}),
        ("requirements-serve.lock", {"voicebridge-server": frozenset[str]()}),
        ("requirements-build.lock", {"hatchling": frozenset[str]()}),
    ],
)
def test_a_lock_names_all_that_is_asked_for_with_the_extras_of_each_package(
    lock: str, asked: dict[str, frozenset[str]]
) -> None:
    """pip check does not look at extras, such as those of coverage[toml]."""
    pinned, open_, seen = pins(lock), list(asked.items()), set[tuple[str, frozenset[str]]]()
    while open_:
        name, extras = entry = open_.pop()
        if entry in seen:
            continue
        seen.add(entry)
        for requirement in required(name, extras):
            needed = canonicalize_name(requirement.name)
            assert needed in pinned, f"{lock} lacks {needed}, which {name} asks for"
            assert requirement.specifier.contains(version(needed), prereleases=True)
            open_.append((needed, frozenset(requirement.extras)))
    assert len(seen) > len(asked)


def test_the_extras_are_those_that_the_lock_is_made_with() -> None:
    assert project()["optional-dependencies"].keys() == EVERYTHING  # type: ignore[attr-defined]
    lock = (ROOT / "scripts/lock").read_text(encoding="utf-8")
    assert set(re.findall(r"--extra (\S+)", lock)) == EVERYTHING


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-serve.lock", "requirements-build.lock"])
def test_a_lock_names_no_index_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)


def test_no_vendors_library_is_needed_at_run_time() -> None:
    assert not pins("requirements-serve.lock") & {"twilio", "telnyx"}
