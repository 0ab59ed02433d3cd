"""The leg to an assistant that is reached over HTTP: sends each message by POST, and hands over each response.

Messages are posted one at a time and in order, each with its own time limit. A post that the server did not take is
posted again with growing pauses within that limit. For every post there is one `Posted`, behind a
`PostDelayed` for each repetition; if no response came, its status is 0 and its body is the reason. Redirects are not followed and no cookies are kept: the
headers may hold secrets, and the body holds what the caller said. Units: seconds, bytes.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
import structlog
from yarl import URL

from bridge.settings.assistants import PostAddress
from bridge.settings.proxies import Proxy
from bridge.shell.cancelling import without_traceback
from bridge.shell.header_values import HeaderReader
from bridge.shell.network import Network, proxy_fault
from bridge.vocabulary import retry_after
from bridge.vocabulary.contracts import Lost, Post, PostDelayed, Posted, Receive
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.retries import Retries
from bridge.vocabulary.trace_context import TRACEPARENT

MOST_WAITING = 16
"""The most posts that wait behind the one under way; with one more the leg is lost. A dialect stays far below this."""

LAST_WORDS_S = 10.0
"""How long a closed leg may go on to post what it was given, for example an entry at the end of the call."""

KEPT_ALIVE_S = 4.0
"""How long an idle connection is kept. Many servers close theirs after 5 s, and a post into a closing one is lost."""


NOT_TAKEN = frozenset({425, 429, 503})
"""HTTP statuses that say that the server did nothing with the post (RFC 9110, 15.6.4; RFC 6585, 4; RFC 8470, 5.2).

After another one a post is repeated only where the server asks for that by Retry-After: it may have done something.
"""

REPEATED_S = 5.0
"""How long a post is repeated where the server does not say when to come again; the caller waits in silence meanwhile."""

MOST_WORDS_BYTES = 4_096
"""Of the body of a refusal, in which "try again in 2 s" is looked for."""

log = structlog.get_logger()


class _Outcome(NamedTuple):
    posted: Posted
    is_taken: bool = True


class PostingLeg:
    """The leg of one conversation. After `close`, `receive` is not called any more."""

    stalled = False

    def __init__(
        self,
        address: PostAddress,
        receive: Receive,
        lost: Lost,
        session: aiohttp.ClientSession,
        proxy: Proxy | None,
        reader: HeaderReader,
        traceparent: Callable[[], str] = str,
    ) -> None:
        self._traceparent = traceparent
        self._url = URL(address.url)
        self._headers = address.headers
        self._receive = receive
        self._lost = lost
        self._session = session
        self._proxy = proxy
        self._reader = reader
        self._answer_s = address.answer_s
        self._most_bytes = address.most_bytes
        self._waiting: deque[Post] = deque()
        self._over = False
        self._more = asyncio.Event()
        self.task = asyncio.create_task(without_traceback(self._carry), name="posts")
        """Runs until the leg is closed and everything is posted. If it is cancelled, the post under way is dropped."""

    def send(self, post: Post) -> None:
        """Post this after the responses to all posts before it; after `close` it is dropped. This never waits."""
        if self._over:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._over = True
            self.task.cancel()
            asyncio.get_running_loop().call_soon(
                self._lost, 1011, f"too many posts wait for their responses: expected at most {MOST_WAITING}"
            )
            return
        if traceparent := self._traceparent():
            post = post._replace(headers={**post.headers, TRACEPARENT: traceparent})
        self._waiting.append(post)
        self._more.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the leg. What was sent before is still posted, within `LAST_WORDS_S`; the responses are ignored."""
        if self._over:
            return
        self._over = True
        self._more.set()
        timer = asyncio.get_running_loop().call_later(LAST_WORDS_S, self.task.cancel)
        self.task.add_done_callback(lambda _task: timer.cancel())

    async def _carry(self) -> None:
        while True:
            if self._waiting:
                posted = await self._post(self._waiting.popleft())
                if not self._over:
                    self._receive(posted)
            elif self._over:
                return
            else:
                self._more.clear()
                await self._more.wait()

    async def _post(self, post: Post) -> Posted:
        loop = asyncio.get_running_loop()
        began = loop.time()
        retries = Retries(self._answer_s, random.random)
        retries.start(began)
        refusal: Posted | None = None
        try:
            async with asyncio.timeout(self._answer_s):
                while True:
                    posted, is_taken = await self._post_once(post)
                    now, asked_s = loop.time(), posted.retry_after_s
                    if is_taken or (not asked_s and now - began >= REPEATED_S):
                        return posted
                    pause_s = retries.pause_s(now, asked_s)
                    if pause_s is None or pause_s >= retries.left_s(now):
                        return posted
                    refusal = posted
                    why = f"HTTP {posted.status}" if posted.status else posted.body.decode()
                    log.info("= post will be tried again", in_s=round(pause_s, 3), why=why)
                    if not self._over:
                        self._receive(PostDelayed(pause_s))
                    await asyncio.sleep(pause_s)
        except TimeoutError:
            return refusal or _none(f"no response came within {self._answer_s:g} s")

    async def _post_once(self, post: Post) -> _Outcome:
        try:
            headers = await self._reader.resolve(self._headers)
            outcome = await self._post_with(post, headers)
            if outcome.posted.status == HTTPStatus.UNAUTHORIZED:
                renewed = await self._reader.renew(self._headers, headers)
                if renewed is not None:
                    outcome = await self._post_with(post, renewed)
        except ConfigurationError as error:
            return _Outcome(_none(str(error)))
        except (aiohttp.ClientHttpProxyError, aiohttp.ClientConnectorError) as error:
            at_fault = proxy_fault(error, self._proxy) or "the assistant's server cannot be reached"
            is_final = isinstance(error, aiohttp.ClientHttpProxyError) and error.status < 500
            return _Outcome(_none(f"{at_fault} ({type(error).__name__})"), is_taken=is_final)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = f"the response of the assistant's server is not complete ({type(error).__name__})"
            return _Outcome(_none(why))
        return outcome

    async def _post_with(self, post: Post, headers: Mapping[str, str]) -> _Outcome:
        """Post with these headers; a header of the post replaces one of the same name."""
        said = {name.lower() for name in post.headers}
        own = {name: value for name, value in headers.items() if name.lower() not in said}
        async with self._session.post(
            self._url,
            data=post.body,
            headers={**own, **post.headers},
            allow_redirects=False,
            proxy=self._proxy and self._proxy.url,
        ) as response:
            return _judged(await self._read(response), response.headers.get("Retry-After", ""))

    async def _read(self, response: aiohttp.ClientResponse) -> Posted:
        body = bytearray()
        while chunk := await response.content.readany():
            body += chunk
            if len(body) > self._most_bytes:
                response.close()
                return _none(f"the response is too long: expected at most {self._most_bytes} bytes")
        return Posted(response.status, response.headers.get("Content-Type", ""), bytes(body))


def _judged(posted: Posted, header: str) -> _Outcome:
    """`header`: Retry-After, empty without one."""
    if posted.status < 400:
        return _Outcome(posted)
    asked_s = retry_after.from_header(header, time.time())
    is_taken = asked_s is None and posted.status not in NOT_TAKEN
    if asked_s is None:
        asked_s = retry_after.from_text(posted.body[:MOST_WORDS_BYTES].decode(errors="replace"))
    return _Outcome(posted._replace(retry_after_s=asked_s), is_taken)


def _none(why: str) -> Posted:
    return Posted(0, "", why.encode())


class AssistantPosts:
    """Opens legs, and keeps them until they have ended.

    `network`: how servers are reached; None: directly. `reader`: of headers.
    """

    def __init__(self, network: Network | None = None, reader: HeaderReader | None = None) -> None:
        self._network = network or Network()
        self._reader = reader or HeaderReader()
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(
        self, address: PostAddress, receive: Receive, lost: Lost, traceparent: Callable[[], str] = str
    ) -> PostingLeg:
        """Open a leg. It can send at once. `traceparent`: returns what each post has in this header; empty: nothing."""
        proxy = self._network.proxies.proxy_for(address.url)
        leg = PostingLeg(address, receive, lost, self._connections(), proxy, self._reader, traceparent)
        self._tasks.add(leg.task)
        leg.task.add_done_callback(self._tasks.discard)
        return leg

    def _connections(self) -> aiohttp.ClientSession:
        """The connections, created at the first use because they belong to the running event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._network.addresses.connector(
                    limit=0,  # one for each call
                    keepalive_timeout=KEPT_ALIVE_S,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=None
                ),  # each post has its own time limit
                headers={"User-Agent": "voicebridge", "Accept-Encoding": "identity"},
                auto_decompress=False,  # a small compressed body may be a very large one
            )
        return self._session

    async def aclose(self) -> None:
        """Drop the posts under way and the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._reader.aclose()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
