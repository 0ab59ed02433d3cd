"""Admission of calls: expects those that a webhook announced, lets their media sockets in, and gives each a session.

A media socket's path is /CARRIER/media/TOKEN, or /CARRIER/listen/TOKEN where the call is only listened to. A query, a
slash at the end and percent-encoding (RFC 3986, 6.2.2.2) change nothing.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import get_args
from urllib.parse import unquote, urlsplit

import structlog

from bridge.carriers.registry import CARRIERS
from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.config.routes import Routes
from bridge.config.settings import Settings
from bridge.observers.assistant_health import AssistantHealth
from bridge.observers.call_file import AT_ONCE, FileQueue
from bridge.observers.live.live_calls import LiveCalls
from bridge.settings.before_and_after import BeforeCallSettings
from bridge.settings.busy import BusySettings
from bridge.settings.calls import LimitSettings
from bridge.shell import websocket
from bridge.shell.active_calls import ActiveCall, ActiveCalls, stream_key
from bridge.shell.after_call import AfterCall
from bridge.shell.call_ins import REFUSED, CallIns
from bridge.shell.descriptors import Descriptors
from bridge.shell.expected_calls import VALID_TOKENS, ExpectedCalls
from bridge.shell.kept_traces import KeptTraces
from bridge.shell.load_gate import LoadGate, LoadLimits
from bridge.shell.metrics.process_metrics import ProcessMetrics
from bridge.shell.placed_calls import PlacedCalls
from bridge.shell.sampled_log import SampledLog
from bridge.shell.session import clock
from bridge.shell.sessions import Sessions
from bridge.shell.setups import Setup, Setups
from bridge.shell.switchboard import Switchboard
from bridge.shell.tokens import LIFE_S, MediaToken, TokenFault, Tokens, token_key
from bridge.shell.tracing.traces import Traces
from bridge.shell.upgrade_fault import upgrade_fault
from bridge.vocabulary.contracts import Carrier
from bridge.vocabulary.events import SERVER_CLOSES, CallEnded, CloseRequested, GoodbyeRequested

STREAMS: tuple[StreamKind, ...] = get_args(StreamKind)
"""The segment of a media socket's path before its token."""

unix_clock = time.time
"""Unix time in seconds, for what other processes have to agree upon."""

log = structlog.get_logger()


def media_paths() -> tuple[bytes, ...]:
    """What the paths of media sockets begin with."""
    return tuple(f"/{carrier}/{kind}".encode() for carrier in CARRIERS for kind in STREAMS)


class Admission:
    """Who is let in on one server. `public_url`: where the carriers find us. `files`: writes the files of calls.
    `metrics`: where calls and refusals are counted. `traces`: which calls are traced.

    Raises `ConfigurationError` if the announcement of recordings cannot be read, or nothing can be encrypted.
    """

    def __init__(
        self,
        settings: Settings,
        switchboard: Switchboard,
        files: FileQueue = AT_ONCE,
        after_call: AfterCall | None = None,
        metrics: ProcessMetrics | None = None,
        traces: Traces | None = None,
    ) -> None:
        self.public_url = ""
        self.closing = False
        """No new calls are taken."""
        self.asking = 0
        """Calls of which the address of [before_call] is being asked."""
        self.calls_elsewhere = 0
        """Calls in the other processes of this server, which count for `limits.max_calls`."""
        self._keeps_promises = True  # calls that were announced are let in
        self.lag_s: Callable[[], float] = lambda: 0.0
        """How late the event loop calls back, in seconds; see `LoopWatch.lag_s`."""
        self._settings = settings  # what holds until the server stops; new calls have those of their setup
        self._metrics = metrics or ProcessMetrics()
        self.traces = traces or Traces(settings)
        """The traces of calls."""
        self.after_call = after_call or AfterCall()
        """Tells of calls that are over."""
        self.owner = secrets.token_hex(4)
        """The name of this process, in the tokens that it mints."""
        self._tokens = Tokens({carrier: _token_keys(settings, carrier) for carrier in CARRIERS}, self.owner)
        self._expected = ExpectedCalls()
        self.placed = PlacedCalls()
        """The calls that were placed with variables."""
        self._active = ActiveCalls()
        self.setups = Setups(
            Setup(settings, switchboard), lambda setup: self._expected.has_setup(setup, unix_clock())
        )
        self.call_ins = CallIns(self._active, self.setups)
        """Those who call in as supervisors."""
        self._gate = LoadGate(_load_limits(settings.limits))
        self._descriptors = Descriptors()
        self._refusals = SampledLog()
        self.live = LiveCalls(clock)
        """The calls under way, as watchers see them."""
        self._sessions = Sessions(
            settings,
            self._active,
            files,
            self.after_call,
            self._metrics,
            self.traces,
            self.live,
            self.call_ins,
        )

    @property
    def busy(self) -> BusySettings:
        """What the caller of a refused call hears."""
        return self.setups.current.settings.busy

    @property
    def kept_traces(self) -> KeptTraces:
        """The traces of calls from the page, which can be saved there."""
        return self._sessions.kept_traces

    @property
    def active(self) -> ActiveCalls:
        """The calls under way."""
        return self._active

    @property
    def calls(self) -> int:
        """How many calls are under way."""
        return len(self._active)

    @property
    def puts_through(self) -> bool:
        """Whether a call can be put through to a person."""
        settings = self.setups.current.settings
        return bool(settings.people or settings.supervisors)

    @property
    def promised(self) -> int:
        """Calls that were announced to an assistant, whose media socket may still come."""
        return self._expected.awaited(unix_clock()) + self.asking

    @property
    def before_call(self) -> BeforeCallSettings:
        """Who is asked what to do with a new call."""
        return self.setups.current.settings.before_call

    @property
    def readiness(self) -> AssistantHealth:
        """The health of the assistants."""
        return self.setups.current.switchboard.health

    @property
    def routes(self) -> Routes:
        """Who answers a call whose webhook names no assistant."""
        return self.setups.current.routes

    def watch_calls(self, changed: Callable[[], None]) -> None:
        """Have this called whenever a call begins or ends."""
        self._active.changed = changed

    def has_assistant(self, assistant: str) -> bool:
        """Whether there is an assistant of this name; an empty one is the default's."""
        return not assistant or assistant in self.setups.current.settings.assistant_kinds

    def why_refused(self, carrier: str, call_id: str, *, by_page: bool = False) -> str:
        """Why this new call is not taken, as `CallHost` has it. `by_page`: the phone on the page calls, see `_lag_s`."""
        called_in = self.call_ins.of(carrier, call_id)
        if called_in is not None and not called_in.call_id:
            self._metrics.call_refused(carrier, REFUSED)
            return REFUSED
        now = clock()
        is_known = self._gate.has_place((carrier, call_id), now) or self._active.streams_of(carrier, call_id)
        if why := SERVER_CLOSES if self.closing else "" if is_known else self._overload(now, by_page):
            self._refusals.write("warning", "call", "= call refused", call_id=call_id, reason=why)
            self._metrics.call_refused(carrier, why)
        elif not is_known:
            self._gate.take(now)
            self._gate.keep_place((carrier, call_id), now + LIFE_S)
        return why

    def _overload(self, now: float, by_page: bool = False) -> str:
        """Why no further call is taken; empty where one is."""
        self._gate.limits = _load_limits(self.setups.current.settings.limits)
        free = self._descriptors.free(now)
        calls = len(self._active) + self.calls_elsewhere
        return self._gate.why_refused(now, calls, self._lag_s(now, calls, by_page), free)

    def _lag_s(self, now: float, calls: int, by_page: bool) -> float:
        """The lag that counts: none for the page's phone if there is no other call, for it would harm nobody.

        A browser on the same machine makes the loop late, just when its page is opened.
        """
        return 0.0 if by_page and not (calls or self._gate.places(now)) else self.lag_s()

    def expect(self, carrier: str, call: ExpectedCall, kind: StreamKind = "media") -> str:
        """A call will come. The address for its media socket: good once, or again where the stream may return."""
        now = unix_clock()
        call = call._replace(context=self.placed.context(carrier, call.call_id, call.context))
        life_s = LIFE_S + call.opens_s
        token = self._tokens.new(carrier, kind, call.call_id, call.assistant, now, life_s)
        setup = self.setups.current
        self._expected.add(carrier, kind, call, now, nonce=token.nonce, life_s=life_s, setup=setup)
        self._gate.keep_place((carrier, call.call_id), clock() + life_s)
        if kind == "media" and not (call.continues or call.briefs):
            traceparent = "" if call.trace is None else call.trace.root.traceparent
            setup.switchboard.expect(call.call_id, call.assistant, traceparent)
        return f"{self.media_url}/{carrier}/{kind}/{self._tokens.sign(token)}"

    @property
    def media_url(self) -> str:
        """The public address, as media sockets are opened at it: ws, or wss."""
        here = urlsplit(self.public_url)
        return here._replace(scheme="wss" if here.scheme == "https" else "ws").geturl()

    def call_ended(self, carrier: str, call_id: str) -> None:
        """The carrier says so; its stream may not have heard of it, or may never have come."""
        self._expected.ended(carrier, call_id, unix_clock())
        self.placed.forget(carrier, call_id)
        self.call_ins.forget(carrier, call_id)
        self._gate.free_place((carrier, call_id))
        self.setups.forget(call_id)
        for active in self._active.streams_of(carrier, call_id):
            active.session.handle(CallEnded())

    def has_ended(self, carrier: str, call_id: str) -> bool:
        """Whether the carrier has said lately that this call is over."""
        return self._expected.has_ended(carrier, call_id, unix_clock())

    def stream_ended(self, carrier: str, call_id: str, stream_id: str, *, broke: bool = False) -> None:
        """The carrier says so of one stream of a call; `broke`: by a fault, after which it may return.

        The end of a stream that has started ends its session, and nothing else: the call may be announced anew
        meanwhile. One that has never started, of a call that was announced once, takes its token with it.
        """
        streams = self._active.streams_of(carrier, call_id)
        key = stream_key(stream_id)
        if (active := next((one for one in streams if one.stream_id == key), None)) is not None:
            if active.is_away:  # the time in which it may return runs, or the call goes on without it
                return
            if broke and active.expected.returns_s and not active.one_way:
                active.leg.abort()
            else:
                active.session.stream_ended()
        elif not self._active.has_started(carrier, stream_id) and self._expected.times(carrier, call_id) == 1:
            self._active.note_stream(carrier, stream_id)
            self._expected.forget(carrier, call_id)
            self._gate.free_place((carrier, call_id))
            self.setups.forget(call_id)
            for active in streams:
                if not active.stream_id:
                    active.session.handle(CallEnded())

    async def idle(self) -> None:
        """Until no call is under way."""
        await self._active.idle.wait()

    def refuse_new_calls(self) -> None:
        """Take no call but those that were announced."""
        self.closing = True

    def say_goodbye(self) -> None:
        """Let in nobody but streams that return, and have each call say goodbye and close."""
        self.closing, self._keeps_promises = True, False
        within_s = self.setups.current.settings.limits.goodbye_s
        self._tell_all(GoodbyeRequested(SERVER_CLOSES, within_s))

    def close(self) -> None:
        """Let in nobody but streams that return, and close each call once the caller has heard what was said."""
        self.closing, self._keeps_promises = True, False
        self._tell_all(CloseRequested(SERVER_CLOSES))

    def _tell_all(self, event: GoodbyeRequested | CloseRequested) -> None:
        for active in self._active:  # each in a callback of its own, whatever becomes of the others
            asyncio.get_running_loop().call_soon(active.session.handle, event)

    def break_off(self) -> None:
        """End each call at once."""
        for active in self._active:
            active.session.break_off(SERVER_CLOSES)
            active.leg.abort()

    def admit(self, target: str, headers: Mapping[str, str]) -> websocket.SocketLeg | HTTPStatus:
        """A media socket asks to come in, by an upgrade that can be granted: its token says for which call."""
        path = target.partition("?")[0].removeprefix("/").split("/")
        name, kind, text, *more = [*map(unquote, path), "", ""]
        if name not in CARRIERS or kind not in STREAMS or any(more):
            return self._turned_away(HTTPStatus.NOT_FOUND, "there is no media socket at its path")
        token = self._tokens.read(text, name, kind) if text else None
        page, url = self._origin_of(token), self.media_url + target
        if reason := upgrade_fault(self._settings, name, url, headers, page):
            return self._turned_away(HTTPStatus.FORBIDDEN, reason)
        carrier = CARRIERS[name].stream(self._settings.carrier(name), kind == "listen")
        if token is not None and (active := self._continued(token)) is not None:
            return self._let_return(active, carrier)
        if self.closing and (token is None or not self._keeps_promises):
            return self._turned_away(HTTPStatus.SERVICE_UNAVAILABLE, SERVER_CLOSES)
        if not text and self._settings.security.allow_unauthenticated:
            if why := self._overload(clock()):
                return self._turned_away(HTTPStatus.SERVICE_UNAVAILABLE, why)
            self._gate.take(clock())
            return self._take(name, kind, carrier, ExpectedCall(""), None)
        expected = self._announced(token)
        if token is None or not isinstance(expected, ExpectedCall):
            return self._turned_away(HTTPStatus.FORBIDDEN, str(expected))
        leg = self._take(name, kind, carrier, expected, token)
        self._tokens.use(token, unix_clock())  # last, so that an exception before it does not spend the token
        self._expected.spent(name, kind, token.call_id, token.nonce)
        return leg

    def _continued(self, token: MediaToken) -> ActiveCall | None:
        """The call under way that goes on with the stream of this token; it is good once where it is not the call's own."""
        if (active := self._active.with_token(token)) is not None:
            return active
        expected, key = self._announced(token), (token.carrier, token.call_id)
        if token.kind != "media" or not isinstance(expected, ExpectedCall):
            return None
        active = self._active.with_call(*key)
        if active is None or not (expected.continues or active.session.has_no_stream):
            return None
        self._expected.came(token.carrier, token.kind, token.call_id)
        self._gate.free_place(key)
        self._tokens.use(token, unix_clock())
        return active

    def _turned_away(self, status: HTTPStatus, reason: str) -> HTTPStatus:
        self._refusals.write(
            "warning", reason, "media socket turned away", status=status.value, reason=reason
        )
        self._metrics.socket_refused(reason)
        return status

    def _origin_of(self, token: MediaToken | None) -> str:
        """The page that placed this token's call; empty where a carrier did."""
        if token is None:
            return ""
        active = self._active.with_token(token)
        found = self._expected.find(token.carrier, token.kind, token.call_id, token.nonce)
        expected = found if active is None else active.expected
        return "" if expected is None else expected.origin

    def _announced(self, token: MediaToken | None) -> ExpectedCall | str:
        """The call that a token was minted for; or why nobody is let in with it."""
        if token is None:
            return TokenFault.INVALID
        if token.owner != self.owner:
            return "another process announced its call"
        if (fault := self._tokens.fault(token, unix_clock())) is not None:
            return fault
        listening = (
            one for one in self._active.streams_of(token.carrier, token.call_id) if one.kind == "listen"
        )
        if token.kind == "listen" and len(list(listening)) >= VALID_TOKENS["listen"]:
            return "its call has too many streams that are listened to"
        expected = self._expected.find(token.carrier, token.kind, token.call_id, token.nonce)
        return expected or "its call is no longer expected"

    def _take(
        self,
        name: str,
        kind: StreamKind,
        carrier: Carrier,
        expected: ExpectedCall,
        token: MediaToken | None,
    ) -> websocket.SocketLeg | HTTPStatus:
        setup = self._expected.came(name, kind, expected.call_id) or self.setups.current
        leg = self._sessions.begin(name, kind, carrier, expected, token, setup)
        if leg is None:
            return self._turned_away(HTTPStatus.FORBIDDEN, "nobody waits for this person any more")
        self._gate.free_place((name, expected.call_id))
        return leg

    def _let_return(self, active: ActiveCall, carrier: Carrier) -> websocket.SocketLeg | HTTPStatus:
        """A socket comes with the token of a call under way."""
        if not active.session.can_rejoin:
            return self._turned_away(HTTPStatus.FORBIDDEN, "its call is about to end")
        return self._sessions.let_return(active, carrier)


def _load_limits(limits: LimitSettings) -> LoadLimits:
    return LoadLimits(limits.max_calls, limits.max_calls_per_s, limits.max_lag_ms)


def _token_keys(settings: Settings, carrier: str) -> list[bytes]:
    """The keys of a carrier's tokens; one that only this process knows where no secret is set."""
    return [token_key(secret.get_secret_value()) for secret in settings.token_secrets(carrier)] or [
        secrets.token_bytes(32)
    ]
