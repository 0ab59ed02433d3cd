"""Sends POSTs of JSON to an address of the user's own, signed: [before_call] and [after_call].

Signature: X-Voicebridge-Signature is v1= and the HMAC-SHA256, in hex, of X-Voicebridge-Timestamp (Unix time in seconds), a
full stop and the body, with `secret` as its key. Redirects are not followed and no cookies are kept: the headers may hold
secrets, and the body has telephone numbers.
"""

import hmac
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from yarl import URL

from bridge.settings.before_and_after import AfterCallSettings, BeforeCallSettings, in_clear
from bridge.shell.network import Network, proxy_fault
from bridge.vocabulary.errors import BridgeError

TIMESTAMP_HEADER = "X-Voicebridge-Timestamp"
SIGNATURE_HEADER = "X-Voicebridge-Signature"


class PostFailed(BridgeError):
    """A POST has no usable answer. The text is for the log: it has no address and no word of the answer."""


class Answered(NamedTuple):
    """An answer with a status of 2xx."""

    body: bytes


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of the signature's header."""
    return f"v1={hmac.digest(secret.encode(), timestamp.encode() + b'.' + body, 'sha256').hex()}"


class SignedPosts:
    """The POSTs of one server. The time that one may take is the caller's to limit."""

    def __init__(self, network: Network | None, *, most_connections: int = 100) -> None:
        self._network = network or Network()
        self._most_connections = most_connections
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self,
        to: BeforeCallSettings | AfterCallSettings,
        body: bytes,
        unix_s: float,
        headers: Mapping[str, str],
        *,
        most_bytes: int,
    ) -> Answered:
        """Send `body`, which is JSON. `most_bytes`: of the answer. Raises `PostFailed`."""
        assert to.url is not None, "without an address nothing is sent"
        timestamp = str(int(unix_s))
        given = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            TIMESTAMP_HEADER: timestamp,
        }
        if to.secret is not None:
            given[SIGNATURE_HEADER] = signature(to.secret.get_secret_value(), timestamp, body)
        proxy = self._network.proxies.proxy_for(to.url)
        try:
            async with self._connections().post(
                URL(to.url),
                data=body,
                headers=in_clear(to.headers) | given | dict(headers),
                allow_redirects=False,
                proxy=proxy and proxy.url,
            ) as response:
                if 300 <= response.status < 400:
                    raise PostFailed(f"it redirects (HTTP {response.status}), which is not followed")
                if not 200 <= response.status < 300:
                    raise PostFailed(f"it answers with HTTP {response.status}")
                return Answered(await _body(response, most_bytes))
        except (aiohttp.ClientError, OSError) as error:
            fault = (
                proxy_fault(error, proxy) or f"it cannot be reached, or broke off ({type(error).__name__})"
            )
            raise PostFailed(fault) from error

    def _connections(self) -> aiohttp.ClientSession:
        """The HTTP client, made when it is first needed: it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._network.addresses.connector(limit=self._most_connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                auto_decompress=False,
            )
        return self._session

    async def aclose(self) -> None:
        """Drop the connections."""
        if self._session is not None:
            await self._session.close()


async def _body(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > most_bytes:
            raise PostFailed(f"its answer is longer than {most_bytes} bytes")
    return bytes(body)
