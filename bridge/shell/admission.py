"""Receives calls: expects those that a webhook announced, lets their media sockets in, and gives each a session.

A media socket's path is /CARRIER/media/TOKEN, or /CARRIER/listen/TOKEN where it is only listened to.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from bridge.carriers.registry import CARRIERS
from bridge.config.routes import Routes
from bridge.config.settings import Settings
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.timers import Limits
from bridge.observers.assistant_health import AssistantHealth
from bridge.observers.carrier_log import CarrierLog
from bridge.observers.journal import Journal
from bridge.observers.recording import Recording
from bridge.shell import websocket
from bridge.shell.session import Session, clock
from bridge.shell.switchboard import Switchboard
from bridge.shell.tokens import Expected, Tokens
from bridge.vocabulary.commands import PressKeys
from bridge.vocabulary.contracts import Carrier, Observer
from bridge.vocabulary.events import CallEnded, CallStarted, CloseRequested

STREAMS = ("media", "listen")
"""The last word of a media socket's path before its token: spoken into, or only listened to."""

MEDIA_PATHS = tuple(f"/{carrier}/{stream}".encode() for carrier in CARRIERS for stream in STREAMS)

log = structlog.get_logger()


class _ActiveCall(NamedTuple):
    """A call under way."""

    expected: Expected
    token: str
    leg: websocket.SocketLeg


class Admission:
    """One for a server. `public_url`: where the carriers find us."""

    def __init__(self, settings: Settings, switchboard: Switchboard) -> None:
        self.public_url = ""
        self.readiness = AssistantHealth()
        self.routes = Routes(settings.routes)
        """Who answers a call that names nobody."""
        self.closing = False
        """No new calls are taken."""
        self._settings = settings
        self._switchboard = switchboard
        self._tokens = Tokens()
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

    def expect(self, carrier: str, expected: Expected, *, listen: bool = False) -> str:
        """A call will come: where its media socket may come in, once, or again if it may return."""
        token = self._tokens.mint(expected, clock())
        if not listen:
            self._switchboard.expect(expected.call_id, expected.assistant)
        told = urlsplit(self.public_url)
        media = told._replace(scheme="wss" if told.scheme == "https" else "ws").geturl()
        return f"{media}/{carrier}/{'listen' if listen else 'media'}/{token}"

    def call_ended(self, call_id: str) -> None:
        """The carrier says so; its stream may not have heard of it, or may never have come."""
        self._tokens.forget(call_id)
        self._switchboard.forget(call_id)
        for session, active in list(self._active.items()):
            if active.expected.call_id == call_id:
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
            return HTTPStatus.UPGRADE_REQUIRED  # before the token is spent
        name, stream, token, *more = [*path.removeprefix("/").split("/"), "", ""]
        if name not in CARRIERS or stream not in STREAMS or any(more):
            return HTTPStatus.NOT_FOUND
        carrier = CARRIERS[name].stream(self._settings.carrier(name), stream == "listen")
        if (session := self._returning(token)) is not None:
            return self._take_back(session, carrier)
        if self.closing:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if not token and self._settings.security.allow_unauthenticated:
            return self._take(carrier, Expected(""), token)
        expected = self._tokens.spend(token, clock())
        if expected is None:
            log.warning("media socket turned away", reason="its token is unknown, spent or too old")
            return HTTPStatus.FORBIDDEN
        return self._take(carrier, expected, token)

    def _returning(self, token: str) -> Session | None:
        """The call under way whose stream has broken, and comes back with its token."""
        back = (
            session
            for session, active in self._active.items()
            if active.expected.returns_s and token and active.token == token
        )
        return next(back, None)

    def _take(self, carrier: Carrier, expected: Expected, token: str) -> websocket.SocketLeg:
        limits = self._settings.limits
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
                can=frozenset() if expected.press is None else frozenset({PressKeys}),
                noise_dbfs=self._settings.silence.comfort_noise_dbfs,
            ),
            expected=expected.call_id or None,
            plan=self._switchboard.plan(expected.assistant),
            choose=None if expected.call_id else self._plan_at_start,
        )
        session = Session(
            carrier, call, self._switchboard.connect, self._observers(), self._over, expected.press
        )
        self._idle.clear()
        leg = websocket.SocketLeg(session.carrier_said, partial(session.carrier_lost, carrier))
        self._active[session] = _ActiveCall(expected, token, leg)
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

    def _observers(self) -> list[Observer]:
        started = datetime.now(UTC)
        observers: list[Observer] = [self.readiness.observer(), CarrierLog()]
        if (directory := self._settings.journal.directory) is not None:
            observers.append(Journal(directory, started))
        if (directory := self._settings.recording.directory) is not None:
            observers.append(Recording(directory, started))
        return observers

    def _over(self, session: Session) -> None:
        active = self._active.pop(session, None)
        if not self._active:
            self._idle.set()
        if active is not None:
            active.expected.over()
