"""The server: webhooks and health over HTTP, one Session for each media socket, and a quiet end.

Routes: POST /twilio/voice (?listen=both_tracks), POST /twilio/status, GET /healthz, GET /readyz; media sockets at
/twilio/media/{token} and, for streams that only listen, /twilio/listen/{token}.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import structlog
from aiohttp import web

from bridge import network
from bridge.call import Call
from bridge.carriers import CARRIERS
from bridge.carriers.twilio_webhook import TRACKS, answer, is_signed
from bridge.config import Settings
from bridge.contracts import Carrier, Witness
from bridge.events import ClosingAsked
from bridge.front_door import FrontDoor
from bridge.journal import Journal
from bridge.readiness import Readiness
from bridge.recording import Recording
from bridge.session import Session, clock
from bridge.switchboard import Switchboard
from bridge.timers import Limits
from bridge.tokens import Tokens

BODY_TIMEOUT_S = 5.0
MOST_FIELDS = 200

STREAMS = ("media", "listen")
"""The last word of a media socket's path before its token: spoken into, or only listened to."""

log = structlog.get_logger()


class Server:
    """What one process serves. Enter `running` to open the port."""

    def __init__(self, settings: Settings) -> None:
        settings.check_doors()
        settings.check_folders()
        self._tls = settings.tls()
        self._settings = settings
        self._switchboard = Switchboard(settings)
        self._readiness = Readiness()
        self._tokens = Tokens()
        self._sessions: dict[Session, network.SocketLeg] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self.port = settings.port
        """The port that is open; the system's choice where the settings say 0."""

    @property
    def calls(self) -> int:
        """Calls under way."""
        return len(self._sessions)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        """The port is open inside; at the end calls that go on are closed after their last words."""
        runner = web.AppRunner(self._routes(), access_log=None, shutdown_timeout=1.0, lingering_time=0.5)
        await runner.setup()
        assert runner.server is not None
        http = runner.server
        media_paths = tuple(f"/{carrier}/{stream}".encode() for carrier in CARRIERS for stream in STREAMS)
        try:
            listener = await network.listen(
                lambda: FrontDoor(media_paths, lambda: network.accept(self._admit), http),
                self._settings.host,
                self._settings.port,
                self._tls,
            )
            self.port = listener.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                await self.drain()  # with the port still open: whoever comes is told that we are closing
                listener.close()
        finally:
            await self._switchboard.aclose()
            await runner.cleanup()

    async def idle(self) -> None:
        """Until no call is under way."""
        await self._idle.wait()

    async def drain(self) -> None:
        """Take no new calls; close those under way once the caller has heard what was said."""
        self._draining = True
        for session in self._sessions:  # each in a callback of its own, whatever becomes of the others
            asyncio.get_running_loop().call_soon(session.handle, ClosingAsked("the server is closing"))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.limits.drain_s):
                await self.idle()
        for leg in list(self._sessions.values()):
            leg.abort()

    # Media

    def _admit(self, path: str, headers: Mapping[str, str]) -> network.SocketLeg | HTTPStatus:
        """A media socket asks to come in: its token says for which call."""
        if self._draining:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if headers.get("Upgrade", "").lower() != "websocket":
            return HTTPStatus.UPGRADE_REQUIRED  # before the token is spent
        name, stream, token, *more = [*path.removeprefix("/").split("/"), "", ""]
        if name not in CARRIERS or stream not in STREAMS or any(more):
            return HTTPStatus.NOT_FOUND
        if not token and self._settings.security.allow_unauthenticated:
            expected = None
        else:
            expected = self._tokens.spend(token, clock())
            if expected is None:
                log.warning("media socket turned away", reason="its token is unknown, spent or too old")
                return HTTPStatus.FORBIDDEN
        return self._open_session(CARRIERS[name](one_way=stream == "listen"), expected)

    def _open_session(self, carrier: Carrier, expected: str | None) -> network.SocketLeg:
        limits = self._settings.limits
        call = Call(
            clock(),
            Limits(limits.start_s, limits.open_s, limits.silent_s, limits.longest_call_s),
            reorder_ms=carrier.reorder_ms,
            expected=expected,
            plan=self._switchboard.plan,
        )
        session = Session(carrier, call, self._switchboard.connect, self._witnesses(), self._call_over)
        self._idle.clear()
        leg = self._sessions[session] = network.SocketLeg(session.carrier_said, session.carrier_lost)
        session.attach(leg)
        return leg

    def _witnesses(self) -> list[Witness]:
        started = datetime.now(UTC)
        witnesses: list[Witness] = [self._readiness.witness()]
        if (directory := self._settings.journal.directory) is not None:
            witnesses.append(Journal(directory, started))
        if (directory := self._settings.recording.directory) is not None:
            witnesses.append(Recording(directory, started))
        return witnesses

    def _call_over(self, session: Session) -> None:
        self._sessions.pop(session, None)
        if not self._sessions:
            self._idle.set()

    # HTTP

    def _routes(self) -> web.Application:
        app = web.Application(client_max_size=65_536)
        app.on_response_prepare.append(_one_request_a_connection)
        app.add_routes(
            [
                web.post("/twilio/voice", self._voice),
                web.post("/twilio/status", self._status),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "calls": self.calls})

    async def _readyz(self, _request: web.Request) -> web.Response:
        if self._draining:
            return web.json_response({"status": "draining", "calls": self.calls}, status=503)
        answer: dict[str, object] = {"status": "ready", "calls": self.calls}
        if (
            faults := self._readiness.faults
        ):  # still ready: a call is how it is found out that they are mended
            answer |= {"status": "degraded", "assistants": faults}
        return web.json_response(answer)

    async def _voice(self, request: web.Request) -> web.Response:
        """Twilio asks what to do with a call: connect it to a media socket that only this call may open."""
        form = await self._signed_form(request)
        call = form.get("CallSid")
        if not call:
            raise web.HTTPBadRequest(text="CallSid is missing: this is not Twilio's voice webhook")
        listen = request.query.get("listen")
        if listen is not None and listen not in TRACKS:
            raise web.HTTPBadRequest(text=f"listen = {listen!r}: should be one of {', '.join(TRACKS)}")
        if listen and self._settings.twilio.then is None:
            raise web.HTTPBadRequest(
                text="twilio.then is not set: a call that is only listened to would end here"
            )
        if self._draining:
            raise web.HTTPServiceUnavailable(text="the server is closing")
        token = self._tokens.mint(call, clock())
        if not listen:
            self._switchboard.expect(call)
        told = urlsplit(self._told_url)
        media = told._replace(scheme="wss" if told.scheme == "https" else "ws").geturl()
        twiml = answer(
            f"{media}/twilio/{'listen' if listen else 'media'}/{token}",
            parameters=self._settings.twilio.parameters,
            status_callback=f"{self._told_url}/twilio/status",
            listen=listen,
            then=self._settings.twilio.then,
        )
        return web.Response(text=twiml, content_type="text/xml")

    async def _status(self, request: web.Request) -> web.Response:
        """Twilio tells how a stream, or a call, goes on."""
        form = await self._signed_form(request)
        shown = {
            name: form[name] for name in ("CallSid", "StreamSid", "StreamEvent", "CallStatus") if name in form
        }
        if "StreamError" in form:
            log.warning("< twilio status", **shown, StreamError=form["StreamError"])
        else:
            log.info("< twilio status", **shown)
        return web.Response(status=204)

    async def _signed_form(self, request: web.Request) -> dict[str, str]:
        """The request's form. Raises 403 unless Twilio signed it."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise web.HTTPUnsupportedMediaType(text="a webhook is a form, application/x-www-form-urlencoded")
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await request.read()
            pairs = parse_qsl(
                body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS
            )
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except ValueError:
            raise web.HTTPBadRequest(text=f"the form has more than {MOST_FIELDS} fields") from None
        auth_token = self._settings.twilio.auth_token
        if auth_token is not None:
            url = self._told_url + request.raw_path
            given = request.headers.get("X-Twilio-Signature", "")
            if not is_signed(auth_token.get_secret_value(), url, pairs, given):
                log.warning("webhook turned away", path=request.path, reason="its signature is not Twilio's")
                raise web.HTTPForbidden(
                    text="the signature does not match; is public_url what Twilio was told?"
                )
        return dict(pairs)

    @property
    def _told_url(self) -> str:
        return self._settings.told_url(self.port)


async def _one_request_a_connection(_request: web.Request, response: web.StreamResponse) -> None:
    """The front door looks at the first request of a connection only."""
    response.headers["Connection"] = "close"
    response.force_close()


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Server(settings).running() as server:
        gc.collect()
        gc.freeze()  # what is loaded now stays; the collector need not look at it again
        log.info("= serving", host=settings.host, port=server.port, assistant=settings.assistant)
        await stop.wait()
        log.info("= draining", calls=server.calls)
