"""The shell of a pretend carrier: one port, a task for each stream, one timer, and news for those who wait.

What is to be done, the carrier's own exchange decides; how it is done, its own server has_assistant. Times are Unix seconds.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web

from bridge.vocabulary.errors import CallRefused

CALLER = "+15550199"
CALLED = "+15550100"

PARTING_S = 2.0
"""A phone whose stream was ended is let go after this."""

T = TypeVar("T")
Call = TypeVar("Call")
Call_contra = TypeVar("Call_contra", contravariant=True)
Act = TypeVar("Act")


class Exchange(Protocol[Call_contra, Act]):
    """What the shell tells an exchange: the time, and how the media goes. What follows is returned, in order."""

    def deadline(self) -> float | None: ...

    def due(self, now: float) -> list[Act]: ...

    def stream_failed(self, call: Call_contra, why: str, now: float) -> list[Act]: ...

    def stream_over(self, call: Call_contra, now: float, *, hung_up: bool) -> list[Act]: ...


class Endable(Protocol):
    """A stream; whoever carries it is to part once `ended` is set."""

    ended: asyncio.Event


Stream = TypeVar("Stream", bound=Endable)


class Shell(Generic[Call, Act, Stream]):
    """Of one server. `do` does one act; `media` carries a stream and tells whether the phone hung up."""

    def __init__(
        self,
        exchange: Exchange[Call, Act],
        media: Callable[[Stream], Awaitable[bool]],
        do: Callable[[Act], None],
    ) -> None:
        self.streams: dict[str, Stream] = {}
        """Those under way, by the name that `carry` was given."""
        self.closing = asyncio.Event()
        """What never gets an answer waits for this."""
        self._exchange = exchange
        self._media = media
        self._do = do
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()

    @asynccontextmanager
    async def running(self, app: web.Application, host: str, port: int) -> AsyncIterator[int]:
        """The port that is open inside. What a task failed with is raised at the end."""
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            yield runner.addresses[0][1]
        finally:
            self.closing.set()
            await runner.cleanup()
            await self._stop()

    def perform(self, acts: Sequence[Act]) -> None:
        """Do what the exchange wants, and wake it again when it wants that."""
        for act in acts:
            self._do(act)
        self.tell_news()
        self._arm()

    def carry(self, name: str, call: Call, stream: Stream) -> None:
        """Have the stream carried, and tell the exchange how it ended."""
        self.streams[name] = stream
        self.spawn(self._carry(name, call, stream))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that ends with the server at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def tell_news(self) -> None:
        """Let those who wait look again."""
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, came: Callable[[], bool]) -> None:
        """Wait for what `came` looks for."""
        while not came():
            await self._news.wait()

    async def nth(self, times: int, seen: Sequence[T], wanted: Callable[[T], bool]) -> T:
        """Of what was `seen`, which grows, the wanted one that makes it so many."""
        while len(found := [one for one in seen if wanted(one)]) < times:
            await self._news.wait()
        return found[times - 1]

    async def _carry(self, name: str, call: Call, stream: Stream) -> None:
        try:
            hung_up = await self._until_ended(stream)
        except CallRefused as refused:
            acts = self._exchange.stream_failed(call, str(refused), time.time())
        else:
            acts = self._exchange.stream_over(call, time.time(), hung_up=hung_up)
        del self.streams[name]
        self.perform(acts)

    async def _until_ended(self, stream: Stream) -> bool:
        """What `media` returns; once the stream is ended, it has a short while left."""

        async def part() -> None:
            await stream.ended.wait()
            await asyncio.sleep(PARTING_S)

        carried = asyncio.ensure_future(self._media(stream))
        parted = asyncio.ensure_future(part())
        try:
            await asyncio.wait({carried, parted}, return_when=asyncio.FIRST_COMPLETED)
            return await carried if carried.done() else False
        finally:
            for task in (carried, parted):
                task.cancel()
            await asyncio.wait({carried, parted})

    def _wake(self) -> None:
        self.perform(self._exchange.due(time.time()))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._exchange.deadline()
        if deadline is not None and not self.closing.is_set():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, deadline - time.time()), self._wake)

    def _forget(self, task: asyncio.Task[None]) -> None:
        """Unless it failed: that is told at the end."""
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)

    async def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
