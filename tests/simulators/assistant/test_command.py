"""The command `voicebridge fake-assistant`: wrong options and the help."""

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.vocabulary.errors import ConfigurationError

REFUSED = [
    (["--kind", "stream"], "--kind 'stream': should be turn-based"),
    (["--reply-as", "mp3"], "--reply-as = 'mp3': Input should be 'wav', 'pcmu', 'l16' or 'json'"),
    (["--reply-s", "-1"], "--reply-s = -1.0: Input should be greater than or equal to 0"),
    (["--say", "nowhere.wav"], "nowhere.wav: No such file"),
    (["--script", "nowhere.toml"], "nowhere.toml: "),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_wrong_options_are_refused_with_a_reason(options: list[str], words: str) -> None:
    became = CliRunner().invoke(app, ["fake-assistant", *options])
    assert isinstance(became.exception, ConfigurationError)
    assert words in str(became.exception)


def test_help() -> None:
    shown = CliRunner().invoke(app, ["fake-assistant", "--help"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    assert "says back what it hears" in shown.output
