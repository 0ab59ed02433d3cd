"""The settings: what goes before what, and what is said of a wrong one."""

import os
from pathlib import Path

import pytest

from bridge.config import Settings, load
from bridge.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_configured_is_the_parrot_on_loopback() -> None:
    settings = load(environment={})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.assistant) == ("127.0.0.1", 8080, "parrot")


def test_flag_before_environment_before_dotenv_before_file_before_default(elsewhere: Path) -> None:
    (elsewhere / "voicebridge.toml").write_text(
        "port = 1\nlog_level = 'error'\nassistant = 'echo'\n[limits]\nstart_s = 1\n"
    )
    (elsewhere / ".env").write_text(
        "VOICEBRIDGE_PORT=2\nVOICEBRIDGE_LIMITS__START_S=2\nTWILIO_AUTH_TOKEN=from-dotenv\n"
    )
    settings = load({"port": 4, "host": None}, environment={"VOICEBRIDGE_LIMITS__START_S": "3"})
    assert settings.port == 4
    assert settings.limits.start_s == 3
    assert settings.limits.open_s == 10
    assert settings.log_level == "error"
    assert settings.twilio.auth_token is not None
    assert settings.twilio.auth_token.get_secret_value() == "from-dotenv"


def test_the_design_s_example() -> None:
    Path("mine.toml").write_text(
        'public_url = "https://voice.example.com/"\nassistant = "check"\n\n[assistants.check]\nkind = "echo"\n'
    )
    settings = load(file=Path("mine.toml"), environment={})
    assert settings.assistant_kinds["check"] == "echo"
    assert settings.told_url(1) == "https://voice.example.com"


WRONG = [
    ("prot = 1", "voicebridge.toml: there is no setting prot; did you mean port?"),
    ("[limits]\nstart = 1", "voicebridge.toml: there is no setting limits.start; did you mean start_s?"),
    (
        "[journal]\nzzz = 1",
        "voicebridge.toml: there is no setting journal.zzz; known here: directory",
    ),
    (
        "[assistants.a]\nkind = 'echo'\nmodle = 'x'",
        "voicebridge.toml: there is no setting assistants.a.modle; known here: kind",
    ),
    (
        "[assistants.a]\nkind = 'eco'",
        "voicebridge.toml: assistants.a.kind = 'eco': should be one of echo, parrot",
    ),
    ("assistant = 'nobody'", "assistant = 'nobody': should be one of parrot, echo"),
    ("port = 'high'", "voicebridge.toml: port = 'high': Input should be a valid integer"),
    ("port = 70000", "voicebridge.toml: port = 70000: Input should be less than or equal to 65535"),
    ("limits = 3", "voicebridge.toml: limits = 3: Input should be a valid dictionary"),
    (
        "log_level = 'loud'",
        "voicebridge.toml: log_level = 'loud': Input should be 'debug', 'info', 'warning' or 'error'",
    ),
    ("public_url = 'voice.example.com'", "public_url = 'voice.example.com': should be a web address such as"),
    ("public_url = 'https://x/?a=1'", "should have no query"),
    ("public_url = 'https://x:99999'", "voicebridge.toml: public_url = 'https://x:99999': Port out of range"),
    ("[twilio]\nthen = 'dial.xml'", "voicebridge.toml: twilio.then = 'dial.xml': should be a web address"),
    ("[twilio]\nauth_token = ''", "voicebridge.toml: twilio.auth_token: "),
    ("ssl_certfile = 'a.pem'", "ssl_certfile and ssl_keyfile: should be given together"),
    ("[twilio]\nauth_token = 7", "voicebridge.toml: twilio.auth_token: Input should be a valid string"),
    ("port = ", "voicebridge.toml: "),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_setting_is_named_with_its_place_and_what_would_be_right(text: str, message: str) -> None:
    Path("voicebridge.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    assert message in str(refusal.value)


WRONG_ELSEWHERE = [
    (
        {"VOICEBRIDGE_PROT": "1"},
        "environment: VOICEBRIDGE_PROT: there is no setting prot; did you mean port?",
    ),
    ({"VOICEBRIDGE_PORT": "x"}, "environment: VOICEBRIDGE_PORT: port = 'x': Input should be a valid integer"),
    ({"VOICEBRIDGE_PORT__X": "1"}, "port"),
]


@pytest.mark.parametrize(("environment", "message"), WRONG_ELSEWHERE)
def test_a_wrong_variable_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(environment=environment)
    assert message in str(refusal.value)


def test_every_fault_is_told_at_once() -> None:
    Path("voicebridge.toml").write_text("prot = 1\nlog_level = 'loud'\n")
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    assert len(str(refusal.value).splitlines()) == 2


def test_a_named_file_must_be_there() -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: there is no such file"):
        load(file=Path("none.toml"), environment={})


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    settings = load(environment={"TWILIO_AUTH_TOKEN": "", "VOICEBRIDGE_PORT": ""})
    assert settings.twilio.auth_token is None
    assert settings.port == 8080


def test_the_twiml_that_goes_on_may_have_a_query_and_keeps_its_slash() -> None:
    Path("voicebridge.toml").write_text("[twilio]\nthen = 'https://x/dial/?a=1'\n")
    assert load(environment={}).twilio.then == "https://x/dial/?a=1"


def test_a_secret_shows_nowhere() -> None:
    settings = load(environment={"TWILIO_AUTH_TOKEN": "very-secret"})
    assert "very-secret" not in settings.model_dump_json() + repr(settings)


def test_the_environment_is_the_processes_own_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VOICEBRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VOICEBRIDGE_PORT", "1234")
    assert load().port == 1234
