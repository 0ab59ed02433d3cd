"""Where the upgrade goes and with which headers: what the `openai` package sends; and where a key may not go."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.server import ServerConnection, serve

from bridge.assistants.openai_realtime.account import OPENAI, OpenAIAccount
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.settings.assistants import SocketAddress
from bridge.vocabulary.errors import ConfigurationError


class Doorman:
    """A server on loopback that notes each upgrade's target and headers."""

    def __init__(self) -> None:
        self.port = 0
        self.target = ""
        self.headers: dict[str, str] = {}

    async def note(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.target = connection.request.path
        self.headers = {name.lower(): value for name, value in connection.request.headers.raw_items()}


@pytest.fixture
async def doorman() -> AsyncIterator[Doorman]:
    doorman = Doorman()
    async with serve(doorman.note, "127.0.0.1", 0) as server:
        doorman.port = server.sockets[0].getsockname()[1]
        yield doorman


ASKED: list[dict[str, Any]] = [
    {},
    {"path": "/v1/"},
    {"path": ""},
    {"path": "/openai/v1", "model": "my deployment/ü&+:1~*(x)"},
    {"query": {"intent": "a b", "deployment": "x&y"}},
    {"query": {"model": "another"}},
    {"organization": "org-1", "project": "proj_2"},
    {"headers": {"api-key": "azure", "X-Route": "1"}},
    {"headers": {"authorization": "Bearer entra"}, "project": "p"},
    {"headers": {"openai-project": "mine"}, "project": "theirs"},
]


@pytest.mark.parametrize("asked", ASKED)
async def test_the_upgrade_is_the_package_s(asked: dict[str, Any], doorman: Doorman) -> None:
    fields = {"model": "gpt-realtime-2.1", "headers": {}, "query": {}} | asked
    server = f"127.0.0.1:{doorman.port}{fields.pop('path', '/v1')}"
    settings = RealtimeSettings.model_validate(fields | {"api_key": "sk-1", "base_url": f"http://{server}"})
    async with AsyncOpenAI(
        api_key="sk-1",
        base_url=f"http://{server}",
        organization=asked.get("organization"),
        project=asked.get("project"),
    ) as client:
        async with client.realtime.connect(
            model=fields["model"], extra_query=fields["query"], extra_headers=fields["headers"]
        ):
            pass
    url, headers, *_ = settings.address()
    assert url == f"ws://127.0.0.1:{doorman.port}{doorman.target}"
    sent = {name.lower(): value for name, value in headers.items()}
    ours = {"authorization", "openai-organization", "openai-project", *map(str.lower, fields["headers"])}
    assert sent == {name: value for name, value in doorman.headers.items() if name in ours}


ADDRESSES = [
    ({}, "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1", {}),
    (
        {"base_url": "https://me.openai.azure.com/openai/v1", "model": "mine", "headers": {"api-key": "k"}},
        "wss://me.openai.azure.com/openai/v1/realtime?model=mine",
        {"api-key": "k"},
    ),
    ({"base_url": "ws://10.0.0.2:8000"}, "ws://10.0.0.2:8000/realtime?model=gpt-realtime-2.1", {}),
    ({"base_url": "wss://h/v1/"}, "wss://h/v1/realtime?model=gpt-realtime-2.1", {}),
    ({"base_url": "http://[::1]:80/v1"}, "ws://[::1]:80/v1/realtime?model=gpt-realtime-2.1", {}),
]


@pytest.mark.parametrize(("fields", "url", "headers"), ADDRESSES)
def test_the_address(fields: dict[str, Any], url: str, headers: dict[str, str]) -> None:
    assert RealtimeSettings.model_validate(fields).address() == SocketAddress(url, headers)


ACCOUNT = OpenAIAccount.model_validate({"api_key": "sk-all", "organization": "org", "project": "proj"})
ELSEWHERE = OpenAIAccount.model_validate({"api_key": "sk-all", "base_url": "https://other/v1"})
ALL = {"Authorization": "Bearer sk-all", "OpenAI-Organization": "org", "OpenAI-Project": "proj"}

SHARED = [
    (ACCOUNT, {}, OPENAI, ALL),
    (ACCOUNT, {"base_url": f"{OPENAI}/"}, OPENAI, ALL),
    (ACCOUNT, {"base_url": "wss://api.openai.com/v1"}, OPENAI, ALL),
    (ACCOUNT, {"base_url": "https://API.OpenAI.com:443/v1"}, OPENAI, ALL),
    (ACCOUNT, {"project": "mine"}, OPENAI, ALL | {"OpenAI-Project": "mine"}),
    (ACCOUNT, {"api_key": "sk-mine"}, OPENAI, ALL | {"Authorization": "Bearer sk-mine"}),
    (ACCOUNT, {"headers": {"AUTHORIZATION": "x"}}, OPENAI, ALL | {"Authorization": "x"}),
    # nothing of the account goes to another server
    (ACCOUNT, {"base_url": "https://other/v1"}, "https://other/v1", {}),
    (ACCOUNT, {"base_url": "http://api.openai.com/v1"}, "http://api.openai.com/v1", {}),
    (ACCOUNT, {"base_url": "ws://api.openai.com/v1"}, "ws://api.openai.com/v1", {}),
    (ACCOUNT, {"base_url": "https://api.openai.com:444/v1"}, "https://api.openai.com:444/v1", {}),
    (ACCOUNT, {"base_url": "https://api.openai.com/v2"}, "https://api.openai.com/v2", {}),
    (ACCOUNT, {"base_url": "https://other", "headers": {"api-key": "k"}}, "https://other", {"api-key": "k"}),
    (ELSEWHERE, {"base_url": OPENAI}, OPENAI, {}),
    # unless the account is with that server
    (ELSEWHERE, {}, "https://other/v1", {"Authorization": "Bearer sk-all"}),
]


@pytest.mark.parametrize(("account", "fields", "base_url", "headers"), SHARED)
def test_a_key_stays_with_its_server(
    account: OpenAIAccount, fields: dict[str, Any], base_url: str, headers: dict[str, str]
) -> None:
    settings = RealtimeSettings.model_validate(fields).with_account(account)
    assert settings.base_url == base_url
    sent = settings.address().headers
    assert {name.lower(): value for name, value in sent.items()} == {
        name.lower(): value for name, value in headers.items()
    }
    assert settings.with_account(account) == settings


KEYLESS: list[tuple[dict[str, Any], str]] = [
    ({}, "api_key is missing: set OPENAI_API_KEY"),
    ({"headers": {"X-Route": "1"}}, "api_key is missing: set OPENAI_API_KEY"),
    ({"base_url": "wss://API.openai.com/v1"}, "api_key is missing: set OPENAI_API_KEY"),
    (
        {"base_url": "https://other/v1"},
        "api_key is missing: https://other/v1 may need one, or headers; OPENAI_API_KEY goes to no other host, port "
        "and path than those of OPENAI_BASE_URL, which are OpenAI's own (https://api.openai.com/v1) unless it is set",
    ),
    ({"base_url": "https://127.0.0.1.evil.example/v1"}, "api_key is missing"),
]


@pytest.mark.parametrize(("fields", "message"), KEYLESS)
def test_without_a_key_no_call_is_taken(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        RealtimeSettings.model_validate(fields).check(())
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": "k"},
        {"headers": {"Authorization": "Bearer k"}},
        {"base_url": "https://other", "headers": {"X-Token": "k"}},
        {"base_url": "ws://127.0.0.1:9000/v1"},
        {"base_url": "http://[::1]:9000/v1"},
        {"base_url": "http://localhost:9000/v1"},
    ],
)
def test_a_key_can_be_had_otherwise_and_loopback_needs_none(fields: dict[str, Any]) -> None:
    RealtimeSettings.model_validate(fields).check(())
