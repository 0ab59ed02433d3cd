"""An assistant that nobody but its own folder and the registry knows: its settings, its vendor's, and a call."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from bridge.assistants.registry import ASSISTANTS, AssistantKind
from bridge.config.checks import check_assistants
from bridge.config.settings import Settings, built_in_assistants, load
from bridge.settings.assistants import SocketAddress
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import ConfigurationError
from tests.assistants.toy.kind import TOY_ASSISTANT, ToyAssistant, ToyAssistantSettings

SAID = np.random.default_rng(7).integers(0, 127, 2_400, np.uint8).tobytes()  # 300 ms
TIMEOUT_S = 30.0
TABLE = "[assistants.mine]\nkind = 'toy'\nurl = 'ws://127.0.0.1:1/'\n"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All that a new assistant needs outside its folder."""
    monkeypatch.setitem(ASSISTANTS, "toy", TOY_ASSISTANT)
    monkeypatch.chdir(tmp_path)


def loaded(text: str, **environment: str) -> Settings:
    Path("voicebridge.toml").write_text(text)
    return load(environment=environment)


@pytest.mark.parametrize(
    ("text", "environment", "key"),
    [
        (f"{TABLE}api_key = 'own'", {"TOYVENDOR_KEY": "vendor"}, "own"),
        (TABLE, {"TOYVENDOR_KEY": "vendor"}, "vendor"),
        (f"{TABLE}[toyvendor]\napi_key = 'vendor'", {}, "vendor"),
        (f"{TABLE}[toyvendor]\napi_key = 'file'", {"TOYVENDOR_KEY": "environment"}, "environment"),
    ],
)
def test_the_vendor_s_key_is_the_default_of_each_of_its_assistants(
    text: str, environment: dict[str, str], key: str
) -> None:
    settings = loaded(text, **environment)
    check_assistants(settings)
    assert settings.assistant_settings("mine").address() == SocketAddress(
        "ws://127.0.0.1:1/", {"Authorization": f"Bearer {key}"}, tells_upgrade=True
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{TABLE}ulr = 'x'", "there is no setting assistants.mine.ulr; did you mean url?"),
        ("[toyvendor]\napi_kee = 'x'", "there is no setting toyvendor.api_kee; did you mean api_key?"),
        ("[assistants.mine]\nkind = 'toy'", "voicebridge.toml: assistants.mine.url is missing"),
        (TABLE, "assistants.mine: api_key is missing: set TOYVENDOR_KEY"),
    ],
)
def test_what_is_wrong_is_told_like_any_other_assistant_s(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_assistants(loaded(text))
    assert why in str(refusal.value)


def test_a_built_in_kind_is_an_assistant_without_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "toy" not in built_in_assistants()
    monkeypatch.setitem(
        ASSISTANTS,
        "hold",
        AssistantKind(ToyAssistantSettings, lambda _settings, _tools: ToyAssistant(), is_built_in=True),
    )
    assert "hold" in loaded("assistant = 'hold'").assistant_kinds


async def test_a_call_is_carried() -> None:
    async def says_back(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.headers["Authorization"] == "Bearer vendor"
        async for message in socket:
            await socket.send(message)

    async with asyncio.timeout(TIMEOUT_S), serve(says_back, "127.0.0.1", 0, compression=None) as assistant:
        port = next(iter(assistant.sockets)).getsockname()[1]
        settings = Settings.model_validate(
            {
                "port": 0,
                "security": {"allow_unauthenticated": True},
                "assistant": "mine",
                "assistants": {"mine": {"kind": "toy", "url": f"ws://127.0.0.1:{port}/"}},
                "toyvendor": {"api_key": "vendor"},
            }
        )
        async with Server(settings).running() as server:
            report = await place_call(
                f"ws://127.0.0.1:{server.port}/twilio/media", CallPlan(SAID, linger_s=0.2)
            )
    assert SAID in b"".join(audio for _, audio in report.received)
