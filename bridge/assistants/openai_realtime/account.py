"""Where a Realtime server is, and by what right it is asked: [openai], and the upgrade's address and headers.

As the `openai` package builds them, so that what works with the package works here.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlencode, urlsplit

from pydantic import AfterValidator, SecretStr

from bridge.settings.assistants import Address
from bridge.settings.table import Headers, HeaderText, SecretText, Section, checked_assistant_url, revealed

OPENAI = "https://api.openai.com/v1"
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
PORTS = {"ws": 80, "wss": 443}


def _is_server(url: str) -> str:
    checked_assistant_url(url, SCHEMES, f"an address such as {OPENAI}, by http(s) or ws(s)")
    if urlsplit(url).query:
        raise ValueError("should have no query; query = { … } is beside it")
    return url.rstrip("/")


ServerUrl = Annotated[str, AfterValidator(_is_server)]


class OpenAIAccount(Section):
    """[openai]: what holds for every assistant of kind "openai-realtime" that does not say otherwise."""

    api_key: SecretText | None = None
    base_url: ServerUrl = OPENAI
    organization: HeaderText | None = None
    project: HeaderText | None = None


def upgrade(base_url: str, query: Mapping[str, str], account: Mapping[str, str], headers: Headers) -> Address:
    """The upgrade's address and headers; of two headers of one name that in `headers` is sent."""
    url = urlsplit(base_url)
    replaced = {name.lower() for name in headers}
    return Address(
        url._replace(
            scheme=SCHEMES[url.scheme], path=f"{url.path}/realtime", query=urlencode(query)
        ).geturl(),
        {name: value for name, value in account.items() if name.lower() not in replaced} | revealed(headers),
    )


def is_same_server(one: str, other: str) -> bool:
    """Whether two addresses, however they are written, are one: http(s) is ws(s), and a host has no case."""
    return _server(urlsplit(one)) == _server(urlsplit(other))


def _server(url: SplitResult) -> tuple[str, str | None, int, str]:
    scheme = SCHEMES[url.scheme]
    return scheme, url.hostname, url.port or PORTS[scheme], url.path.rstrip("/")


def has_credentials(headers: Mapping[str, SecretStr]) -> bool:
    """Whether a header is a key already."""
    return any(name.lower() in ("authorization", "api-key") for name in headers)


def on_loopback(url: str) -> bool:
    """Whether the server is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
