"""Delivers the webhooks of the simulated Telnyx: those of one call in order, with retries and injected faults.

Wire: Telnyx, "Receiving webhooks". `webhooks` makes the bodies and decides what is tried again.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.telnyx.actions import DeliverWebhook
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxFaults
from bridge.simulators.carriers.telnyx.webhooks import Signer, envelope, is_delivered, is_retried

HELD_S = 0.05
"""How long a webhook waits for the next one to overtake it."""


class Delivery(NamedTuple):
    """One attempt to deliver a webhook. `status`: None if no answer came in time. `last`: it is not tried again."""

    event: Mapping[str, Any]
    url: str
    body: bytes
    headers: Mapping[str, str]
    attempt: int
    status: int | None
    last: bool
    took_ms: float = 0.0
    """From the request to its answer."""

    @property
    def kind(self) -> str:
        """The event's type, such as `call.answered`."""
        kind: str = self.event["event_type"]
        return kind

    @property
    def delivered(self) -> bool:
        return is_delivered(self.status)


class Deliveries:
    """Delivers the webhooks of one server.

    `rehearsal`: as a proxy of the server would pass them on. `spawn` runs a task. `tried` is called after each attempt,
    `settled` when a webhook is delivered or given up. `timeout_s`: for one attempt. `attempts`: at most.
    """

    def __init__(
        self,
        signer: Signer,
        faults: TelnyxFaults,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        tried: Callable[[Delivery], None],
        *,
        timeout_s: float,
        attempts: int,
        rehearsal: Rehearsal | None = None,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._signer = signer
        self._faults = faults
        self._spawn = spawn
        self._tried = tried
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._attempts = attempts
        self._rehearsal = rehearsal
        self._settled = settled
        self._last: dict[str, asyncio.Task[None]] = {}
        self._held: dict[str, asyncio.Event] = {}

    def deliver(self, http: aiohttp.ClientSession, act: DeliverWebhook) -> None:
        """Deliver a webhook, after those that came before it for the same call."""
        call = act.event["payload"]["call_control_id"]
        if not self._faults.shuffled_webhooks:
            self._last[call] = self._spawn(self._follow(http, act, self._last.get(call)))
        elif (held := self._held.pop(call, None)) is not None:
            self._spawn(self._overtake(http, act, held))
        else:
            self._held[call] = held = asyncio.Event()
            self._spawn(self._hold(http, act, held))

    def has_delivered_all(self) -> bool:
        """Whether no webhook is on its way, shuffled ones left aside."""
        return all(task.done() for task in self._last.values())

    async def _follow(
        self, http: aiohttp.ClientSession, act: DeliverWebhook, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._deliver(http, act)
        asyncio.get_running_loop().call_soon(self._settled)  # once this task is done

    async def _overtake(self, http: aiohttp.ClientSession, act: DeliverWebhook, held: asyncio.Event) -> None:
        try:
            await self._deliver(http, act)
        finally:
            held.set()

    async def _hold(self, http: aiohttp.ClientSession, act: DeliverWebhook, held: asyncio.Event) -> None:
        call = act.event["payload"]["call_control_id"]
        await asyncio.wait([overtaken := asyncio.ensure_future(held.wait())], timeout=HELD_S)
        overtaken.cancel()
        if self._held.get(call) is held:
            del self._held[call]
        await self._deliver(http, act)

    async def _deliver(self, http: aiohttp.ClientSession, act: DeliverWebhook) -> None:
        for _ in range(2 if self._faults.duplicate_webhooks else 1):
            for attempt in range(1, self._attempts + 1):
                delivery = await self._try(http, act, attempt)
                self._tried(delivery)
                if delivery.last:
                    break

    async def _try(self, http: aiohttp.ClientSession, act: DeliverWebhook, attempt: int) -> Delivery:
        rehearsal = self._rehearsal
        delivered_to = rehearsal.public if rehearsal else act.url
        body = envelope(act.event, delivered_to, attempt, unwrapped=self._faults.unwrapped_webhooks)
        headers = self._signer.headers(body, int(time.time())) | (rehearsal.headers if rehearsal else {})
        status: int | None = None
        began = time.monotonic()
        try:
            async with http.post(
                URL(act.url, encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout,
                ssl=(rehearsal.tls if rehearsal else None) or True,
            ) as response:
                status = response.status
        except (TimeoutError, aiohttp.ClientError):
            pass  # recorded as no answer
        last = attempt == self._attempts or not is_retried(status)
        took_ms = round((time.monotonic() - began) * 1000, 1)
        return Delivery(act.event, act.url, body, headers, attempt, status, last, took_ms)
