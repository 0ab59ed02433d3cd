"""The settings of assistants: their vendors' names, what makes one unable to answer, and who takes its call."""

from pathlib import Path

import pytest

from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.config.checks import check_assistants
from bridge.config.settings import Settings, built_in_assistants, load
from bridge.settings.assistants import SocketAddress
from bridge.vocabulary.errors import ConfigurationError

REALTIME = "[assistants.a]\nkind = 'openai-realtime'\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_key_is_enough_for_openai() -> None:
    settings = load(environment={"OPENAI_API_KEY": "sk-1", "VOICEBRIDGE_ASSISTANT": "openai-realtime"})
    check_assistants(settings)
    realtime = settings.assistant_settings("openai-realtime")
    assert isinstance(realtime, RealtimeSettings)
    assert realtime.address() == SocketAddress(
        "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1",
        {"Authorization": "Bearer sk-1"},
    )


def test_the_vendor_s_names_are_the_defaults_of_every_realtime_assistant() -> None:
    Path("voicebridge.toml").write_text(f"{REALTIME}project = 'mine'\n[openai]\norganization = 'file'\n")
    realtime = load(
        environment={
            "OPENAI_API_KEY": "sk-1",
            "OPENAI_BASE_URL": "https://eu.example/v1",
            "OPENAI_ORG_ID": "org",
            "OPENAI_PROJECT_ID": "proj",
        }
    ).assistant_settings("a")
    assert isinstance(realtime, RealtimeSettings)
    url, headers, *_ = realtime.address()
    assert url == "wss://eu.example/v1/realtime?model=gpt-realtime-2.1"
    assert headers == {
        "Authorization": "Bearer sk-1",
        "OpenAI-Organization": "org",
        "OpenAI-Project": "mine",
    }


UNANSWERABLE = [
    (
        "assistant = 'openai-realtime'",
        "assistants.openai-realtime: api_key is missing: set OPENAI_API_KEY",
    ),
    (
        "[assistants.a]\nkind = 'echo'\nfallback = 'openai-realtime'",
        "assistants.openai-realtime: api_key is missing: set OPENAI_API_KEY",
    ),
    (REALTIME, "assistants.a: api_key is missing: set OPENAI_API_KEY"),
    (f"{REALTIME}base_url = 'https://x'", "assistants.a: api_key is missing: https://x may need one"),
    (
        f"{REALTIME}base_url = 'ws://127.0.0.1:1'\ntool_choice = 'any'\nsession.include = 'x'",
        "\nassistants.a: tool_choice = 'any': Input should be 'none', 'auto' or 'required'",
    ),
    (
        f"{REALTIME}base_url = 'ws://127.0.0.1:1'\ntool_choice = 'any'\nsession.include = 'x'",
        "assistants.a: include = 'x': Input should be a valid list",
    ),
    (
        f"{REALTIME}base_url = 'ws://127.0.0.1:1'\ngreeting = 'Hello {{variables.name}}'",
        "assistants.a.greeting: {variables.name} is never known: before_call.url should be set, whose answer has the "
        "variables",
    ),
]


@pytest.mark.parametrize(("text", "message"), UNANSWERABLE)
def test_an_assistant_that_could_not_answer_is_found_before_the_first_call(text: str, message: str) -> None:
    Path("voicebridge.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        check_assistants(load(environment={}))
    assert message in str(refusal.value)


def test_variables_are_known_where_somebody_is_asked_before_the_call() -> None:
    Path("voicebridge.toml").write_text(
        "[before_call]\nurl = 'https://crm.example.com/calls'\n"
        f"{REALTIME}base_url = 'ws://127.0.0.1:1'\ngreeting = 'Hello {{variables.name}}'"
    )
    check_assistants(load(environment={}))


@pytest.mark.parametrize("kind", ["echo", "parrot"])
def test_assistants_of_this_house_want_nothing(kind: str) -> None:
    settings = load(environment={"VOICEBRIDGE_ASSISTANT": kind})
    check_assistants(settings)
    assert settings.assistant_settings(kind).kind == kind
    assert settings.assistant_settings(kind).address() is None


def test_a_kind_that_can_do_without_a_table_is_an_assistant_by_its_name() -> None:
    settings = Settings.model_validate({})
    built_in = built_in_assistants()
    assert {name: settings.assistant_settings(name).kind for name in built_in} == {
        name: name for name in built_in
    }


def test_who_takes_the_call_and_what_is_heard_meanwhile_and_at_the_end(elsewhere: Path) -> None:
    sorry = elsewhere / "sorry.wav"
    sorry.write_bytes(b"RIFF")
    Path("voicebridge.toml").write_text(
        f"{REALTIME}fallback = 'b'\n[assistants.b]\nkind = 'openai-realtime'\nfallback = 'c'\n"
        f"waiting = {{ play = '{sorry}' }}\n"
        f"[assistants.c]\nkind = 'echo'\nfallback = {{ play = '{sorry}' }}\n"
        "[assistants.d]\nkind = 'echo'\nfallback = 'parrot'"
    )
    settings = load(environment={})
    assert settings.failover_chain("a") == ("a", "b", "c")
    assert settings.failover_announcement("a") == sorry
    assert settings.failover_chain("c") == ("c",)
    assert settings.failover_announcement("c") == sorry
    assert settings.failover_chain("d") == ("d", "parrot")
    assert settings.failover_announcement("d") is None
    assert [settings.waiting_signal(name) for name in "abcd"] == [sorry, sorry, None, None]
    assert settings.failover_chain("parrot") == ("parrot",)
