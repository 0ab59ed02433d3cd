"""README.md and docs/: every command block is run, or says what it needs; settings load, links lead somewhere.

A document is read from the top in one shell, as a reader would. Its folder is a new one, in which `scripts`, `docs`,
`fixtures` and `.venv` are those of the checkout, so that nothing is left behind there.
"""

import os
import re
import shlex
import signal
import subprocess
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

import pytest
import typer
from typer.core import TyperGroup

from bridge.cli.app import app
from bridge.config.settings import load
from tests.processes import NO_LAG_LIMIT, clean_environment, free_ports

ROOT = Path(__file__).parents[1]
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
PAGES = [*DOCUMENTS, "CONTRIBUTING.md", "SECURITY.md"]

LANGUAGES = {"sh", "toml", "dotenv", "xml", "json", "yaml", "python", "text"}
NEEDS = re.compile(
    r"# Needs (an account at [A-Z]\w+( and at [A-Z]\w+)?|Docker|age|a microphone|a package index|a server with a token|(a quiet machine for )?\d+ minutes)\."
)
"""The first line of a command block that is not run."""

PORTS = ("8080", "8090", "8091", "8092", "8093")
"""What the documents name; free ones are taken instead, for another checkout may be tested at the same time."""

LONGEST_S = 200
"""All documents together, on a busy machine; a third of it otherwise."""

OUTPUT = "output.txt"

LONGEST_README_LINES = 200

PRIVATE_WORDS = re.compile(
    r"\b(seat|sitter|guest|ears|sayings|patience|stirred|calmed|sealed|witness|pretend\w*|fake(?!-openai|-assistant))\b",
    re.IGNORECASE,
)


class Block(NamedTuple):
    """What stands between two fences. `line`: of the first fence, from 1."""

    document: str
    line: int
    language: str
    text: str

    @property
    def is_marked(self) -> bool:
        return NEEDS.fullmatch(self.text.partition("\n")[0]) is not None


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str) -> Iterator[Block]:
    text = read(document)
    for found in re.finditer(r"^```(.*)\n([\s\S]*?)^```$", text, re.MULTILINE):
        yield Block(document, text[: found.start()].count("\n") + 1, found[1], found[2])


def command_blocks(document: str) -> list[Block]:
    return [block for block in blocks(document) if block.language == "sh"]


def place(block: Block) -> str:
    return f"{block.document}:{block.line}"


ALL_BLOCKS = [block for document in PAGES for block in blocks(document)]


# Running


SHELL = """
set -eE
trap 'echo "FAILED in the block at line $line: $BASH_COMMAND" >&2' ERR
"""
AFTER_BLOCK = """
if [ "$(export -p)" != "$exported" ]; then echo "the block at line $line exports a setting" >&2; exit 1; fi
"""
AT_END = """
if [ -n "$(jobs -pr)" ]; then echo "servers go on:" >&2; jobs -r >&2; exit 1; fi
"""


def program(document: str, ports: dict[str, str]) -> str:
    """All command blocks of a document that need nothing, as one program for bash."""
    text = SHELL
    for block in command_blocks(document):
        if not block.is_marked:
            commands = re.sub("|".join(PORTS), lambda port: ports[port[0]], block.text)
            text += f'line={block.line}\nexported="$(export -p)"\n{commands}\n{AFTER_BLOCK}'
    return text + AT_END


def make_folder(folder: Path) -> None:
    """What a reader has in a checkout, without the checkout's own folder."""
    for name in ("docs", "fixtures", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "scripts").mkdir()
    for name, arguments in {
        "run": '"$@"',
        "test": "tests/test_punctual.py -q",
    }.items():  # all tests: this one, too
        script = folder / "scripts" / name
        script.write_text(f"#!/bin/sh\nexec {shlex.quote(str(ROOT / 'scripts' / name))} {arguments}\n")
        script.chmod(0o755)


def start(document: str, folder: Path) -> "subprocess.Popen[bytes]":
    make_folder(folder)
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    with (folder / OUTPUT).open("wb") as output:
        return subprocess.Popen(
            ["bash", "-c", program(document, ports)],
            cwd=folder,
            env=clean_environment(VOICEBRIDGE_PORT=ports["8080"], **NO_LAG_LIMIT),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Read(NamedTuple):
    """A document after all its blocks were run. `code`: None where they took too long."""

    code: int | None
    output: str
    folder: Path


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Read]]:
    """All documents that have something to run; side by side, for most of the time a call is waited for."""
    with_commands = [name for name in DOCUMENTS if any(not b.is_marked for b in command_blocks(name))]
    folders = {name: tmp_path_factory.mktemp(Path(name).stem) for name in with_commands}
    started = {name: start(name, folder) for name, folder in folders.items()}
    give_up = time.monotonic() + LONGEST_S
    try:
        for shell in started.values():
            with suppress(subprocess.TimeoutExpired):
                shell.wait(max(0.0, give_up - time.monotonic()))
        yield {
            name: Read(shell.poll(), (folders[name] / OUTPUT).read_text(encoding="utf-8"), folders[name])
            for name, shell in started.items()
        }
    finally:
        for shell in started.values():
            with suppress(ProcessLookupError):  # all of it has ended, as it should
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()


SAYS = {
    "README.md": ["Call CA", "the caller had nothing left to say, and the line was quiet", "greets"],
    "docs/twilio.md": ['"digits"', "timeline.png", "caller-heard.wav"],
    "docs/before-and-after.md": ['"from": "+15550199"', '"variables": {"name": "Ann", "plan": "gold"}'],
    "docs/telnyx.md": ["frames swapped with the next"],
    "docs/openai.md": ["keys      2 0 1 9 #", "barge-in"],
    "docs/your-own-assistant.md": ["answers what the caller says", "keys      1 2 #"],
    "docs/keypad.md": ['"digits":"42"'],
    "docs/people.md": [
        "the caller hung up as planned",
        "ann (+15550111) answered at",
        "calls/",
        ".png",
        '"opening": "returned"',
    ],
    "docs/operate.md": ["The settings are good.", "complete -o default -F"],
    "docs/load.md": ["calls at once, held", "results.json"],
    "docs/traces.md": ["the same: ", "only what was sent to the carrier was compared"],
}
"""What the commands print, or the server logs, when they do what the document says."""


@pytest.mark.parametrize("document", SAYS)
def test_its_commands_run(document: str, readings: dict[str, Read]) -> None:
    read = readings[document]
    assert read.code == 0, read.output
    missing = [words for words in SAYS[document] if words not in read.output]
    assert not missing, read.output


def test_no_document_with_commands_is_forgotten(readings: dict[str, Read]) -> None:
    assert readings.keys() == SAYS.keys()


def test_the_files_that_the_readme_lists_are_there(readings: dict[str, Read]) -> None:
    listed = re.findall(r"^\| `([\w.-]+)` \|", read("README.md"), re.MULTILINE)
    assert {path.name for path in (readings["README.md"].folder / "voicebridge-demo").iterdir()} == set(
        listed
    )


# Reading


@pytest.mark.parametrize("block", ALL_BLOCKS, ids=place)
def test_a_block_says_its_language(block: Block) -> None:
    assert block.language in LANGUAGES
    if block.language != "sh":
        assert not re.search(r"^\s*(\S+=\S+ )*(scripts/|voicebridge |docker |pip )", block.text, re.MULTILINE)
    assert not re.search(r"^\s*export\b", block.text, re.MULTILINE), "a block exports a setting"


def test_no_fence_is_indented() -> None:
    """It would not be seen by the tests above."""
    for document in PAGES:
        assert not re.search(r"^[ \t>]+```", read(document), re.MULTILINE), document
        assert read(document).count("```") == 2 * len(list(blocks(document))), document


COMMANDS = [block for block in ALL_BLOCKS if block.language == "sh"]


def commands_in(block: Block) -> Iterator[list[str]]:
    """The arguments of each `voicebridge` in it."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.replace(" &", " "), comments=True)
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        if words and words[0] in ("scripts/run", "voicebridge"):
            yield words[1:]


@pytest.mark.parametrize("block", COMMANDS, ids=place)
def test_a_command_and_its_options_exist(block: Block) -> None:
    """Also of a block that is not run."""
    group = typer.main.get_command(app)
    for arguments in commands_in(block):
        command, rest = group, list(arguments)
        while isinstance(command, TyperGroup) and rest:
            name, inner, rest = command.resolve_command(typer.Context(command), rest)
            assert inner is not None, name
            command = inner
        if rest:
            command.make_context("voicebridge", rest)


@pytest.mark.parametrize("block", [b for b in ALL_BLOCKS if b.language == "toml"], ids=place)
def test_settings_load(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sorry.wav", "recorded.wav"):
        (tmp_path / name).symlink_to(ROOT / "fixtures/pause.wav")
    for name in ("ops.token", "wallboard.token"):
        (tmp_path / name).write_text(token_hex())
        (tmp_path / name).chmod(0o600)
    (tmp_path / "voicebridge.toml").write_text(block.text, encoding="utf-8")
    assert load(environment={}).model_fields_set == tomllib.loads(block.text).keys()


@pytest.mark.parametrize("document", PAGES)
def test_links_lead_somewhere(document: str) -> None:
    here = (ROOT / document).parent
    text = read(document)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not re.match(r"https?:|mailto:", target):
            path, _, part = target.partition("#")
            file = here / path if path else ROOT / document
            assert file.exists(), target
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE) if part else []
            assert not part or part in {title.lower().replace(" ", "-") for title in titles}, target
    for path in re.findall(r"`((?:bridge|codecs|docs|fixtures|scripts|tests)/[\w./*-]*)`", text):
        assert list(ROOT.glob(path.rstrip("/").replace("NAME", "*"))), f"{path}: there is no such file"


@pytest.mark.parametrize("document", PAGES)
def test_it_has_the_words_of_the_field(document: str) -> None:
    assert not [match[0] for match in PRIVATE_WORDS.finditer(read(document))]


@pytest.mark.parametrize(
    ("document", "entry"), [("docs/faults.md", r"^\| (.+?) \|"), ("CHANGELOG.md", r"^- (.+)$")]
)
def test_nothing_is_told_twice(document: str, entry: str) -> None:
    """Of two branches that tell the same, both lines stay."""
    times = Counter(re.findall(entry, read(document), re.MULTILINE))
    assert [told for told, n in times.items() if n > 1] == []


def test_the_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) <= LONGEST_README_LINES
