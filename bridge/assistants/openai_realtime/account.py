"""The account at a Realtime server: [openai], and the address and headers of the WebSocket's upgrade.

They are built as the `openai` package builds them, so that settings which work with the package work here.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlencode, urlsplit

from pydantic import AfterValidator, Field

from bridge.settings.assistants import SocketAddress
from bridge.settings.header_values import HeaderValue, HeaderValues, Unresolved, unresolved
from bridge.settings.table import HeaderText, Section, checked_assistant_url

OPENAI = "https://api.openai.com/v1"
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
PORTS = {"ws": 80, "wss": 443}

ENVIRONMENT = {
    "OPENAI_API_KEY": "api_key",
    "OPENAI_BASE_URL": "base_url",
    "OPENAI_ORG_ID": "organization",
    "OPENAI_PROJECT_ID": "project",
}
"""The variables that the `openai` package reads, each with the setting of `OpenAIAccount` that it sets."""


def _checked_server_url(url: str) -> str:
    checked_assistant_url(url, SCHEMES, f"an address such as {OPENAI}, by http(s) or ws(s)")
    if urlsplit(url).query:
        raise ValueError("should have no query; query = { … } sets it")
    return url.rstrip("/")


ServerUrl = Annotated[str, AfterValidator(_checked_server_url)]


class OpenAIAccount(Section):
    """[openai]: defaults for every assistant of kind "openai-realtime"."""

    api_key: HeaderValue | None = Field(
        None,
        description="The API key; it is sent to `base_url` only. A table as in an assistant's `headers` says where it is read",
    )
    base_url: ServerUrl = Field(OPENAI, description="The address of the API, by http(s) or ws(s)")
    organization: HeaderText | None = Field(None, description="The organization that is billed")
    project: HeaderText | None = Field(None, description="The project that is billed")


def upgrade(
    base_url: str, query: Mapping[str, str], account: Unresolved, headers: HeaderValues
) -> SocketAddress:
    """The address and headers of the upgrade. Of two headers with the same name the one in `headers` is sent."""
    url = urlsplit(base_url)
    replaced = {name.lower() for name in headers}
    return SocketAddress(
        url._replace(
            scheme=SCHEMES[url.scheme], path=f"{url.path}/realtime", query=urlencode(query)
        ).geturl(),
        {name: value for name, value in account.items() if name.lower() not in replaced}
        | unresolved(headers),
    )


def is_same_server(one: str, other: str) -> bool:
    """Whether two addresses mean the same server: http(s) counts as ws(s), and case in the host does not count."""
    return _server(urlsplit(one)) == _server(urlsplit(other))


def _server(url: SplitResult) -> tuple[str, str | None, int, str]:
    scheme = SCHEMES[url.scheme]
    return scheme, url.hostname, url.port or PORTS[scheme], url.path.rstrip("/")


def has_credentials(headers: Mapping[str, object]) -> bool:
    """Whether one of the headers carries a key."""
    return any(name.lower() in ("authorization", "api-key") for name in headers)


def on_loopback(url: str) -> bool:
    """Whether the server is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
