"""The leg to an assistant that is reached over HTTP: sends each message by POST, and hands over each response.

Messages are posted one at a time and in order, each with its own time limit. For every post there is one `Posted`; if
no response came, its status is 0 and its body is the reason. Redirects are not followed and no cookies are kept: the
headers may hold secrets, and the body holds what the caller said. Units: seconds, bytes.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from http import HTTPStatus

import aiohttp
from yarl import URL

from bridge.settings.assistants import PostAddress
from bridge.shell.header_values import HeaderReader
from bridge.vocabulary.contracts import Lost, Post, Posted, Receive
from bridge.vocabulary.errors import ConfigurationError

MOST_WAITING = 16
"""The most posts that wait behind the one under way; with one more the leg is lost. A dialect stays far below this."""

LAST_WORDS_S = 10.0
"""How long a closed leg may go on to post what it was given, for example an entry at the end of the call."""

KEPT_ALIVE_S = 4.0
"""How long an idle connection is kept. Many servers close theirs after 5 s, and a post into a closing one is lost."""


class PostingLeg:
    """The leg of one conversation. After `close`, `receive` is not called any more."""

    stalled = False

    def __init__(
        self,
        address: PostAddress,
        receive: Receive,
        lost: Lost,
        session: aiohttp.ClientSession,
        reader: HeaderReader,
    ) -> None:
        self._url = URL(address.url)
        self._headers = address.headers
        self._receive = receive
        self._lost = lost
        self._session = session
        self._reader = reader
        self._answer_s = address.answer_s
        self._most_bytes = address.most_bytes
        self._waiting: deque[Post] = deque()
        self._over = False
        self._more = asyncio.Event()
        self.task = asyncio.create_task(self._carry(), name="posts")
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
        try:
            async with asyncio.timeout(self._answer_s):
                headers = await self._reader.resolve(self._headers)
                posted = await self._post_with(post, headers)
                if posted.status == HTTPStatus.UNAUTHORIZED:
                    renewed = await self._reader.renew(self._headers, headers)
                    if renewed is not None:
                        posted = await self._post_with(post, renewed)
                return posted
        except ConfigurationError as error:
            return _none(str(error))
        except TimeoutError:
            return _none(f"no response came within {self._answer_s:g} s")
        except aiohttp.ClientConnectorError as error:
            return _none(f"the assistant's server cannot be reached ({type(error).__name__})")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _none(f"the response of the assistant's server is not complete ({type(error).__name__})")

    async def _post_with(self, post: Post, headers: Mapping[str, str]) -> Posted:
        """Post with these headers; a header of the post replaces one of the same name."""
        said = {name.lower() for name in post.headers}
        own = {name: value for name, value in headers.items() if name.lower() not in said}
        async with self._session.post(
            self._url, data=post.body, headers={**own, **post.headers}, allow_redirects=False
        ) as response:
            return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> Posted:
        body = bytearray()
        while chunk := await response.content.readany():
            body += chunk
            if len(body) > self._most_bytes:
                response.close()
                return _none(f"the response is too long: expected at most {self._most_bytes} bytes")
        return Posted(response.status, response.headers.get("Content-Type", ""), bytes(body))


def _none(why: str) -> Posted:
    return Posted(0, "", why.encode())


class AssistantPosts:
    """Opens legs, and keeps them until they have ended. `reader`: of headers."""

    def __init__(self, reader: HeaderReader | None = None) -> None:
        self._reader = reader or HeaderReader()
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, address: PostAddress, receive: Receive, lost: Lost) -> PostingLeg:
        """Open a leg. It can send at once."""
        leg = PostingLeg(address, receive, lost, self._connections(), self._reader)
        self._tasks.add(leg.task)
        leg.task.add_done_callback(self._tasks.discard)
        return leg

    def _connections(self) -> aiohttp.ClientSession:
        """The connections, created at the first use because they belong to the running event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE_S),  # one for each call
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
