"""Tells the address of [after_call] of each call that is over: one report a call, sent again until it is taken.

Each try has the same id, in the body and in the header Idempotency-Key, so that a report that arrived twice can be known.
Reports wait in memory, up to a bound; a server that stops tries once more to send each of them, and waits a while.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog
from msgspec import json

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.core.call import Call
from bridge.observers.call_report import CallReport, Report
from bridge.observers.recording import Recording
from bridge.settings.before_and_after import AfterCallSettings
from bridge.shell.encryption import SUFFIX
from bridge.shell.network import Network
from bridge.shell.session import clock
from bridge.shell.signed_posts import PostFailed, SignedPosts
from bridge.vocabulary.contracts import Observer

FIRST_PAUSE_S = 1.0
"""Before the second try; each pause is twice as long as the one before."""

LONGEST_PAUSE_S = 60.0

MOST_AT_ONCE = 8
"""Tries at a time: calls that end together do not overrun the server."""

MOST_WAITING_BYTES = 33_554_432
"""Of all reports that wait; with more, a report is given up. A long call has 300 kB, most have 5 kB."""

MOST_ANSWER_BYTES = 65_536

LAST_REPORTS_S = 5.0
"""How long a server that closes waits for its reports to be taken."""

log = structlog.get_logger()


async def _at_once() -> None:
    """Nothing is to be waited for."""


class AfterCall:
    """The reports of one server. `written`: waits until the files of the calls that are over are complete."""

    def __init__(
        self, network: Network | None = None, written: Callable[[], Awaitable[None]] = _at_once
    ) -> None:
        self._posts = SignedPosts(network, most_connections=MOST_AT_ONCE)
        self._written = written
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting_bytes = 0
        self._closing = asyncio.Event()

    def observer(
        self,
        settings: AfterCallSettings,
        carrier: str,
        expected: ExpectedCall,
        call: Call,
        observers: Sequence[Observer],
    ) -> CallReport | None:
        """Builds the report of a call; None where nobody is to be told, and for the briefing of a person, which is part of
        another call. `observers`: its recording is among them.
        """
        if settings.url is None or expected.briefs:
            return None
        recording = next((one for one in observers if isinstance(one, Recording)), None)

        def finished(report: Report) -> None:
            self.tell(settings, report, None if recording is None else lambda: recording.path)

        return CallReport(
            str(uuid.uuid4()), carrier, expected.direction, datetime.now(UTC), call.heard, finished
        )

    def tell(
        self, settings: AfterCallSettings, report: Report, recording: Callable[[], Path | None] | None = None
    ) -> None:
        """Send a report, beside all calls. `recording`: returns its file, once that is complete."""
        size = len(json.encode(report))
        if self._waiting_bytes + size > MOST_WAITING_BYTES:
            log.error("= after_call: a report is given up: too many wait", call_id=report.call)
            return
        self._waiting_bytes += size
        task = asyncio.create_task(self._send(settings, report, recording), name="after_call")
        self._tasks.add(task)

        def over(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._waiting_bytes -= size

        task.add_done_callback(over)

    async def aclose(self) -> None:
        """Try once more to send what was not taken, and wait for a while."""
        self._closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_REPORTS_S)
        if left := list(self._tasks):
            log.error("= after_call: reports were not taken before the server stopped", reports=len(left))
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        await self._posts.aclose()

    async def _send(
        self,
        settings: AfterCallSettings,
        report: Report,
        recording: Callable[[], Path | None] | None,
    ) -> None:
        if recording is not None:
            await self._written()
            report = report.recorded(_complete(recording()))
        body = json.encode(report)
        since, pause_s, tries = clock(), FIRST_PAUSE_S, 0
        while True:
            is_last = tries > 0 and self._closing.is_set()
            tries += 1
            why = await self._try(settings, report, body)
            if not why:
                return
            if is_last or clock() - since >= settings.tries_s:
                log.error(
                    "= after_call: a report was not taken", call_id=report.call, tries=tries, reason=why
                )
                return
            if tries == 1:
                log.warning(
                    "= after_call: a report was not taken; it is sent again",
                    call_id=report.call,
                    reason=why,
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s * random.uniform(0.75, 1.25)):  # no secret
                    await self._closing.wait()
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _try(self, settings: AfterCallSettings, report: Report, body: bytes) -> str:
        """Why the report was not taken; empty: it was."""
        async with self._at_once:
            try:
                async with asyncio.timeout(settings.timeout_s):
                    await self._posts.post(
                        settings,
                        body,
                        time.time(),
                        {"Idempotency-Key": report.id},
                        most_bytes=MOST_ANSWER_BYTES,
                    )
            except TimeoutError:
                return f"no answer within {settings.timeout_s:g} s"
            except PostFailed as error:
                return str(error)
        return ""


def _complete(path: Path | None) -> str:
    """The path of a recording that is complete, encrypted or not; empty where there is none."""
    if path is None:
        return ""
    encrypted = path.with_name(path.name + SUFFIX)
    return next((str(one) for one in (encrypted, path) if one.exists()), "")
