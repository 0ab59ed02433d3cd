"""The control API over HTTP: see the calls under way, watch them, place calls and steer them. `docs/control.md` has it all."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus

import structlog
from aiohttp import web
from msgspec import json

from bridge.assistants.registry import ASSISTANTS
from bridge.config.settings import Settings
from bridge.observers.live.live_call import LiveCall
from bridge.redaction import safe_id
from bridge.shell.active_calls import ActiveCall
from bridge.shell.admission import Admission
from bridge.shell.control.access import ControlAccess, Visitor, may_be_behind_proxy
from bridge.shell.control.feed import Feed
from bridge.shell.control.guard import Guard
from bridge.shell.control.openapi import Done, Placed, document
from bridge.shell.control.problems import OutcomeUnknown, Problem
from bridge.shell.control.repeats import Outcome, Repeats
from bridge.shell.control.verbs import VERBS, Place, Verb, read_body
from bridge.shell.outbound import place_call
from bridge.shell.session import clock
from bridge.vocabulary.call_facts import LONGEST_VARIABLE, cleaned
from bridge.vocabulary.errors import CarrierRefused, ConfigurationError
from bridge.vocabulary.operator import TellRequested
from bridge.vocabulary.supervision import SuperviseRequested

JSON = "application/json"

PERHAPS = "it is not known whether the call was placed: expected to look for it at the carrier before another is placed"

NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

log = structlog.get_logger()


class ControlApi:
    """The API of one process. `settings`: what holds until the server stops."""

    def __init__(self, settings: Settings, admission: Admission) -> None:
        control = settings.control
        self.access = ControlAccess(control.tokens, is_behind_proxy=may_be_behind_proxy(settings))
        """Who may use it; the page asks it too."""
        self.guard = Guard(self.access, control.requests_per_s)
        self._admission = admission
        self._live = admission.live
        self._repeats = Repeats()
        self.feed = Feed(self._live)
        """The streams of those who watch."""

    def add_to(self, app: web.Application) -> None:
        """Serve it there."""
        guarded = self.guard.guarded
        app.add_routes(
            [
                web.get("/calls", guarded("see", self._calls)),
                web.post("/calls", guarded("place", self._place)),
                web.get("/calls/events", guarded("see", self._events)),
                web.get("/calls/{id}", guarded("see", self._call)),
                web.get("/calls/{id}/events", guarded("see", self._events)),
                web.get("/openapi.json", guarded("see", self._document)),
            ]
        )
        for verb in VERBS:
            path = f"/calls/{{id}}{verb.path}"
            app.router.add_route(verb.method, path, guarded(verb.can, partial(self._steer, verb)))
        app.on_shutdown.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        self.feed.close()

    # To see

    async def _calls(self, _request: web.Request, _visitor: Visitor) -> web.Response:
        return answer(json.encode(self._live.calls()))

    async def _call(self, request: web.Request, _visitor: Visitor) -> web.Response:
        return answer(json.encode(self._find(request).details(clock())))

    async def _events(self, request: web.Request, _visitor: Visitor) -> web.StreamResponse:
        may = partial(self.guard.may, request, "see")
        return await self.feed.stream(request, may, request.match_info.get("id", ""))

    async def _document(self, _request: web.Request, _visitor: Visitor) -> web.Response:
        return answer(document())

    def _find(self, request: web.Request) -> LiveCall:
        call = self._live.find(request.match_info["id"])
        if call is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no call of this id is under way")
        return call

    # To steer

    async def _steer(self, verb: Verb, request: web.Request, visitor: Visitor) -> web.Response:
        call_id = request.match_info["id"]
        return await self._once(verb.name, call_id, request, visitor, partial(self._do, verb, request))

    async def _once(
        self,
        verb: str,
        call_id: str,
        request: web.Request,
        visitor: Visitor,
        do: Callable[[bytes], Awaitable[bytes]],
    ) -> web.Response:
        """Do it, unless it was done before under the same key. A line in the log says who did what, and its outcome."""
        key, outcome = request.headers.get("Idempotency-Key", ""), "failed"
        try:
            body = await _read(request)
            asked = b"%s %s\n%s" % (request.method.encode(), request.path.encode(), body)
            done = self._repeats.begin(visitor.name, key, asked, clock())
            outcome = "repeated"
            if done is None:
                done = await self._first(visitor.name, key, partial(do, body))
                outcome = "done"
        except OutcomeUnknown:
            outcome = "unknown"
            raise
        except Problem as problem:
            outcome = f"refused: {problem.status.value}"
            raise
        finally:
            log.info("= control", token=visitor.name, verb=verb, call_id=safe_id(call_id), outcome=outcome)
        return answer(done, HTTPStatus.ACCEPTED)

    async def _first(self, name: str, key: str, do: Callable[[], Awaitable[bytes]]) -> bytes:
        """Do it, and keep under the key what became of it; what was refused may be tried again."""
        became: Outcome | None = None
        try:
            became = done = await do()
        except OutcomeUnknown as unknown:
            became = unknown
            raise
        else:
            return done
        finally:
            self._repeats.done(name, key, became)

    async def _do(self, verb: Verb, request: web.Request, body: bytes) -> bytes:
        asked = read_body(body, verb.body)
        call = self._find(request)
        active = self._admission.active.with_call(call.carrier, call.id)
        if active is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no call of this id is under way")
        state = str(active.session.state)
        event = verb.event(asked)
        if isinstance(event, SuperviseRequested):
            _check_supervisor(event.supervisor, active)
        why = active.session.why_not(event)
        if not why and isinstance(event, TellRequested):
            why = self._why_deaf(active, call.assistant)
        if why:
            raise Problem(HTTPStatus.CONFLICT, why, state=state)
        active.session.handle(event)
        return json.encode(Done(type(event).__name__, call.id))

    def _why_deaf(self, active: ActiveCall, assistant: str) -> str:
        """Why the assistant that has the call cannot be told anything; empty if it can."""
        settings = active.setup.settings
        kind = settings.assistant_kinds.get(assistant, "")
        if kind in ASSISTANTS and ASSISTANTS[kind].can_be_told(settings.assistant_settings(assistant)):
            return ""
        return f"an assistant of kind {kind!r} cannot be told anything"

    async def _place(self, request: web.Request, visitor: Visitor) -> web.Response:
        return await self._once("place", "", request, visitor, self._place_call)

    async def _place_call(self, body: bytes) -> bytes:
        asked = read_body(body, Place)
        if self._admission.closing:
            raise Problem(HTTPStatus.CONFLICT, "the server is closing", state="draining")
        try:
            call_id = await place_call(
                self._admission.setups.current.settings,
                asked.carrier,
                to=asked.to,
                from_=asked.from_,
                assistant=asked.assistant,
                talks_to_machines=False,
            )
        except ConfigurationError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error).replace("--", "")) from None
        except CarrierRefused as error:
            if error.may_be_done:
                status = HTTPStatus.GATEWAY_TIMEOUT if error.status is None else HTTPStatus.BAD_GATEWAY
                raise OutcomeUnknown(status, f"{PERHAPS}: {error}") from None
            raise Problem(HTTPStatus.BAD_GATEWAY, f"the carrier did not place the call: {error}") from None
        variables = {name: cleaned(text, LONGEST_VARIABLE) for name, text in asked.variables.items()}
        self._admission.placed.note(asked.carrier, call_id, variables)
        return json.encode(Placed(call_id))


def _check_supervisor(name: str, active: ActiveCall) -> None:
    """Raises `Problem` where the settings that this call has know no such supervisor."""
    if name not in (known := active.setup.settings.supervisors):
        expected = f"one of {', '.join(known)}" if known else "one of [supervisors], which has none"
        raise Problem(HTTPStatus.BAD_REQUEST, f"supervisor: there is no {name[:40]!r}: expected {expected}")


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long") from None


def answer(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=body, content_type=JSON, headers=NO_STORE)
