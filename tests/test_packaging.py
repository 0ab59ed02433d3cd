"""What is packaged: the README for package indexes, the source distribution, and what the container image is built from."""

import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def packaged_readme() -> Callable[[str, str, str], str]:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[[str, str, str], str] = module.packaged_readme
    return function


PAGES, PICTURES = "https://example.com/page/", "https://example.com/raw/"


@pytest.mark.parametrize(
    ("text", "with_addresses", "without"),
    [
        ("[Twilio](docs/twilio.md)", f"[Twilio]({PAGES}docs/twilio.md)", "Twilio"),
        ("[a](docs/x.md#y), [b](SECURITY.md)", f"[a]({PAGES}docs/x.md#y), [b]({PAGES}SECURITY.md)", "a, b"),
        ("![A call](docs/call.png)", f"![A call]({PICTURES}docs/call.png)", ""),
        ("[here](#try-it)", "[here](#try-it)", "[here](#try-it)"),
        (
            "[PEP](https://peps.python.org/)",
            "[PEP](https://peps.python.org/)",
            "[PEP](https://peps.python.org/)",
        ),
    ],
)
def test_links_and_pictures(text: str, with_addresses: str, without: str) -> None:
    assert packaged_readme()(text, PAGES, PICTURES) == with_addresses
    assert packaged_readme()(text, "", "").partition("\nThe documents that this page names")[0] == without


def test_the_source_distribution_builds_and_holds_the_documents(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("voicebridge_server-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
        about = next(member for member in opened.getmembers() if member.name.endswith("PKG-INFO"))
        file = opened.extractfile(about)
        assert file is not None
        text = file.read().decode()
    documents = {f"docs/{path.name}" for path in (ROOT / "docs").iterdir() if path.is_file()}
    assert names >= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", *documents}
    assert "# voicebridge" in text
    assert not re.findall(r"\]\((?!https?:|mailto:|#)[^)]*\)", text)


# The container image


def extras_lock(extras: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/extras-lock"), extras]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize(
    ("extras", "names"),
    [
        ("", set()),
        ("g722", {"g722"}),
        ("opus,amr-wb", {"av"}),
        ("report", {"matplotlib", "contourpy", "numpy", "pillow"}),
    ],
)
def test_the_lock_of_extras_is_part_of_the_whole_lock(extras: str, names: set[str]) -> None:
    done = extras_lock(extras)
    assert (done.returncode, done.stderr) == (0, "")
    found = set(re.findall(r"^([a-z0-9-]+)==", done.stdout, re.MULTILINE))
    assert found >= names
    assert bool(found) == bool(names)
    assert set(done.stdout.splitlines()) <= set(LOCK.splitlines())
    assert all("--hash=" in entry for entry in re.split(r"^(?=\S)", done.stdout, flags=re.MULTILINE)[1:])


def test_an_extra_that_does_not_exist_is_refused() -> None:
    done = extras_lock("g722,g729")
    assert done.returncode == 1
    assert "g729: expected extras of pyproject.toml" in done.stderr


def test_everything_that_the_image_is_built_from_may_go_in() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    copied = {
        word
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile, re.MULTILINE)
        for word in line.split()
        if word != "."
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    built = {package.split("/")[0] for package in wheel["packages"]} | wheel["force-include"].keys()
    assert allowed >= copied | built | {"LICENSE", "README.md", "hatch_build.py", "pyproject.toml"}
    assert all((ROOT / name).exists() for name in allowed)
