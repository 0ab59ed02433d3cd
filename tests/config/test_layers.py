"""The layers of the settings: what goes before what, and how one place's words fit into another's."""

import os
import re
from pathlib import Path

import pytest

from bridge.assistants.openai_realtime.session import Transcription
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.config.settings import Settings, load
from bridge.vocabulary.errors import ConfigurationError

REALTIME = "[assistants.a]\nkind = 'openai-realtime'\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
    assert settings.limits.open_s == 5
    assert settings.log_level == "error"
    secret = settings.carrier("twilio").secret
    assert secret is not None
    assert secret.get_secret_value() == "from-dotenv"


def test_a_flag_that_is_a_table_sets_the_keys_that_it_has(elsewhere: Path) -> None:
    (elsewhere / "voicebridge.toml").write_text(
        "[capture]\ndirectory = 'a'\nretention_days = 7\nassistant = true\n"
    )
    settings = load({"capture": {"directory": Path("b")}}, environment={})
    assert (settings.capture.directory, settings.capture.retention_days) == (Path("b"), 7)
    assert settings.capture.assistant
    assert load({"capture": {}}, environment={}).capture.directory == Path("a")
    with pytest.raises(ConfigurationError, match=r"^--capture: capture\.retention_days = 0: "):
        load({"capture": {"retention_days": 0}}, environment={})


WRONG_ELSEWHERE = [
    (
        {"VOICEBRIDGE_PROT": "1"},
        "environment: VOICEBRIDGE_PROT: there is no setting prot; did you mean port?",
    ),
    ({"VOICEBRIDGE_PORT": "x"}, "environment: VOICEBRIDGE_PORT: port = 'x': Input should be a valid integer"),
    ({"VOICEBRIDGE_PORT__X": "1"}, "port"),
    (
        {"OPENAI_BASE_URL": "x"},
        "environment: OPENAI_BASE_URL: openai.base_url = 'x': should be an address such as",
    ),
    (
        {"OPENAI_API_KEY": "hush\n"},
        "environment: OPENAI_API_KEY: openai.api_key: should be one line of ASCII",
    ),
]


@pytest.mark.parametrize(("environment", "message"), WRONG_ELSEWHERE)
def test_a_wrong_variable_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(environment=environment)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("above", "key"), [("greeting", "interruptible"), ("turn_detection", "eagerness"), ("filler", "after_s")]
)
def test_a_variable_cannot_reach_into_a_short_form_and_is_told_where_that_stands(
    above: str, key: str
) -> None:
    Path("voicebridge.toml").write_text(f"{REALTIME}{above} = 'semantic_vad'")
    variable = f"VOICEBRIDGE_ASSISTANTS__A__{above}__{key}".upper()
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={variable: "1"})
    assert str(refusal.value) == (
        f"environment: {variable}: assistants.a.{above}.{key} has no table to go into: "
        f"assistants.a.{above} is a single value in voicebridge.toml; should be written as a table there"
    )


def test_a_named_file_must_be_there() -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: there is no such file"):
        load(file=Path("none.toml"), environment={})


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    settings = load(environment={"TWILIO_AUTH_TOKEN": "", "VOICEBRIDGE_PORT": "", "OPENAI_API_KEY": ""})
    assert settings.carrier("twilio").secret is None
    assert settings.port == 8080


INJECTED = {  # by Kubernetes, for a Service named voicebridge
    "VOICEBRIDGE_SERVICE_HOST": "10.96.0.17",
    "VOICEBRIDGE_SERVICE_PORT": "8080",
    "VOICEBRIDGE_SERVICE_PORT_HTTP": "8080",
    "VOICEBRIDGE_SERVICE_PORT_HTTP_MEDIA": "8443",
    "VOICEBRIDGE_PORT": "tcp://10.96.0.17:8080",
    "VOICEBRIDGE_PORT_8080_TCP": "tcp://10.96.0.17:8080",
    "VOICEBRIDGE_PORT_8080_TCP_PROTO": "tcp",
    "VOICEBRIDGE_PORT_8080_TCP_PORT": "8080",
    "VOICEBRIDGE_PORT_8080_TCP_ADDR": "10.96.0.17",
    "VOICEBRIDGE_PORT_5060_UDP": "udp://10.96.0.17:5060",
    "VOICEBRIDGE_PORT_5060_UDP_ADDR": "fd00:10:96::11",
    "VOICEBRIDGE_PORT_9000_SCTP_PROTO": "sctp",
    # for one named voicebridge-media
    "VOICEBRIDGE_MEDIA_SERVICE_HOST": "fd00:10:96::11",
    "VOICEBRIDGE_MEDIA_SERVICE_PORT": "8081",
    "VOICEBRIDGE_MEDIA_PORT": "tcp://[fd00:10:96::11]:8081",
    "VOICEBRIDGE_MEDIA_PORT_8081_TCP": "tcp://[fd00:10:96::11]:8081",
}


@pytest.mark.parametrize("name", INJECTED)
def test_a_variable_that_kubernetes_injects_is_no_setting(name: str) -> None:
    assert load(environment={name: INJECTED[name]}) == Settings.model_validate({})


def test_all_of_them_at_once_leave_the_settings_beside_them() -> None:
    mine = {"VOICEBRIDGE_HOST": "localhost", "VOICEBRIDGE_LIMITS__START_S": "3"}
    assert load(environment=INJECTED | mine) == load(environment=mine)
    assert load(environment=INJECTED | {"VOICEBRIDGE_PORT": "8081"}).port == 8081


NOT_INJECTED = [  # settings, or faults, whose names or values only look alike
    ({"VOICEBRIDGE_PORT": "8081x"}, "VOICEBRIDGE_PORT: port = '8081x'"),
    ({"VOICEBRIDGE_PORT": "http://10.96.0.17:8080"}, "VOICEBRIDGE_PORT: port = 'http://10.96.0.17:8080'"),
    ({"VOICEBRIDGE_SERVICE_HOST": "pbx.example.com"}, "there is no setting service_host"),
    ({"VOICEBRIDGE_SERVICE": "x"}, "there is no setting service"),
    ({"VOICEBRIDGE_PORT_8080": "8080"}, "there is no setting port_8080"),
    ({"VOICEBRIDGE_LIMITS__SERVICE_PORT": "8080"}, "there is no setting limits.service_port"),
]


@pytest.mark.parametrize(("environment", "message"), NOT_INJECTED)
def test_what_only_looks_like_it_is_still_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        load(environment=environment)


def test_an_empty_table_is_a_table() -> None:
    Path("voicebridge.toml").write_text(f"{REALTIME}[assistants.a.tools.hang_up]\n[assistants.a.tools.note]")
    environment = {"VOICEBRIDGE_ASSISTANTS__A__TOOLS__NOTE__TIMEOUT_S": "3"}
    tools = load(environment=environment).assistant_settings("a").tools
    assert {name: tool.timeout_s for name, tool in tools.items()} == {"hang_up": 10, "note": 3}


def test_the_environment_reaches_into_tables() -> None:
    Path("voicebridge.toml").write_text(f"{REALTIME}[assistants.a.transcription]\nlanguage = 'en'")
    name = "VOICEBRIDGE_ASSISTANTS__A__"
    realtime = load(environment={name + "TURN_DETECTION__SILENCE_DURATION_MS": "350"}).assistant_settings("a")
    assert isinstance(realtime, RealtimeSettings)
    assert realtime.turn_detection.type == "server_vad"
    assert realtime.turn_detection.silence_duration_ms == 350
    assert realtime.transcription == Transcription(language="en")
    silent = load(environment={name + "TRANSCRIPTION": "false"}).assistant_settings("a")
    assert isinstance(silent, RealtimeSettings)
    assert silent.transcription is None


def test_a_variable_is_no_table_and_is_told_how_to_write_one() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={"VOICEBRIDGE_ASSISTANTS__A": '{kind = "echo"}'})
    assert str(refusal.value) == (
        "environment: VOICEBRIDGE_ASSISTANTS__A: assistants.a = '{kind = \"echo\"}': should be a table, "
        "each key a variable of its own: VOICEBRIDGE_ASSISTANTS__A__KEY"
    )


def test_the_environment_is_the_processes_own_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VOICEBRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VOICEBRIDGE_PORT", "1234")
    assert load().port == 1234
