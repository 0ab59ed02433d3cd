"""`voicebridge config init`: three answers, typed or as options, become a file that `config check` finds good."""

import itertools
import os
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.carriers.registry import CARRIERS
from bridge.cli import app as cli
from bridge.vocabulary.errors import ConfigurationError
from tests.processes import clean_environment, free_port

FILE = "voicebridge.toml"

SECRETS = {
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "TELNYX_PUBLIC_KEY": "0123456789012345678901234567890123456789012=",
    "OPENAI_API_KEY": "sk-" + "a" * 40,
}

STREAM = "wss://assistant.example.com/talk"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in set(clean_environment()) ^ set(os.environ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments: str, typed: str | None = None) -> tuple[int, str]:
    """Exit code and output; an error of ours as the text that `main` prints."""
    done = CliRunner().invoke(cli.app, ["config", *arguments], input=typed)
    if isinstance(done.exception, ConfigurationError):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def init(*arguments: str, typed: str | None = None) -> tuple[int, str]:
    return run("init", *arguments, typed=typed)


@pytest.mark.parametrize(
    ("carrier", "assistant", "public_url"),
    [
        *itertools.product(
            CARRIERS, ["parrot", "echo", "openai-realtime", STREAM, "https://a.example.net/turns"],
            ["", "https://voice.acme.dev"],
        ),
        ("none", "parrot", ""),
        ("none", STREAM, ""),
    ],
)  # fmt: skip
def test_the_file_is_good(
    carrier: str, assistant: str, public_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = init("--carrier", carrier, "--assistant", assistant, "--public-url", public_url)
    assert code == 0, said
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    code, said = run("check", "--port", str(free_port()))
    assert code == 0, said
    assert "The settings are good." in said


def test_three_questions_make_it() -> None:
    code, said = init(typed="twilio\nopenai-realtime\nhttps://voice.acme.dev/\n")
    assert code == 0
    tables = tomllib.loads(Path(FILE).read_text())
    assert tables["public_url"] == "https://voice.acme.dev"
    assert tables["assistants"][tables["assistant"]]["kind"] == "openai-realtime"
    assert "Set TWILIO_AUTH_TOKEN in the environment, or TWILIO_AUTH_TOKEN_FILE." in said
    assert "Set OPENAI_API_KEY in the environment, or OPENAI_API_KEY_FILE." in said
    assert "Point your number at https://voice.acme.dev/twilio/voice (POST)." in said


def test_nothing_typed_takes_the_defaults() -> None:
    code, _ = init(typed="\n\n\n")
    assert code == 0
    tables = tomllib.loads(Path(FILE).read_text())
    assert (tables["assistant"], tables["security"]) == ("parrot", {"allow_unauthenticated": True})


def test_an_answer_that_is_no_good_is_asked_for_again() -> None:
    code, said = init(typed="vonage\ntelnyx\nparot\nparrot\nvoice.acme.dev\nhttps://voice.acme.dev\n")
    assert code == 0
    assert "'vonage': should be one of twilio, telnyx, none" in said
    assert "'parot': should be one of parrot, echo" in said
    assert "'voice.acme.dev': should be a web address" in said


def test_editors_find_the_schema_beside_it(here: Path) -> None:
    init("--carrier", "none", "--assistant", "echo", "--public-url", "")
    first = Path(FILE).read_text().splitlines()[0]
    assert first == "#:schema ./voicebridge.schema.json"
    assert (here / "voicebridge.schema.json").exists()


def test_a_file_that_is_there_stays_unless_it_is_forced() -> None:
    Path(FILE).write_text("port = 1\n")
    code, said = init("--carrier", "none", "--assistant", "echo", "--public-url", "")
    assert (code, Path(FILE).read_text()) == (2, "port = 1\n")
    assert said == f"{FILE}: is there already: expected a new file, or --force to write over it"
    assert init("--carrier", "none", "--assistant", "echo", "--public-url", "", "--force")[0] == 0
    assert "assistant" in Path(FILE).read_text()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("vonage", "echo", ""), "--carrier 'vonage': should be one of twilio, telnyx, none"),
        (("none", "ftp://x", ""), "--assistant 'ftp://x': should be one of parrot, echo"),
        (("none", "wss://me:secret@x", ""), "should have no user and no password"),
        (("twilio", "echo", "https://voice.acme.dev/twilio/voice"), "should be the server's address alone"),
        (("none", "echo", "https://voice.acme.dev"), "--carrier none with --public-url: should be left out"),
    ],
)
def test_options_that_are_no_good_write_nothing(options: tuple[str, str, str], why: str) -> None:
    carrier, assistant, public_url = options
    code, said = init("--carrier", carrier, "--assistant", assistant, "--public-url", public_url)
    assert (code, Path(FILE).exists()) == (2, False)
    assert why in said


def test_a_script_that_leaves_an_answer_out_is_told_which_options_there_are() -> None:
    code, said = init("--carrier", "none", typed="")
    assert (code, Path(FILE).exists()) == (2, False)
    assert "--carrier, --assistant and --public-url" in said


def test_a_folder_that_is_not_there_is_named() -> None:
    code, said = init("a/b.toml", "--carrier", "none", "--assistant", "echo", "--public-url", "")
    assert (code, said) == (2, "a/b.toml: No such file or directory: expected a file that can be written")
