"""Sends requests to the carriers' REST APIs, and repeats them as `carriers.shared.rest` decides.

Redirects are not followed and no cookies are kept: the headers hold a key, which is for this server only.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import structlog
from yarl import URL

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, NoAnswer, Tries
from bridge.shell.network import Network, proxy_fault
from bridge.shell.session import clock
from bridge.vocabulary.errors import CarrierRefused

MOST_BODY_BYTES = 262_144
"""The most bytes that are read of one answer. An answer describes one call, in about 2 kB."""

MOST_CONNECTIONS = 100
"""The most open connections; further tries wait for one. At 200 ms for each request they carry 500 a second."""

log = structlog.get_logger()

_Try = asyncio.Task[ApiAnswer | NoAnswer]

Measured = Callable[[ApiRequest, float, str], None]


def unmeasured(_request: ApiRequest, _seconds: float, _result: str) -> None:
    """Nobody counts."""


class ApiClient:
    """Sends requests to one carrier's REST API, over connections that are kept open.

    `network`: how the API is reached; None: directly. `measured`: called with each request that is over, its seconds, and
    whether it was
    taken, refused, unanswered or broken off.
    """

    def __init__(self, network: Network | None = None, measured: Measured = unmeasured) -> None:
        self._network = network or Network()
        self._measured = measured
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(self, request: ApiRequest) -> Mapping[str, Any]:
        """Send a request, and return the data of the answer. Raises `CarrierRefused` after logging it."""
        began, result = clock(), "broken_off"
        try:
            outcome = await self._outcome(request)
            if isinstance(outcome, NoAnswer):
                result = "unanswered"
            data = _data(request, outcome)
            result = "taken"
        except CarrierRefused as refused:
            result = "refused" if result == "broken_off" else result
            log.warning(
                "< a carrier refused",
                call_id=request.call_id,
                command=request.command,
                status=refused.status,
                code=refused.code,
                why=str(refused),
            )
            raise
        else:
            return data
        finally:
            self._measured(request, clock() - began, result)

    async def aclose(self) -> None:
        """Drop the connections. Nothing more is sent; requests under way end without an answer."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _outcome(self, request: ApiRequest) -> ApiAnswer | NoAnswer:
        tries = Tries(request.rule, clock(), random.random)
        under_way: set[_Try] = set()
        try:
            while not (self._closed or tries.is_over(now := clock())):
                if tries.again_at is not None and now >= tries.again_at:
                    if under_way:
                        log.info(
                            "> no answer yet, sent again", call_id=request.call_id, command=request.command
                        )
                    under_way.add(asyncio.create_task(self._try(request), name=f"try {request.command}"))
                    tries.sent(now)
                ended, under_way = await _first_of(under_way, tries.deadline() - now)
                for task in ended:
                    tries.came(task.result(), clock())
            return tries.outcome()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _try(self, request: ApiRequest) -> ApiAnswer | NoAnswer:
        proxy = self._network.proxies.proxy_for(request.url)
        try:
            async with self._connections().request(
                request.method,
                URL(request.url, encoded=True),  # not encoded again: a call's id may have an encoded slash
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                proxy=proxy and proxy.url,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return ApiAnswer(response.status, headers, await _body(response))
        except (aiohttp.ClientError, OSError) as error:
            at_fault = proxy_fault(error, proxy)
            log.info(
                "= a try failed",
                call_id=request.call_id,
                command=request.command,
                error=type(error).__name__,
                **({} if at_fault is None else {"reason": at_fault}),
            )
            never_sent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError)
            return NoAnswer.UNREACHABLE if never_sent else NoAnswer.LOST

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._network.addresses.connector(limit=MOST_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `Tries` has the time limits
                headers={"User-Agent": "voicebridge"},
            )
        return self._session


def _data(request: ApiRequest, outcome: ApiAnswer | NoAnswer) -> Mapping[str, Any]:
    if isinstance(outcome, NoAnswer):
        server = URL(request.url, encoded=True).authority
        raise CarrierRefused(
            f"{request.carrier}, {request.command}: {outcome.value} ({server})",
            may_be_done=outcome is not NoAnswer.UNREACHABLE,
        )
    return request.read(outcome)


async def _first_of(tasks: set[_Try], seconds: float) -> tuple[set[_Try], set[_Try]]:
    """Wait until a task has ended or `seconds` have passed. Returns the tasks that have ended, and the others."""
    if tasks:
        return await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(seconds)
    return set(), set()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) < MOST_BODY_BYTES and (chunk := await response.content.readany()):
        body += chunk
    return bytes(body[:MOST_BODY_BYTES])
