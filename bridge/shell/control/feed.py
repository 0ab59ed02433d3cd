"""The live feed: server-sent events (HTML, 9.2) of all calls, or of one, for any number of viewers up to a bound.

A viewer that does not read is dropped once `MOST_WAITING` bytes wait for it. A timer looks at the calls only while there
are viewers.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

import structlog
from aiohttp import web

from bridge.observers.live.live_calls import LOOK_S, Take, Watch
from bridge.shell.control.problems import Problem
from bridge.shell.http_server import may_last

MOST_VIEWERS = 200

MOST_WAITING = 262_144
"""Bytes that wait for one viewer, beside the snapshot."""

COMMENT_S = 15.0
"""After so long without an event a comment keeps the connection open."""

COMMENT = b":\n\n"

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

log = structlog.get_logger()


class WatchedCalls(Protocol):
    """The calls that are watched: see `LiveCalls`."""

    watched: Callable[[bool], None]

    def find(self, call_id: str) -> object | None: ...

    def watch(self, take: Take, call_id: str = "") -> Watch: ...

    def unwatch(self, watch: Watch) -> None: ...

    def look(self) -> None: ...


class _Viewer:
    """What waits for one viewer."""

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._waiting = 0
        self._is_first = True
        self._came = asyncio.Event()
        self.dropped = asyncio.Event()
        """Too much waits for it."""
        self.is_over = False
        """The viewer has left, or the server closes."""

    @property
    def has_more(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._parts)

    def end(self) -> None:
        """It gets no more."""
        self.is_over = True
        self._parts.clear()
        self._came.set()

    def take(self, part: bytes) -> None:
        """Keep these events until they are sent."""
        self._parts.append(part)
        if not self._is_first:  # the snapshot is as long as it is
            self._waiting += len(part)
        self._is_first = False
        if self._waiting > MOST_WAITING:
            self.dropped.set()
        self._came.set()

    async def next(self) -> bytes:
        """What is to be sent next."""
        if not self._parts:
            self._came.clear()
            try:
                async with asyncio.timeout(COMMENT_S):
                    await self._came.wait()
            except TimeoutError:
                return COMMENT
        part = b"".join(self._parts)
        self._parts.clear()
        self._waiting = 0
        return part


class Feed:
    """The viewers of one process."""

    def __init__(self, live: WatchedCalls) -> None:
        self._live = live
        self._timer: asyncio.TimerHandle | None = None
        self._viewers: set[_Viewer] = set()
        live.watched = self._watched

    def __len__(self) -> int:
        return len(self._viewers)

    async def stream(
        self, request: web.Request, may_see: Callable[[], bool], call_id: str = ""
    ) -> web.StreamResponse:
        """Answer with events until the viewer leaves, is dropped, or may see no more; of one call until that is over."""
        if call_id and self._live.find(call_id) is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no call of this id is under way")
        if len(self._viewers) >= MOST_VIEWERS:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_VIEWERS} watch already", {"Retry-After": "10"}
            )
        response = web.StreamResponse(headers=HEADERS)
        viewer = _Viewer()
        self._viewers.add(viewer)
        watch = self._live.watch(viewer.take, call_id)
        dropping = asyncio.create_task(self._drop(request, viewer), name="a viewer that does not read")
        try:
            may_last(request, viewer.end)
            await response.prepare(request)
            while not (viewer.dropped.is_set() or viewer.is_over):
                part = await viewer.next()
                if not may_see():  # the token was taken out of the settings, or is out of date
                    break
                if part:
                    await response.write(part)
                if call_id and self._live.find(call_id) is None and not viewer.has_more:
                    break
        except ConnectionError:  # the viewer has left
            log.debug("a viewer has left")
        finally:
            dropping.cancel()
            self._live.unwatch(watch)
            self._viewers.discard(viewer)
        return response

    async def _drop(self, request: web.Request, viewer: _Viewer) -> None:
        await viewer.dropped.wait()
        log.warning("= a viewer was dropped", reason="it does not read what it is sent")
        if request.transport is not None:
            request.transport.abort()

    def close(self) -> None:
        """End all streams: the server closes."""
        for viewer in [*self._viewers]:
            viewer.end()
        if self._timer is not None:
            self._timer.cancel()

    def _watched(self, is_watched: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if is_watched:
            self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._look_later()
        self._live.look()
