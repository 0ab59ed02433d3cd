"""The leg to an assistant that is reached by POSTs: posts each message, and hands over each answer.

One post at a time and in order, each with its own time; whatever becomes of it, there is one `Posted`: also where no
answer came, with status 0 and the reason. Redirects are not followed, and no cookies kept: the headers may be
secrets, and a body is somebody's voice. Units: seconds, bytes.
"""

import asyncio
from collections import deque
from collections.abc import Mapping

import aiohttp
from yarl import URL

from bridge.settings.assistants import PostAddress
from bridge.vocabulary.contracts import Lost, Post, Posted, Receive

MOST_WAITING = 16
"""Posts behind the one that is under way; above that the leg is lost. A dialect should not come near it."""

LAST_WORDS_S = 10.0
"""What a closed leg has to post what it was given: an entry, and the call was over."""

KEPT_ALIVE_S = 4.0
"""A connection that is idle: less than servers keep theirs, 5 s in many, for a post into a closing one is lost."""


class PostingLeg:
    """The leg of one conversation. After `close` nothing is received any more."""

    stalled = False

    def __init__(
        self, address: PostAddress, receive: Receive, lost: Lost, session: aiohttp.ClientSession
    ) -> None:
        self._url = URL(address.url)
        self._headers = address.headers
        self._receive = receive
        self._lost = lost
        self._session = session
        self._answer_s = address.answer_s
        self._most_bytes = address.most_bytes
        self._waiting: deque[Post] = deque()
        self._over = False
        self._more = asyncio.Event()
        self.task = asyncio.create_task(self._carry(), name="posts")
        """As long as there is something to post, or may be. Cancelled, it drops what is under way."""

    def send(self, post: Post) -> None:
        """Post it when those before it were answered; after the end it is dropped."""
        if self._over:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._over = True
            self.task.cancel()
            asyncio.get_running_loop().call_soon(self._lost, 1011, "too many posts wait for their answers")
            return
        self._waiting.append(post)
        self._more.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """What was sent goes out; its answers are for nobody."""
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
            async with (
                asyncio.timeout(self._answer_s),
                self._session.post(
                    self._url,
                    data=post.body,
                    headers=self._with_own(post.headers),
                    allow_redirects=False,
                ) as response,
            ):
                return await self._read(response)
        except TimeoutError:
            return _none(f"no answer came within {self._answer_s:g} s")
        except aiohttp.ClientConnectorError as error:
            return _none(f"its server cannot be reached ({type(error).__name__})")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _none(f"its server gave no whole answer ({type(error).__name__})")

    def _with_own(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The address's headers too; those of the post say what it is, and go before them."""
        said = {name.lower() for name in headers}
        own = {name: value for name, value in self._headers.items() if name.lower() not in said}
        return {**own, **headers}

    async def _read(self, response: aiohttp.ClientResponse) -> Posted:
        body = bytearray()
        while chunk := await response.content.readany():
            body += chunk
            if len(body) > self._most_bytes:
                response.close()
                return _none(f"its answer is longer than {self._most_bytes} bytes")
        return Posted(response.status, response.headers.get("Content-Type", ""), bytes(body))


def _none(why: str) -> Posted:
    return Posted(0, "", why.encode())


class AssistantPosts:
    """Opens legs, and owns them until they are gone."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, address: PostAddress, receive: Receive, lost: Lost) -> PostingLeg:
        """A leg that can be given posts at once."""
        leg = PostingLeg(address, receive, lost, self._connections())
        self._tasks.add(leg.task)
        leg.task.add_done_callback(self._tasks.discard)
        return leg

    def _connections(self) -> aiohttp.ClientSession:
        """Opened when it is first needed: it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE_S),  # one for each call
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # each post has its own
                headers={"User-Agent": "voicebridge", "Accept-Encoding": "identity"},
                auto_decompress=False,  # a small body may be a large one
            )
        return self._session

    async def aclose(self) -> None:
        """Drop what is under way, and the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
