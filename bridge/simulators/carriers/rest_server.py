"""Runs a simulated carrier's REST server: one port, a task for each stream, one timer, and waiting for what happens.

The carrier's account (`TwilioAccount`, `TelnyxAccount`) decides which actions follow from a request; the carrier's own
server performs each of them. Times are Unix seconds.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web

from bridge.simulators.changes import Changes
from bridge.vocabulary.errors import CallRefused

PARTING_S = 2.0
"""How long a phone may take to close its stream after it was ended; then the stream is dropped."""

Call = TypeVar("Call")
Call_contra = TypeVar("Call_contra", contravariant=True)
Act = TypeVar("Act")


class Account(Protocol[Call_contra, Act]):
    """What the server tells a carrier's account: the time, and how streams end. It returns the actions that follow."""

    def deadline(self) -> float | None:
        """When `due` is to be called at the latest; None if nothing is awaited."""
        ...

    def due(self, now: float) -> list[Act]:
        """The actions due by `now`."""
        ...

    def stream_failed(self, call: Call_contra, why: str, now: float) -> list[Act]:
        """The media socket of a call could not be opened."""
        ...

    def stream_over(self, call: Call_contra, now: float, *, hung_up: bool) -> list[Act]:
        """The media socket of a call is closed. `hung_up`: by the phone."""
        ...


class Endable(Protocol):
    """A stream; whoever carries it is to close it once `ended` is set."""

    ended: asyncio.Event


Stream = TypeVar("Stream", bound=Endable)


class RestServer(Generic[Call, Act, Stream]):
    """Runs one simulated carrier.

    `media` carries a stream and returns whether the phone hung up. `perform_one` performs one action; `performed` is
    called when all that follow from one happening have been.
    """

    def __init__(
        self,
        account: Account[Call, Act],
        media: Callable[[Stream], Awaitable[bool]],
        perform_one: Callable[[Act], None],
        performed: Callable[[], None] = lambda: None,
    ) -> None:
        self.streams: dict[str, Stream] = {}
        """The streams under way, by the name given to `carry`."""
        self.changes = Changes()
        """Notified after each action."""
        self.closing = asyncio.Event()
        """Set when the server stops; a request that is never answered waits for it."""
        self.failed = asyncio.Event()
        """Set when a task has failed; `running` raises its exception at the end."""
        self._account = account
        self._media = media
        self._perform_one = perform_one
        self._performed = performed
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def running(self, app: web.Application, host: str, port: int) -> AsyncIterator[int]:
        """Serve `app`; gives the port that is open inside. An exception in a task is raised at the end."""
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
        """Perform actions in order, then set the timer for the account's next deadline."""
        for act in acts:
            self._perform_one(act)
        self._performed()
        self.changes.notify()
        self._arm()

    def carry(self, name: str, call: Call, stream: Stream) -> None:
        """Carry the stream in a task of its own, and tell the account how it ended."""
        self.streams[name] = stream
        self.spawn(self._carry(name, call, stream))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task that is cancelled when the server stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def carry_beside(self, name: str, stream: Stream) -> None:
        """Carry a stream whose end changes nothing for its call, as `carry` does. A refused socket is left alone."""
        self.streams[name] = stream
        self.spawn(self._carry_beside(name, stream))

    async def _carry_beside(self, name: str, stream: Stream) -> None:
        try:
            await self._until_ended(stream)
        except CallRefused:
            pass
        finally:
            del self.streams[name]

    async def _carry(self, name: str, call: Call, stream: Stream) -> None:
        try:
            hung_up = await self._until_ended(stream)
        except CallRefused as refused:
            acts = self._account.stream_failed(call, str(refused), time.time())
        except Exception:  # the phone has failed: the server hears that the call is over
            self._carried(name, self._account.stream_over(call, time.time(), hung_up=True))
            raise
        else:
            acts = self._account.stream_over(call, time.time(), hung_up=hung_up)
        self._carried(name, acts)

    def _carried(self, name: str, acts: Sequence[Act]) -> None:
        del self.streams[name]
        self.perform(acts)

    async def _until_ended(self, stream: Stream) -> bool:
        """Carry a stream; whether the phone hung up. After `ended` is set it may take `PARTING_S` more."""

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
        self.perform(self._account.due(time.time()))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._account.deadline()
        if deadline is not None and not self.closing.is_set():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, deadline - time.time()), self._wake)

    def _forget(self, task: asyncio.Task[None]) -> None:
        """Forget a finished task, unless it failed: its exception is raised at the end."""
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)
        else:
            self.failed.set()

    async def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
