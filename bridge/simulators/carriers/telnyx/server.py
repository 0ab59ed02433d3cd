"""Runs the simulated Telnyx: its REST API, its media streams and its webhooks.

Paths begin with /v2, as Telnyx's do. `account` decides what a request does, `rest_server` runs the port and the tasks.
"""

import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from secrets import token_bytes, token_hex
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from msgspec import json

from bridge.carriers.telnyx.kind import SIMULATED_API_KEY
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import CALLED, CALLER
from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.rest_server import RestServer
from bridge.simulators.carriers.room import Audible
from bridge.simulators.carriers.telnyx.account import TelnyxAccount
from bridge.simulators.carriers.telnyx.actions import (
    Action,
    AnswerStream,
    DeliverWebhook,
    EndStream,
    OpenStream,
    ReceivedCommand,
    TelnyxRequest,
)
from bridge.simulators.carriers.telnyx.calls import CallState, TelnyxCall
from bridge.simulators.carriers.telnyx.checks import NOT_FOUND, TelnyxRefusal
from bridge.simulators.carriers.telnyx.commands import COMMANDS, CONFERENCE_COMMANDS
from bridge.simulators.carriers.telnyx.delivery import Deliveries, Delivery
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee, TelnyxFaults
from bridge.simulators.carriers.telnyx.stream_session import (
    CarryStream,
    StreamRequest,
    TelnyxStreamSession,
    silence,
)
from bridge.simulators.carriers.telnyx.webhooks import Signer
from bridge.simulators.changes import Changes

ACTIONS = "|".join(name for name in COMMANDS if name != "dial")
CONFERENCE_ACTIONS = "|".join(
    name.removeprefix("conference_") for name in CONFERENCE_COMMANDS if name != "conference_create"
)

API_KEY = SIMULATED_API_KEY
"""The API key that `voicebridge call` expects, unless it rehearses production."""

log = structlog.get_logger()


class SimulatedTelnyx:
    """A simulated Telnyx with one account. Enter `running` to open its port.

    `media`: carries the streams. `webhook_url`: of the account's connection. `codec`: of its calls. `callee`: who
    answers the calls that are dialled, unless `callees` has their number. `faults`: those to inject. `seed`: of the key
    that signs the webhooks. It and `api_key` are made anew if they are left out. `webhook_timeout_s`,
    `webhook_attempts`: for each webhook. `rehearsal`: they are passed on as a proxy of the server would. `heard`: is
    told who hears whom. `api_log`: of commands and webhooks.
    """

    def __init__(
        self,
        media: CarryStream = silence,
        *,
        api_key: str = "",
        webhook_url: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        codec: str = "PCMU",
        callee: TelnyxCallee = TelnyxCallee(),  # noqa: B008 - frozen
        faults: TelnyxFaults = TelnyxFaults(),  # noqa: B008 - frozen
        seed: str = "",
        webhook_timeout_s: float = 2.0,
        webhook_attempts: int = 3,
        rehearsal: Rehearsal | None = None,
        callees: Mapping[str, TelnyxCallee] | None = None,
        heard: Callable[[Audible], None] = lambda _: None,
        api_log: ApiLog | None = None,
    ) -> None:
        self.port = port
        """The port that is open; if 0 was asked for, the one that the system chose."""
        self.api_key = api_key or f"KEY{token_hex(16)}"
        self.seed = seed or b64encode(token_bytes(32)).decode()
        self.deliveries: list[Delivery] = []
        """Every attempt to deliver a webhook, in order."""
        self.account = TelnyxAccount(
            self.api_key,
            webhook_url=webhook_url,
            codec=codec,
            callee=callee,
            faults=faults,
            callees=callees,
        )
        self.api_log = api_log or ApiLog()
        self._host = host
        self._rest = RestServer(self.account, media, self._perform, lambda: heard(self.account.audible()))
        self._signer = Signer(self.seed)
        self._webhooks = Deliveries(
            self._signer,
            faults,
            self._rest.spawn,
            self._tried,
            timeout_s=webhook_timeout_s,
            attempts=webhook_attempts,
            rehearsal=rehearsal,
            settled=self._rest.changes.notify,
        )
        self._http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """The `base_url` for a client."""
        return f"http://{self._host}:{self.port}/v2"

    @property
    def public_key(self) -> str:
        """The public key that verifies the webhooks, base64."""
        return self._signer.public_key

    @property
    def commands(self) -> list[ReceivedCommand]:
        """Every request that came, in order."""
        return self.account.commands

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SimulatedTelnyx"]:
        """Keep the port open. An exception in a task is raised at the end."""
        async with (
            aiohttp.ClientSession() as self._http,
            self._rest.running(self._application(), self._host, self.port) as self.port,
        ):
            yield self

    async def failed(self) -> None:
        """Wait until a task of this server has failed; `running` then raises its exception."""
        await self._rest.failed.wait()

    def ring(self, webhook_url: str = "", *, caller: str = CALLER, called: str = CALLED) -> TelnyxCall:
        """Somebody calls: send the webhooks and obey the server's commands. `webhook_url`: instead of the account's."""
        call, actions = self.account.ring(caller, called, time.time(), webhook_url=webhook_url)
        self._rest.perform(actions)
        return call

    def hang_up(self, call: TelnyxCall) -> None:
        """The other party hangs up."""
        self._rest.perform(self.account.hang_up(call, time.time()))

    def press(self, call: TelnyxCall, digit: str) -> None:
        """The other party presses a key: the webhook tells of it, as the stream does if there is one."""
        self._rest.perform(self.account.pressed(call, digit, time.time()))

    @property
    def changes(self) -> Changes:
        """Notified after whatever happens."""
        return self._rest.changes

    def has_told_all(self) -> bool:
        """Whether no webhook is on its way."""
        return self._webhooks.has_delivered_all()

    def is_done(self, call: TelnyxCall) -> bool:
        """Whether the call has ended and its last webhook was delivered or given up."""
        return call.state is CallState.ENDED and self._has_last_webhook(call)

    async def commanded(self, name: str, times: int = 1) -> ReceivedCommand:
        """Wait for the request number `times` (from 1) of this name: `dial`, `status`, `answer` and so on."""
        return await self._rest.changes.nth(times, self.commands, lambda command: command.name == name)

    async def told(self, kind: str, times: int = 1) -> Delivery:
        """Wait for the webhook number `times` (from 1) of this kind to be delivered or given up."""
        return await self._rest.changes.nth(times, self.deliveries, lambda one: one.last and one.kind == kind)

    async def over(self, call: TelnyxCall) -> TelnyxCall:
        """Wait until the call has ended and its last webhook was delivered or given up."""
        await self._rest.changes.until(lambda: self.is_done(call))
        return call

    def _has_last_webhook(self, call: TelnyxCall) -> bool:
        if not call.webhook_url:
            return True
        name = call.call_control_id
        return any(
            one.last and one.kind == "call.hangup" and one.event["payload"]["call_control_id"] == name
            for one in self.deliveries
        )

    def _application(self) -> web.Application:
        app = web.Application()
        conference = "/v2/conferences/{conference}"
        app.add_routes(
            [
                web.post("/v2/calls", self._asked("dial")),
                web.get("/v2/calls/{call}", self._asked("status")),
                web.post(f"/v2/calls/{{call}}/actions/{{command:{ACTIONS}}}", self._asked("")),
                web.post("/v2/conferences", self._asked("conference_create")),
                web.get("/v2/conferences", self._asked("conference_list")),
                web.get(conference, self._asked("conference")),
                web.get(f"{conference}/participants", self._asked("conference_participants")),
                web.post(
                    f"{conference}/actions/{{command:{CONFERENCE_ACTIONS}}}", self._asked("conference_")
                ),
                web.route("*", "/{other:.*}", _nothing_there),
            ]
        )
        return app

    def _asked(self, name: str) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            named = request.match_info
            command = name + named.get("command", "")
            asked = TelnyxRequest(
                command,
                request.headers.get("Authorization"),
                await request.read(),
                named.get("call", ""),
                named.get("conference", ""),
                dict(request.query),
            )
            answer = self.account.ask(asked, time.time())
            log.info("< telnyx command", command=command, status=int(answer.status))
            self.api_log.note(
                "request",
                name=command,
                call=asked.call_control_id,
                conference=asked.conference_id,
                fields=self.commands[-1].body,
                status=None if answer.silent else int(answer.status),
            )
            self._rest.perform(answer.actions)
            if answer.silent:
                await self._rest.closing.wait()
            return _json(answer.body, answer.status, answer.headers)

        return answer

    def _perform(self, act: Action) -> None:
        match act:
            case DeliverWebhook(url):
                if url:
                    self._webhooks.deliver(self._http, act)
            case OpenStream(wanted):
                self._open_stream(wanted)
            case AnswerStream(stream_id):
                self._rest.streams[stream_id].answered.set()
            case EndStream(stream_id):
                self._rest.streams[stream_id].ended.set()

    def _open_stream(self, wanted: StreamRequest) -> None:
        call = self.account.calls[wanted.call_control_id]
        stream = TelnyxStreamSession(
            wanted, lambda: self._rest.perform(self.account.stream_opened(call, time.time()))
        )
        self._rest.carry(wanted.stream_id, call, stream)

    def _tried(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.api_log.note(
            "webhook",
            name=delivery.kind,
            url=delivery.url,
            fields=delivery.event["payload"],
            attempt=delivery.attempt,
            status=delivery.status,
            took_ms=delivery.took_ms,
        )
        log.info("> telnyx webhook", kind=delivery.kind, attempt=delivery.attempt, status=delivery.status)
        self._rest.changes.notify()


async def _nothing_there(_request: web.Request) -> web.Response:
    refusal = TelnyxRefusal(NOT_FOUND, "The requested resource or URL could not be found.", status=404)
    return _json(refusal.body(), refusal.status)


def _json(body: Any, status: int, headers: Any = None) -> web.Response:
    return web.Response(
        body=json.encode(body), status=status, headers=headers, content_type="application/json"
    )
