"""`NAME_FILE` in the environment: the secret is in a file; both at once, and a file that is no good, are refused."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.config.checks import doubts
from bridge.config.settings import load, vendor_variables
from bridge.vocabulary.errors import ConfigurationError

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str, mode: int = 0o600) -> str:
    file = folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def in_clear(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()


@pytest.mark.parametrize(
    ("variable", "read"),
    [
        ("TWILIO_AUTH_TOKEN_FILE", lambda found: found.carrier("twilio").secret),
        ("TELNYX_API_KEY_FILE", lambda found: found.carrier("telnyx").secret),
        ("OPENAI_API_KEY_FILE", lambda found: found.assistant_settings("openai-realtime").api_key),
        ("VOICEBRIDGE_METRICS__TOKEN_FILE", lambda found: found.metrics.token),
        ("VOICEBRIDGE_SECURITY__TOKEN_KEYS_FILE", lambda found: found.security.token_keys[0]),
        ("VOICEBRIDGE_BEFORE_CALL__SECRET_FILE", lambda found: found.before_call.secret),
        ("VOICEBRIDGE_ASSISTANTS__A__API_KEY_FILE", lambda found: found.assistants["a"].api_key),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_file_has_the_secret(variable: str, read, end: str, elsewhere: Path) -> None:  # type: ignore[no-untyped-def]
    (elsewhere / "voicebridge.toml").write_text('[assistants.a]\nkind = "openai-realtime"\n')
    settings = load(environment={variable: written(elsewhere, TOKEN + end)})
    assert in_clear(read(settings)) == TOKEN


def test_dotenv_names_files_as_well_and_the_environment_goes_before_it(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text(f"TWILIO_AUTH_TOKEN_FILE={written(elsewhere, TOKEN)}\n")
    assert in_clear(load(environment={}).carrier("twilio").secret) == TOKEN
    other = load(environment={"TWILIO_AUTH_TOKEN": "f" * 32})
    assert in_clear(other.carrier("twilio").secret) == "f" * 32


def test_the_simulated_carrier_signs_with_it(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN_FILE", written(elsewhere, TOKEN))
    assert vendor_variables({"TWILIO_AUTH_TOKEN": "auth_token"}) == {"auth_token": TOKEN}


def test_a_variable_that_is_empty_is_not_set() -> None:
    settings = load(environment={"TWILIO_AUTH_TOKEN_FILE": "", "TWILIO_AUTH_TOKEN": TOKEN})
    assert in_clear(settings.carrier("twilio").secret) == TOKEN


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("", 0o600, "is empty: should have the secret in it"),
        ("\n \n", 0o600, "is empty: should have the secret in it"),
        ("a\nb\n", 0o600, "has several lines: should be the secret alone"),
        ("x" * 20_000, 0o600, "is too long: should be the secret alone"),
        (TOKEN, 0o620, "other users may write it: should be for its owner alone"),
        (TOKEN, 0o602, "other users may write it: should be for its owner alone"),
    ],
)
def test_a_file_that_is_no_good_is_named(text: str, mode: int, why: str, elsewhere: Path) -> None:
    file = written(elsewhere, text, mode)
    with pytest.raises(ConfigurationError) as refused:
        load(environment={"OPENAI_API_KEY_FILE": file})
    assert str(refused.value).startswith(f"environment: OPENAI_API_KEY_FILE: {file}: {why}")


def test_a_missing_file_a_folder_and_bytes_are_named(elsewhere: Path) -> None:
    (elsewhere / "bytes").write_bytes(b"\xff\xfe\xff")
    (elsewhere / "bytes").chmod(0o600)
    for name, why in (
        ("missing", "No such file or directory"),
        ("folder", "Is a directory"),
        ("bytes", "is not text"),
    ):
        if name == "folder":
            (elsewhere / name).mkdir(mode=0o700)
        with pytest.raises(ConfigurationError, match=f"TWILIO_AUTH_TOKEN_FILE: {name}: {why}"):
            load(environment={"TWILIO_AUTH_TOKEN_FILE": name})


def test_both_are_refused_and_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(
            environment={
                "TWILIO_AUTH_TOKEN_FILE": "missing",
                "TWILIO_AUTH_TOKEN": TOKEN,
                "TELNYX_API_KEY_FILE": "missing",
            }
        )
    assert str(refused.value).splitlines() == [
        "environment: TWILIO_AUTH_TOKEN_FILE: should not be set together with TWILIO_AUTH_TOKEN",
        "environment: TELNYX_API_KEY_FILE: missing: No such file or directory: should be a file with the secret",
    ]


def test_the_value_of_a_file_is_checked_like_any_and_is_not_shown(elsewhere: Path) -> None:
    file = written(elsewhere, "short-secret")
    with pytest.raises(ConfigurationError, match="environment: VOICEBRIDGE_METRICS__TOKEN_FILE: ") as refused:
        load(environment={"VOICEBRIDGE_METRICS__TOKEN_FILE": file})
    assert "short-secret" not in str(refused.value)


def test_a_file_that_everybody_can_read_is_doubtful(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes and Docker mount secrets so by default: it is no fault."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN_FILE", written(elsewhere, TOKEN, 0o644))
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)
    settings = load()
    assert in_clear(settings.carrier("twilio").secret) == TOKEN
    assert any(
        line.startswith("TWILIO_AUTH_TOKEN_FILE: ") and "every user can read it" in line
        for line in doubts(settings)
    )


def test_only_secrets_are_read_from_files() -> None:
    with pytest.raises(ConfigurationError, match="there is no setting port_file"):
        load(environment={"VOICEBRIDGE_PORT_FILE": "x"})
