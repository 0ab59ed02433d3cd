"""Twilio's webhooks: /twilio/voice answers a call with TwiML, /twilio/status hears how a stream, or a call, goes on.

/twilio/voice?listen=both_tracks taps the call, ?assistant=NAME names who answers; /twilio/voice/WORD is for the routes.
"""

import structlog
from aiohttp import web

from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.webhook import TRACKS, answer, is_signed, no_answer
from bridge.redaction import without_addresses
from bridge.shell.admission import Admission
from bridge.shell.tokens import Expected
from bridge.shell.webhooks.body import FORM, form_fields, read_body
from bridge.shell.webhooks.voice import WORD, check_goes_on, check_open, incoming, who_answers

SHOWN = ("CallSid", "StreamSid", "StreamEvent", "CallStatus", "AnsweredBy")

log = structlog.get_logger()


class TwilioWebhooks:
    """One server's."""

    def __init__(self, settings: TwilioSettings, admission: Admission, *, open_doors: bool) -> None:
        self._settings = settings
        self._admission = admission
        self._open_doors = open_doors

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.post("/twilio/voice", self._voice),
            web.post(f"/twilio/voice{WORD}", self._voice),
            web.post("/twilio/status", self._status),
        ]

    async def aclose(self) -> None:
        """Nothing is left behind."""

    async def _voice(self, request: web.Request) -> web.Response:
        """Twilio asks what to do with a call: connect it to a media socket that only this call may open."""
        form = await self._signed_form(request)
        call = form.get("CallSid")
        if not call:
            raise web.HTTPBadRequest(text="CallSid is missing: this is not Twilio's voice webhook")
        listen = request.query.get("listen")
        if listen is not None and listen not in TRACKS:
            raise web.HTTPBadRequest(text=f"listen = {listen!r}: should be one of {', '.join(TRACKS)}")
        if listen:
            check_goes_on("twilio", self._settings.then)
        assistant = who_answers(request, self._admission, incoming(form), self._settings.parameters)
        check_open(self._admission)
        answered_by = form.get("AnsweredBy")
        if answered_by and answered_by not in self._settings.talk_to:
            log.info("= nobody to talk to", call_id=call, answered_by=answered_by)
            return _twiml(no_answer())
        url = self._admission.expect("twilio", Expected(call, assistant), listen=bool(listen))
        return _twiml(
            answer(
                url,
                parameters=self._settings.parameters,
                status_callback=f"{self._admission.public_url}/twilio/status",
                listen=listen,
                then=self._settings.then,
            )
        )

    async def _status(self, request: web.Request) -> web.Response:
        """Twilio tells how a stream, or a call, goes on."""
        form = await self._signed_form(request)
        shown = {name: form[name] for name in SHOWN if name in form}
        if "StreamError" in form:
            log.warning("< twilio status", **shown, StreamError=without_addresses(form["StreamError"]))
        else:
            log.info("< twilio status", **shown)
        return web.Response(status=204)

    async def _signed_form(self, request: web.Request) -> dict[str, str]:
        """The request's form. Raises 403 unless Twilio signed it."""
        pairs = form_fields(await read_body(request, FORM))
        auth_token = self._settings.auth_token
        if auth_token is not None:
            url = self._admission.public_url + request.raw_path
            given = request.headers.get("X-Twilio-Signature", "")
            if not is_signed(auth_token.get_secret_value(), url, pairs, given):
                log.warning("webhook turned away", path=request.path, reason="its signature is not Twilio's")
                raise web.HTTPForbidden(
                    text="the signature does not match; is public_url what Twilio was told?"
                )
        elif not self._open_doors:
            log.warning("webhook turned away", path=request.path, reason="twilio.auth_token is not set")
            raise web.HTTPForbidden(text="twilio.auth_token is not set, so nobody can prove to be Twilio")
        return dict(pairs)


def _twiml(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/xml")
