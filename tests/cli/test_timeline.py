"""`voicebridge timeline` with files that are encrypted."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.vocabulary.errors import ConfigurationError

SEALED = b"age-encryption.org/v1\n-> X25519 abc\n"


@pytest.mark.parametrize(
    ("recording", "journal", "told"),
    [("call.wav.age", "call.jsonl", "-o call.wav call.wav.age"), ("call.wav", "call.jsonl.age", "-o call.jsonl call.jsonl.age"), ("other", "call.jsonl", "-o plain-other other")],
)  # fmt: skip
def test_an_encrypted_file_is_named_with_the_way_to_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recording: str, journal: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (recording, journal):
        Path(name).write_bytes(SEALED if name.endswith(".age") or name == "other" else b"")
    done = CliRunner().invoke(app, ["timeline", recording, journal])
    assert isinstance(done.exception, ConfigurationError)
    assert f"this file is encrypted: decrypt it with the private key: age --decrypt -i KEY.txt {told}" in str(
        done.exception
    )
