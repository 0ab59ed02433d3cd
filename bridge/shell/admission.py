"""Admission of calls: expects those that a webhook announced, lets their media sockets in, and gives each a session.

A media socket's path is /CARRIER/media/TOKEN, or /CARRIER/listen/TOKEN where the call is only listened to.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, get_args
from urllib.parse import urlsplit

import structlog

from bridge.carriers.registry import CARRIERS
from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.config.audio_file import read_wav
from bridge.config.routes import Routes
from bridge.config.settings import Settings
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.timers import Limits
from bridge.observers.assistant_health import AssistantHealth
from bridge.observers.call_file import AT_ONCE, FileQueue
from bridge.observers.call_log import CallLog
from bridge.observers.carrier_log import CarrierLog
from bridge.observers.journal import Journal
from bridge.observers.recording import Recording
from bridge.observers.stream_end import StreamEndObserver
from bridge.observers.word_log import WordLog
from bridge.shell import websocket
from bridge.shell.encryption import seals
from bridge.shell.expected_calls import ExpectedCalls
from bridge.shell.session import Session, clock
from bridge.shell.switchboard import Switchboard
from bridge.shell.tokens import MediaToken, TokenFault, Tokens, token_key
from bridge.vocabulary.contracts import Carrier, Observer, StreamEnd
from bridge.vocabulary.events import CallEnded, CallStarted, CloseRequested

STREAMS: tuple[StreamKind, ...] = get_args(StreamKind)
"""The segment of a media socket's path before its token."""

unix_clock = time.time
"""Unix time in seconds, for what other processes have to agree upon."""

log = structlog.get_logger()


def media_paths() -> tuple[bytes, ...]:
    """What the paths of media sockets begin with."""
    return tuple(f"/{carrier}/{kind}".encode() for carrier in CARRIERS for kind in STREAMS)


class _ActiveCall(NamedTuple):
    """A call under way. `token`: None where nobody announced the call."""

    carrier: str
    expected: ExpectedCall
    token: MediaToken | None
    leg: websocket.SocketLeg
    stream: StreamEndObserver


class Admission:
    """Who is let in on one server. `public_url`: where the carriers find us. `files`: writes the files of calls.

    Raises `ConfigurationError` if the announcement of recordings cannot be read, or nothing can be encrypted.
    """

    def __init__(self, settings: Settings, switchboard: Switchboard, files: FileQueue = AT_ONCE) -> None:
        self.public_url = ""
        self.readiness = AssistantHealth()
        self.routes = Routes(settings.routes)
        """Who answers a call whose webhook names no assistant."""
        self.closing = False
        """No new calls are taken."""
        self._settings = settings
        self._switchboard = switchboard
        self._files = files
        self._seals = seals(settings)
        announcement = settings.recording_announcement()
        self._announcement = b"" if announcement is None else read_wav(announcement)
        self._owner = secrets.token_hex(4)
        """The name of this process, in the tokens that it mints."""
        self._tokens = Tokens({carrier: _token_keys(settings, carrier) for carrier in CARRIERS}, self._owner)
        self._expected = ExpectedCalls()
        self._active: dict[Session, _ActiveCall] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def calls(self) -> int:
        """Calls under way."""
        return len(self._active)

    def has_assistant(self, assistant: str) -> bool:
        """Whether there is an assistant of this name; an empty one is the default's."""
        return not assistant or assistant in self._settings.assistant_kinds

    def expect(self, carrier: str, call: ExpectedCall, kind: StreamKind = "media") -> str:
        """A call will come. The address for its media socket: good once, or again where the stream may return."""
        now = unix_clock()
        token = self._tokens.mint(carrier, kind, call.call_id, call.assistant, now)
        self._expected.add(carrier, kind, call, now)
        if kind == "media":
            self._switchboard.expect(call.call_id, call.assistant)
        here = urlsplit(self.public_url)
        media = here._replace(scheme="wss" if here.scheme == "https" else "ws").geturl()
        return f"{media}/{carrier}/{kind}/{token}"

    def call_ended(self, carrier: str, call_id: str) -> None:
        """The carrier says so; its stream may not have heard of it, or may never have come."""
        self._expected.forget(carrier, call_id)
        self._switchboard.forget(call_id)
        for session, active in list(self._active.items()):
            if (active.carrier, active.expected.call_id) == (carrier, call_id):
                session.handle(CallEnded())

    async def idle(self) -> None:
        """Until no call is under way."""
        await self._idle.wait()

    async def drain(self) -> None:
        """Take no new calls; close those under way once the caller has heard what was said."""
        self.closing = True
        for session in self._active:  # each in a callback of its own, whatever becomes of the others
            asyncio.get_running_loop().call_soon(session.handle, CloseRequested("the server is closing"))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.limits.drain_s):
                await self.idle()
        for session, active in list(self._active.items()):
            session.break_off("the server is closing")
            active.leg.abort()

    def admit(self, path: str, headers: Mapping[str, str]) -> websocket.SocketLeg | HTTPStatus:
        """A media socket asks to come in: its token says for which call."""
        if headers.get("Upgrade", "").lower() != "websocket":
            return HTTPStatus.UPGRADE_REQUIRED  # before the token is used
        name, kind, text, *more = [*path.removeprefix("/").split("/"), "", ""]
        if name not in CARRIERS or kind not in STREAMS or any(more):
            return HTTPStatus.NOT_FOUND
        carrier = CARRIERS[name].stream(self._settings.carrier(name), kind == "listen")
        token = self._tokens.read(text, name, kind) if text else None
        if token is not None and (session := self._returning(token)) is not None:
            return self._take_back(session, carrier)
        if self.closing:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if not text and self._settings.security.allow_unauthenticated:
            return self._take(name, carrier, ExpectedCall(""), None)
        expected = self._announced(token)
        if not isinstance(expected, ExpectedCall):
            log.warning("media socket turned away", reason=expected)
            return HTTPStatus.FORBIDDEN
        return self._take(name, carrier, expected, token)

    def _announced(self, token: MediaToken | None) -> ExpectedCall | str:
        """The call that a token was minted for, which is used by that; or why nobody is let in with it."""
        if token is None:
            return TokenFault.INVALID
        if token.owner != self._owner:
            return "another process announced its call"
        if (fault := self._tokens.use(token, unix_clock())) is not None:
            return fault
        return (
            self._expected.find(token.carrier, token.kind, token.call_id) or "its call is no longer expected"
        )

    def _returning(self, token: MediaToken) -> Session | None:
        """The call under way whose stream has broken, and comes back with its token."""
        back = (
            session
            for session, active in self._active.items()
            if active.expected.returns_s and active.token == token
        )
        return next(back, None)

    def _take(
        self, name: str, carrier: Carrier, expected: ExpectedCall, token: MediaToken | None
    ) -> websocket.SocketLeg:
        limits = self._settings.limits
        control = expected.control
        call = Call(
            clock(),
            Limits(
                start_s=carrier.start_s or limits.start_s,
                open_s=limits.open_s,
                silent_s=limits.silent_s,
                longest_s=limits.longest_call_s,
                resume_s=expected.returns_s,
            ),
            DialogueRules(
                reorder_ms=carrier.reorder_ms,
                keypad=self._settings.keypad.rules(),
                can=frozenset() if control is None else frozenset(control.can),
                noise_dbfs=self._settings.silence.comfort_noise_dbfs,
                announcement=self._announcement,
            ),
            expected=expected.call_id or None,
            plan=self._switchboard.plan(expected.assistant),
            choose=None if expected.call_id else self._plan_at_start,
        )
        stream = StreamEndObserver()
        observers: list[Observer] = [stream, self._call_log(name, expected), *self._observers(call)]
        session = Session(carrier, call, self._switchboard.connect, observers, self._over, control)
        self._idle.clear()
        leg = websocket.SocketLeg(session.carrier_said, partial(session.carrier_lost, carrier))
        self._active[session] = _ActiveCall(name, expected, token, leg, stream)
        session.attach(leg)
        return leg

    def _plan_at_start(self, event: CallStarted) -> FailoverPlan:
        """Nobody announced the call: what its stream says is all that is known of it."""
        return self._switchboard.plan(self.routes.assistant_at_start(event.parameters))

    def _take_back(self, session: Session, carrier: Carrier) -> websocket.SocketLeg | HTTPStatus:
        active = self._active[session]
        leg = websocket.SocketLeg(session.carrier_said, partial(session.carrier_lost, carrier))
        is_taken_up = session.rejoin(carrier, leg)
        active.leg.abort()
        if not is_taken_up:
            log.warning("media socket turned away", reason="its call did not outlive the stream that broke")
            return HTTPStatus.FORBIDDEN
        log.info("= the stream came back", call_id=active.expected.call_id)
        self._active[session] = active._replace(leg=leg)
        return leg

    def _call_log(self, carrier: str, expected: ExpectedCall) -> CallLog:
        if expected.call_id:
            return CallLog(carrier, expected.direction, lambda _: expected.route)
        return CallLog(carrier, route=lambda event: self.routes.name_at_start(event.parameters))

    def _observers(self, call: Call) -> list[Observer]:
        started = datetime.now(UTC)
        observers: list[Observer] = [self.readiness.observer(), CarrierLog()]
        if self._settings.log_level == "debug":
            observers.append(WordLog(lambda: call.state))
        if (directory := self._settings.journal.directory) is not None:
            observers.append(Journal(directory, started, self._files, self._seals.journal))
        if (directory := self._settings.recording.directory) is not None:
            observers.append(Recording(directory, started, self._files, self._seals.recording))
        return observers

    def _over(self, session: Session) -> None:
        active = self._active.pop(session, None)
        if not self._active:
            self._idle.set()
        if active is not None and active.expected.control is not None:
            active.expected.control.hang_up(active.stream.end or StreamEnd.BY_BRIDGE, clock())


def _token_keys(settings: Settings, carrier: str) -> list[bytes]:
    """The keys of a carrier's tokens; one that only this process knows where no secret is set."""
    return [token_key(secret.get_secret_value()) for secret in settings.token_secrets(carrier)] or [
        secrets.token_bytes(32)
    ]
