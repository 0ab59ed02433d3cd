"""Installing: which interpreters `scripts/install` refuses and why, and that the lock is complete."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
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


EVERYTHING = frozenset({"otel", "report", "encryption", "g722", "opus", "amr-wb", "mp3", "dev"})


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


def test_nobody_is_told_to_install_the_other_project_called_voicebridge() -> None:
    told = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    told += [path for folder in ("bridge", "codecs", "docs") for path in (ROOT / folder).rglob("*.py")]
    wrong = re.compile(r"voicebridge\[|pip install '?voicebridge(?!-server)")
    assert not [str(path) for path in told if wrong.search(path.read_text(encoding="utf-8"))]


def test_the_image_installs_its_locks_as_a_checkout_does() -> None:
    steps = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    installed = re.findall(r"scripts/install-lock (/\S+) (\S+)", steps)
    assert installed == [
        ("/build/bin/python", "requirements-build.lock"),
        ("/opt/voicebridge/bin/python", "requirements-serve.lock"),
        (
            "/opt/voicebridge/bin/python",
            "extras.lock",
        ),  # a part of requirements.lock: tests/test_packaging.py
    ]
    assert not re.search(r"pip install\b.* -r", steps)
    assert "!scripts/install-lock" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


# What follows installs for real, from wheels that are made here: no network, and the same on every day.


def made(folder: Path, name: str, release: str, *requires: str, extra: str = "") -> str:
    """Make a wheel that holds nothing; returns its pin."""
    path, info = folder / f"{name}-{release}-py3-none-any.whl", f"{name}-{release}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {release}"]
    metadata += [f"Provides-Extra: {extra}"] * bool(extra) + [f"Requires-Dist: {text}" for text in requires]
    files = {
        "METADATA": "\n".join(metadata),
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any",
    }
    names = [f"{info}/{file}" for file in (*files, "RECORD")]
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(f"{info}/{file}", text + "\n")
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))
    return f"{name}=={release} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def of_yesterday(folder: Path) -> list[str]:
    """The pins of a lock that was complete yesterday; today there are newer releases of everything in it.

    As pytest-cov asks for coverage[toml], `suite` asks for `meter[config]`, and that for `parser`.
    """
    pins: list[str] = []
    for release in ("1.0", "1.1"):
        newest = [
            made(folder, "suite", release, "meter[config]>=1.0"),
            made(folder, "meter", release, 'parser>=1.0; extra == "config"', "clock>=1.0", extra="config"),
            made(folder, "parser", release),
            made(folder, "clock", release),
        ]
        pins = pins or newest
    return pins


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=True, symlinks=True)
    return folder


@dataclass
class Installer:
    """A fresh environment with the pip that this Python brings along, and a folder in place of an index."""

    python: Path
    wheels: Path

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        environment |= {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }
        words = [str(word) for word in command]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def install(self, lock: list[str]) -> subprocess.CompletedProcess[str]:
        """As `scripts/install`, `scripts/check-install` and the Dockerfile do."""
        return self.run(ROOT / "scripts/install-lock", self.python, self.written(lock))

    def written(self, lock: list[str]) -> Path:
        file = self.wheels / "requirements.lock"
        file.write_text("\n".join(lock))
        return file

    def installed(self) -> set[str]:
        return {*self.run(self.python, "-m", "pip", "list", "--format", "freeze").stdout.split()}


@pytest.fixture
def installer(fresh: Path, tmp_path: Path) -> Installer:
    shutil.copytree(fresh, tmp_path / "venv", symlinks=True)
    (tmp_path / "wheels").mkdir()
    return Installer(tmp_path / "venv/bin/python", tmp_path / "wheels")


def test_a_lock_whose_pins_are_not_the_newest_releases_installs(installer: Installer) -> None:
    done = installer.install(of_yesterday(installer.wheels))
    assert done.returncode == 0, done.stderr
    assert {"suite==1.0", "meter==1.0", "parser==1.0", "clock==1.0"} <= installer.installed()


def test_it_is_a_lock_that_an_older_pip_does_not_resolve(installer: Installer) -> None:
    """Else the test before proves nothing."""
    release = installer.run(installer.python, "-m", "pip", "--version").stdout.split()[1]
    if int(release.split(".")[0]) > 23:
        pytest.skip(f"pip {release} resolves it; scripts/check-install tries the older ones")
    lock = installer.written(of_yesterday(installer.wheels))
    done = installer.run(installer.python, "-m", "pip", "install", "--require-hashes", "-r", lock)
    assert done.returncode != 0
    assert "all requirements must have their versions pinned" in done.stderr


def test_a_lock_that_lacks_something_is_refused(installer: Installer) -> None:
    lock = [pin for pin in of_yesterday(installer.wheels) if not pin.startswith("clock")]
    done = installer.install(lock)
    assert done.returncode != 0
    assert "meter 1.0 requires clock, which is not installed" in done.stdout + done.stderr


def test_a_wheel_that_is_not_the_locks_is_refused(installer: Installer) -> None:
    lock = of_yesterday(installer.wheels)
    made(installer.wheels, "clock", "1.0", "suite")
    done = installer.install(lock)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
