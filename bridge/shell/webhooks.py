"""Serves the webhooks of any carrier over HTTP: reads a request, has the carrier's folder answer it, keeps its timer.

What a webhook asks of the carrier's REST API is sent beside, so that no answer waits for it.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Literal

import structlog
from aiohttp import web

from bridge.carriers.shared.before_call import NOTHING_SAID, Decision, Question, question
from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.shared.webhooks import (
    AskFirst,
    CallHost,
    CarrierWebhooks,
    Decided,
    ExpectedCall,
    Numbers,
    Refused,
    Route,
    StreamKind,
    Taken,
    WebhookAnswer,
    WebhookRequest,
)
from bridge.config.routes import OWN_PARAMETERS, Incoming
from bridge.redaction import for_log
from bridge.settings.busy import BusySettings
from bridge.shell.admission import Admission, unix_clock
from bridge.shell.before_call import BeforeCall
from bridge.shell.handles import new_handle
from bridge.shell.network import Network
from bridge.shell.refused_requests import RefusedRequests
from bridge.shell.rest_client import ApiClient, Measured, unmeasured
from bridge.shell.session import clock
from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.errors import CarrierRefused, WebhookRefused
from bridge.vocabulary.people import PersonEvent
from bridge.vocabulary.supervision import SupervisorEvent
from bridge.vocabulary.trace_context import TRACEPARENT

BODY_TIMEOUT_S = 5.0

LAST_REQUESTS_S = 5.0
"""How long a server that closes waits for the answers of a REST API: calls are hung up."""

Answered = Callable[[str, bytes, asyncio.BaseTransport | None], None]
"""Called with the carrier, the body of a webhook that was answered, empty if it was refused, and its connection."""

log = structlog.get_logger()


class Webhooks:
    """The webhooks of one carrier on one server.

    `make` makes the carrier's side of them. `network`: how the carrier's API is reached; None: directly. `measured`: see
    `ApiClient`. Raises `ConfigurationError` as that does.
    """

    def __init__(
        self,
        carrier: str,
        make: Callable[[CallHost], CarrierWebhooks],
        admission: Admission,
        *,
        allows_unauthenticated: bool,
        network: Network | None = None,
        refused: RefusedRequests | None = None,
        measured: Measured = unmeasured,
    ) -> None:
        self._carrier = carrier
        self._client = ApiClient(network, measured)
        self._refused = refused or RefusedRequests()
        self._requests: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf
        self._closed = False
        self.answered: Answered = lambda _carrier, _body, _transport: None
        self._before_call = BeforeCall(network)
        self._host = _Host(
            carrier, admission, self._send, self._ask, self._before_call, allows_unauthenticated
        )
        self._webhooks = make(self._host)

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        found = []
        for route in self._webhooks.routes():
            serve = partial(self._serve, route)
            found.append(web.post(route.path, serve))
            if route.takes_word:
                found.append(web.post(f"{route.path}/{{word}}", serve))
        return found

    async def aclose(self) -> None:
        """End the calls that would go on without the server, and wait for the carrier's answers for a while."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._webhooks.close(clock())
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_REQUESTS_S):
                while self._requests:  # one that is refused may bring another
                    await asyncio.wait(self._requests)
        if self._requests:
            log.warning(f"> {self._carrier} is no longer told", steps=len(self._requests))
        for task in self._requests:
            task.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)
        await self._before_call.aclose()
        await self._client.aclose()

    # Requests of the carrier

    async def _serve(self, route: Route, request: web.Request) -> web.Response:
        body = await _read_body(request, route.content_type)
        asked = WebhookRequest(
            path=request.path,
            target=_target(request),
            headers={name.lower(): request.headers[name] for name in request.headers},
            body=body,
            unix_s=unix_clock(),
            query={name: request.query[name] for name in request.query},
            word=request.match_info.get("word", ""),
        )
        self._host.traceparent = asked.headers.get(TRACEPARENT, "")
        try:
            answer = route.handle(asked, clock())
            if isinstance(answer, AskFirst):
                answer = await self._ask_first(answer)
        except WebhookRefused as refused:
            self._refused.note(refused.status, request.path, refused.reason or str(refused), refused.address)
            self.answered(self._carrier, b"", request.transport)
            return web.Response(status=refused.status, text=str(refused))
        finally:
            self._host.route = self._host.traceparent = ""
            self._follow_deadline()
        self.answered(self._carrier, body, request.transport)
        if not answer.text:
            return web.Response(status=answer.status)
        return web.Response(status=answer.status, text=answer.text, content_type=answer.content_type)

    async def _ask_first(self, first: AskFirst) -> WebhookAnswer:
        """The answer that waits for the address of [before_call]. Other webhooks are served meanwhile."""
        host = self._host
        before = host.route, host.traceparent
        host.route = host.traceparent = ""
        decision = await host.decide(first.question)
        host.route, host.traceparent = before
        return first.then(decision, clock())

    def _ask(self, question: Question, decided: Decided) -> None:
        self._begin(self._ask_beside(question, decided))

    async def _ask_beside(self, question: Question, decided: Decided) -> None:
        decision = await self._host.decide(question)
        try:
            decided(decision, clock())
        finally:
            self._host.route = ""
            self._follow_deadline()

    # Requests to the carrier

    def _send(self, request: ApiRequest, taken: Taken | None, refused: Refused | None) -> None:
        self._begin(self._carry_out(request, taken, refused))

    def _begin(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _carry_out(self, request: ApiRequest, taken: Taken | None, refused: Refused | None) -> None:
        self._follow_deadline()  # whoever sent this may have set one
        try:
            data = await self._client.send(request)
        except CarrierRefused as error:
            if refused is not None:
                refused(error, clock())
        else:
            if taken is not None:
                taken(data, clock())
        finally:
            self._follow_deadline()

    # The timer

    def _follow_deadline(self) -> None:
        """One timer follows the deadline. It is moved only when that comes nearer: early is harmless."""
        due = self._webhooks.deadline()
        if self._closed or due is None or due >= self._wakes_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - clock()), self._wake)

    def _wake(self) -> None:
        self._timer, self._wakes_at = None, inf
        self._webhooks.due(clock())
        self._follow_deadline()


class _Host:
    """What one carrier's webhooks may ask of the server; see `CallHost`."""

    def __init__(
        self,
        carrier: str,
        admission: Admission,
        send: Callable[[ApiRequest, Taken | None, Refused | None], None],
        ask: Callable[[Question, Decided], None],
        before_call: BeforeCall,
        allows_unauthenticated: bool,
    ) -> None:
        self.allows_unauthenticated = allows_unauthenticated
        self.route = ""
        """What chose the assistant of the call that is being handled, for the log."""
        self.traceparent = ""
        """The header of the webhook that is being handled."""
        self._carrier = carrier
        self._admission = admission
        self._send = send
        self._ask = ask
        self._before_call = before_call

    async def decide(self, question: Question) -> Decision:
        """What the address of [before_call] says of a call. Meanwhile the call counts as one that was promised a place."""
        if self._admission.call_ins.of(self._carrier, question.call) is not None:
            return NOTHING_SAID
        self._admission.asking += 1
        try:
            return await self._before_call.decide(self._admission.before_call, question)
        finally:
            self._admission.asking -= 1

    @property
    def public_url(self) -> str:
        return self._admission.public_url

    @property
    def busy(self) -> BusySettings:
        return self._admission.busy

    def has_assistant(self, assistant: str) -> bool:
        return self._admission.has_assistant(assistant)

    def who_answers(
        self, call_id: str, request: WebhookRequest, numbers: Numbers, parameters: Mapping[str, str]
    ) -> str:
        assistant = request.query.get("assistant", "")
        if not self._admission.has_assistant(assistant):
            raise WebhookRefused(
                400,
                f"assistant = {assistant!r}: unknown assistant: expected a name from the settings",
                reason="it names no assistant of ours",
            )
        routes = self._admission.routes
        if request.word and not routes.has_path(request.word):
            raise WebhookRefused(
                404,
                f"{request.word!r}: no route in the settings has this path",
                reason="no route has this path",
            )
        call = Incoming(numbers.to, numbers.from_, request.word, _parameters(request, parameters))
        self.route = "the webhook's address" if assistant else routes.name_of(call)
        if not assistant and (supervisor := routes.supervisor(call)):
            if request.query.get("listen", "false") != "false":
                raise WebhookRefused(400, "listen: should be left out where a route names a supervisor")
            elsewhere = self._admission.calls_elsewhere
            call_ins = self._admission.call_ins
            call_ins.comes(self._carrier, call_id, supervisor, numbers.from_, clock(), elsewhere=elsewhere)
        return assistant or routes.assistant(call)

    @property
    def asks_first(self) -> bool:
        return self._admission.before_call.url is not None

    def question(
        self, call_id: str, facts: Facts, request: WebhookRequest, parameters: Mapping[str, str]
    ) -> Question:
        return question(call_id, self._carrier, facts, request.word, _parameters(request, parameters))

    def ask(self, question: Question, decided: Decided) -> None:
        self._ask(question, decided)

    def assistant_of(self, decision: Decision, assistant: str, call_id: str) -> str:
        if not decision.assistant:
            return assistant
        if not self._admission.has_assistant(decision.assistant):
            log.warning(
                "= before_call names an assistant that does not exist; another one answers",
                call_id=call_id,
                assistant=for_log(decision.assistant),
            )
            return assistant
        self.route = "before_call"
        return decision.assistant

    def why_refused(self, call_id: str) -> str:
        return self._admission.why_refused(self._carrier, call_id)

    def expect(self, call: ExpectedCall, kind: StreamKind = "media") -> str:
        trace = self._admission.traces.begin(self.traceparent)
        call = self._admission.call_ins.expected(self._carrier, call)
        return self._admission.expect(
            self._carrier, call._replace(route=call.route or self.route, trace=trace), kind
        )

    def call_ended(self, call_id: str) -> None:
        self._before_call.call_ended(call_id)
        self._admission.call_ended(self._carrier, call_id)

    def has_ended(self, call_id: str) -> bool:
        return self._admission.has_ended(self._carrier, call_id)

    def stream_ended(self, call_id: str, stream_id: str, *, broke: bool = False) -> None:
        self._admission.stream_ended(self._carrier, call_id, stream_id, broke=broke)

    def is_under_way(self, call_id: str) -> bool:
        return self._admission.active.with_call(self._carrier, call_id) is not None

    def tell(self, call_id: str, event: PersonEvent | SupervisorEvent) -> None:
        self._admission.active.tell(self._carrier, call_id, event)

    def close_stream(self, call_id: str, why: str) -> None:
        self._admission.active.close_stream(self._carrier, call_id, why)

    def puts_through(self) -> bool:
        return self._admission.puts_through

    def new_handle(self) -> str:
        return new_handle(self._admission.owner)

    def unique_id(self) -> str:
        return str(uuid.uuid4())

    def send(self, request: ApiRequest, taken: Taken | None = None, refused: Refused | None = None) -> None:
        self._send(request, taken, refused)

    def log(self, level: Literal["info", "warning"], event: str, **facts: object) -> None:
        write = log.warning if level == "warning" else log.info
        write(event, **facts)


def _parameters(request: WebhookRequest, parameters: Mapping[str, str]) -> dict[str, str]:
    """Those of the carrier's streams, and of the webhook's address."""
    asked = {name: value for name, value in request.query.items() if name not in OWN_PARAMETERS}
    return {**parameters, **asked}


def _target(request: web.Request) -> str:
    """Path and query as they were sent, also where the request names the whole address (RFC 9112, 3.2.2)."""
    return request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs


async def _read_body(request: web.Request, content_type: str) -> bytes:
    """The whole body.

    Raises 415 where it is of another type or compressed, 408 where it comes too slowly, 413 where it is too long.
    """
    if "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(text="this webhook has a body without Content-Encoding")
    if request.content_type != content_type:
        raise web.HTTPUnsupportedMediaType(text=f"this webhook has a body of {content_type}")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
