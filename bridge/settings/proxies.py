"""The settings of HTTP proxies, as the environment has them, and which proxy is for which URL.

There is no standard. This follows curl and Python's urllib where they agree; networks in `exempt` are as in Go and requests.
"""

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from bridge.settings.table import Section, ShownAddress, address_parts

ENVIRONMENT = {
    "HTTPS_PROXY": "https",
    "https_proxy": "https",
    "HTTP_PROXY": "http",
    "http_proxy": "http",
    "ALL_PROXY": "all",
    "all_proxy": "all",
    "NO_PROXY": "exempt",
    "no_proxy": "exempt",
}
"""The names that most programs read, each with the setting that it sets."""

DEFAULT_PORT = 80


class Proxy(NamedTuple):
    """An HTTP proxy. As text it has no password."""

    url: str
    """With user and password, if there are any."""
    host: str
    port: int
    user: str
    password: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def _checked_proxy(url: str) -> str:
    """Return the URL of a proxy, with a scheme. Raises ValueError if it is not one."""
    whole = url if "://" in url else f"http://{url}"
    try:
        host = urlsplit(whole).hostname
    except ValueError:  # a bracket that is not closed
        host = None
    if not host:
        raise ValueError("should be the URL of a proxy, such as http://proxy.example.com:3128")
    parts = address_parts(whole)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("should have no path, no query and no fragment")
    return whole


def _split_at_commas(hosts: Any) -> Any:
    """A variable of the environment holds all hosts with commas between."""
    if not isinstance(hosts, str):
        return hosts
    return tuple(host for part in hosts.split(",") if (host := part.strip()))


ProxyAddress = Annotated[str, AfterValidator(_checked_proxy), ShownAddress]


class ProxySettings(Section):
    """[proxy]"""

    https: ProxyAddress | None = Field(
        None,
        repr=False,
        description="The HTTP proxy for https and wss, such as http://proxy.example.com:3128, if need be with USER:PASSWORD@",
    )
    http: ProxyAddress | None = Field(None, repr=False, description="The HTTP proxy for http and ws")
    all: ProxyAddress | None = Field(
        None, repr=False, description="The HTTP proxy for all URLs that have none of their own"
    )
    exempt: Annotated[tuple[str, ...], BeforeValidator(_split_at_commas)] = Field(
        (),
        description="What is reached without a proxy: hosts with the hosts below them (example.com), with a port "
        "(example.com:443), networks (10.0.0.0/8), or * for all. This machine itself always is. In a variable of the "
        "environment commas stand between them",
    )

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy through which a URL is reached; None if it is reached directly."""
        parts = urlsplit(url)
        secure = parts.scheme in ("https", "wss")
        chosen = (self.https if secure else self.http) or self.all
        if chosen is None or not _is_usable(chosen):
            return None
        host, port = (parts.hostname or "").rstrip("."), parts.port or (443 if secure else 80)
        if _is_loopback(host) or any(_is_exempt(host, port, pattern.lower()) for pattern in self.exempt):
            return None
        return _proxy(chosen)

    def unused(self) -> Iterator[tuple[str, str]]:
        """The settings that name a proxy which is not used, each with its URL: it is no HTTP proxy."""
        for key in ("https", "http", "all"):
            url = getattr(self, key)
            if url is not None and not _is_usable(url):
                yield key, url


NO_PROXIES = ProxySettings()


def _is_usable(url: str) -> bool:
    """SOCKS, and TLS to the proxy itself, are not spoken."""
    return urlsplit(url).scheme == "http"


def _proxy(url: str) -> Proxy:
    parts = urlsplit(url)
    return Proxy(
        url,
        parts.hostname or "",
        parts.port or DEFAULT_PORT,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _is_exempt(host: str, port: int, pattern: str) -> bool:
    if pattern == "*":
        return True
    try:
        return ip_address(host) in ip_network(pattern.strip("[]"), strict=False)
    except ValueError:  # one of them is a name, or the pattern has a port
        pass
    name, colon, digits = pattern.rpartition(":")
    if colon and digits.isdigit():
        if int(digits) != port:
            return False
    else:
        name = pattern
    name = name.strip("[]").removeprefix("*").strip(".")
    return bool(name) and (host == name or (host.endswith(f".{name}")))
