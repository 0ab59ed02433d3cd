"""Asks servers over HTTP, through the proxies of the settings, and shows the clock each Date. Nothing is repeated."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest
from bridge.shell.network import Network, proxy_fault
from bridge.simulators.doctor.clock import Clock
from bridge.vocabulary.errors import BridgeError

ANSWER_S = 10.0

MOST_BYTES = 1_048_576
"""Of an answer: a list of numbers has some hundred bytes for each."""


class NoAnswerCame(BridgeError):
    """A server could not be asked, or did not answer; the text says why."""


class Asker:
    """An HTTP client for one examination. Use it as an asynchronous context."""

    def __init__(self, network: Network, clock: Clock) -> None:
        self._network = network
        self._clock = clock
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=self._network.addresses.connector(limit=10),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
            headers={"User-Agent": "voicebridge"},
        )
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def ask(
        self, url: str, headers: Mapping[str, str] = {}, method: str = "GET", *, by_proxy: bool = True
    ) -> ApiAnswer:
        """The answer, of any status. Raises `NoAnswerCame`."""
        proxy = self._network.proxies.proxy_for(url) if by_proxy else None
        sent_at = time.time()
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                allow_redirects=False,
                proxy=proxy and proxy.url,
            ) as response:
                self._clock.saw(
                    urlsplit(url).hostname or "", response.headers.get("Date"), sent_at, time.time()
                )
                body = await response.content.read(MOST_BYTES)
                names = {name.lower(): value for name, value in response.headers.items()}
                while len(body) < MOST_BYTES and (piece := await response.content.read(MOST_BYTES)):
                    body += piece
                return ApiAnswer(response.status, names, body)
        except TimeoutError:
            raise NoAnswerCame(f"no answer came within {ANSWER_S:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerCame(proxy_fault(error, proxy) or str(error) or type(error).__name__) from None

    async def data(self, request: ApiRequest) -> Mapping[str, Any]:
        """What a carrier answers to a request that changes nothing. Raises `CarrierRefused`, `NoAnswerCame`."""
        assert request.method == "GET", "an examination changes nothing"
        return request.read(await self.ask(request.url, request.headers))
