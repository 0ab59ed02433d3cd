"""Telnyx's webhooks: /telnyx/webhook carries a call under Call Control, /telnyx/texml answers one with TeXML.

/telnyx/texml?listen=true taps the call; /telnyx/stream hears how such streams fare. ?assistant=NAME names who answers,
/telnyx/webhook/WORD and /telnyx/texml/WORD are for the routes. A webhook is answered at once, and what it asks for is
done after.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress

import structlog
from aiohttp import web

from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.telnyx import texml
from bridge.carriers.telnyx.call_control import (
    Answer,
    HangUp,
    PhoneCall,
    SendDtmf,
    StartStreaming,
    Step,
)
from bridge.carriers.telnyx.phone_calls import PhoneCalls
from bridge.carriers.telnyx.rest import TelnyxApi, sounding_s
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.webhook import CallEvent, Deliveries, doubt, read
from bridge.config.routes import Incoming
from bridge.redaction import without_addresses
from bridge.shell.admission import Admission
from bridge.shell.rest_client import ApiClient
from bridge.shell.session import clock
from bridge.shell.tokens import Expected
from bridge.shell.webhooks.body import FORM, form_fields, read_body
from bridge.shell.webhooks.voice import WORD, check_goes_on, check_open, incoming, who_answers
from bridge.vocabulary.errors import CarrierRefused, MalformedMessage
from bridge.vocabulary.events import Ignored

JSON = "application/json"

LAST_STEPS_S = 5.0
"""What is still to be told to Telnyx when the server closes: calls are hung up."""

log = structlog.get_logger()


class TelnyxWebhooks:
    """One server's. Raises `ConfigurationError` for a key that cannot be one."""

    def __init__(self, settings: TelnyxSettings, admission: Admission, *, open_doors: bool) -> None:
        self._settings = settings
        self._admission = admission
        self._open_doors = open_doors
        self._api = TelnyxApi(settings) if settings.api_key is not None else None
        self._client = ApiClient()
        self._calls = PhoneCalls(settings.talk_to)
        self._deliveries = Deliveries()
        self._steps: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.post("/telnyx/webhook", self._webhook),
            web.post(f"/telnyx/webhook{WORD}", self._webhook),
            web.post("/telnyx/texml", self._texml),
            web.post(f"/telnyx/texml{WORD}", self._texml),
            web.post("/telnyx/stream", self._stream),
        ]

    async def aclose(self) -> None:
        """Calls that have just ended are still hung up on, and those that nobody would talk to any more."""
        if self._timer is not None:
            self._timer.cancel()
        for call, phone_call in self._calls.under_way():
            self._perform(call, phone_call, phone_call.server_closes())
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_STEPS_S):
                while self._steps:  # one that is refused may bring another
                    await asyncio.wait(self._steps)
        if self._steps:
            log.warning("> telnyx is no longer told", steps=len(self._steps))
        for task in self._steps:
            task.cancel()
        await asyncio.gather(*self._steps, return_exceptions=True)
        await self._client.aclose()

    # Call Control

    async def _webhook(self, request: web.Request) -> web.Response:
        body = await self._signed_body(request, JSON)
        try:
            event = read(body)
        except MalformedMessage as error:
            log.warning("webhook turned away", path=request.path, reason=str(error))
            raise web.HTTPBadRequest(text=str(error)) from None
        if isinstance(event, Ignored):
            log.info("< telnyx webhook", type=event.kind[:80], ignored=True)
        elif self._api is None:
            log.warning("webhook turned away", path=request.path, reason="telnyx.api_key is not set")
            raise web.HTTPForbidden(
                text="telnyx.api_key is not set, and a call under Call Control is answered with it; "
                "/telnyx/texml needs none"
            )
        else:
            self._take(event, self._who_answers(request, event))
        return web.Response(status=204)

    def _who_answers(self, request: web.Request, event: CallEvent) -> str:
        """Only a call that comes in is asked about; the others carry the name along."""
        if event.type != "call.initiated" or event.direction != "incoming":
            return ""
        call = Incoming(event.to, event.from_)
        return who_answers(request, self._admission, call, self._settings.parameters)

    def _take(self, event: CallEvent, assistant: str) -> None:
        if not self._deliveries.is_new(event.id, clock()):
            log.info("< telnyx webhook", type=event.type, call_id=event.call_id, repeated=True)
            return
        told = {"hangup_cause": event.hangup_cause, "result": event.result, "failure": event.failure_reason}
        log.info(
            "< telnyx webhook",
            type=event.type,
            call_id=event.call_id,
            **{name: said for name, said in told.items() if said},
        )
        if self._admission.closing and event.type == "call.initiated":
            return  # it rings on, and Telnyx goes to the failover address
        phone_call, steps = self._calls.handle(event, clock(), assistant)
        self._perform(event.call_id, phone_call, steps)
        if event.type == "call.hangup":
            self._admission.call_ended(event.call_id)
        self._follow_deadline()

    def _follow_deadline(self) -> None:
        due = self._calls.deadline()
        if self._timer is None and due is not None:  # none that comes later falls due earlier
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - clock()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        for call, phone_call, steps in self._calls.due(clock()):
            self._perform(call, phone_call, steps)
        self._follow_deadline()

    def _perform(self, call_id: str, phone_call: PhoneCall, steps: Sequence[Step]) -> None:
        for step in steps:
            task = asyncio.create_task(self._do(call_id, phone_call, step))
            self._steps.add(task)
            task.add_done_callback(self._steps.discard)

    async def _do(self, call_id: str, phone_call: PhoneCall, step: Step) -> None:
        try:
            await self._client.send(self._request(call_id, phone_call, step))
        except CarrierRefused as refused:
            code = refused.code or str(refused.status or "no answer")
            self._perform(call_id, phone_call, phone_call.refused(step, code))
        else:
            if isinstance(step, SendDtmf):
                await asyncio.sleep(sounding_s(step.keys))
            self._perform(call_id, phone_call, phone_call.taken(step))

    def _request(self, call_id: str, phone_call: PhoneCall, step: Step) -> ApiRequest:
        assert self._api is not None
        command_id = str(uuid.uuid4())
        match step:
            case Answer():
                return self._api.answer(call_id, command_id, client_state=phone_call.client_state.encode())
            case StartStreaming():
                url = self._admission.expect("telnyx", self._expected(call_id, phone_call))
                return self._api.start_streaming(call_id, command_id, url)
            case HangUp(why):
                log.info("> telnyx hangup", call_id=call_id, why=why)
                return self._api.hang_up(call_id, command_id)
            case SendDtmf(keys):
                log.info("> telnyx send_dtmf", call_id=call_id, keys=len(keys))
                return self._api.send_dtmf(call_id, command_id, keys)

    def _expected(self, call_id: str, phone_call: PhoneCall) -> Expected:
        assistant = phone_call.client_state.assistant
        if not self._admission.has_assistant(assistant):
            log.warning(
                "= there is no such assistant; the default one answers", call_id=call_id, assistant=assistant
            )
            assistant = ""
        return Expected(
            call_id,
            assistant,
            over=lambda: self._perform(call_id, phone_call, phone_call.stream_over()),
            press=lambda keys: self._perform(call_id, phone_call, phone_call.press(keys)),
        )

    # TeXML

    async def _texml(self, request: web.Request) -> web.Response:
        """Telnyx asks what to do with a call: connect it to a media socket that only this call may open."""
        form = dict(form_fields(await self._signed_body(request, FORM)))
        call = form.get("CallSid")
        if not call:
            raise web.HTTPBadRequest(text="CallSid is missing: this is not TeXML's voice webhook")
        listen = request.query.get("listen", "false")
        if listen not in ("true", "false"):
            raise web.HTTPBadRequest(text=f"listen = {listen!r}: should be true or false")
        if listen == "true":
            check_goes_on("telnyx", self._settings.then)
        assistant = who_answers(request, self._admission, incoming(form), self._settings.parameters)
        check_open(self._admission)
        expected = Expected(call, assistant, returns_s=self._settings.return_s)
        document = texml.answer(
            self._admission.expect("telnyx", expected, listen=listen == "true"),
            self._settings,
            status_callback=f"{self._admission.public_url}/telnyx/stream",
            listen=listen == "true",
            then=self._settings.then,
        )
        return web.Response(text=document, content_type="text/xml")

    async def _stream(self, request: web.Request) -> web.Response:
        """Telnyx tells how a TeXML stream goes on."""
        form = dict(form_fields(await self._signed_body(request, FORM)))
        shown = {name: form[name] for name in texml.SHOWN if name in form}
        if "StreamError" in form:
            log.warning("< telnyx stream", **shown, StreamError=without_addresses(form["StreamError"]))
        else:
            log.info("< telnyx stream", **shown)
        return web.Response(status=204)

    async def _signed_body(self, request: web.Request, content_type: str) -> bytes:
        """The request's body. Raises 403 unless Telnyx signed it, and lately."""
        body = await read_body(request, content_type)
        public_key = self._settings.public_key
        if public_key is not None:
            timestamp = request.headers.get("telnyx-timestamp", "")
            given = request.headers.get("telnyx-signature-ed25519", "")
            if (reason := doubt(public_key, body, timestamp, given, time.time())) is not None:
                log.warning("webhook turned away", path=request.path, reason=str(reason))
                raise web.HTTPForbidden(text=str(reason))
        elif not self._open_doors:
            log.warning("webhook turned away", path=request.path, reason="telnyx.public_key is not set")
            raise web.HTTPForbidden(text="telnyx.public_key is not set, so nobody can prove to be Telnyx")
        return body
