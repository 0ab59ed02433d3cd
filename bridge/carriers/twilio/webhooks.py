"""Twilio's webhooks: /twilio/voice answers a call with TwiML, /twilio/status hears how a stream, or a call, goes on.

/twilio/voice?listen=both_tracks only listens to the call, ?assistant=NAME names who answers; /twilio/voice/WORD is for
the routes. Where people can be put through, /twilio/next is asked when a stream has ended, /twilio/back when a `<Dial>`
has; /twilio/person hears of a person's leg, /twilio/room of a conference. Each has a handle behind it.
Source: Twilio, "TwiML for Programmable Voice", "TwiML Voice: <Stream>", "<Dial>".
"""

from collections.abc import Mapping, Sequence
from functools import partial

from bridge.carriers.shared.before_call import NOTHING_SAID, Decision
from bridge.carriers.shared.busy import busy_document, reject_document
from bridge.carriers.shared.dial_documents import hang_up_document
from bridge.carriers.shared.document_calls import DocumentCalls
from bridge.carriers.shared.document_routes import DocumentRoutes
from bridge.carriers.shared.document_words import caller_of
from bridge.carriers.shared.supervised_document_call import SupervisedDocumentCall
from bridge.carriers.shared.webhooks import (
    ENDED_STATUSES,
    FORM,
    XML,
    AskFirst,
    CallHost,
    ExpectedCall,
    Route,
    WebhookAnswer,
    WebhookRequest,
    check_goes_on,
    check_not_ended,
    direction_of,
    facts_in,
    form_fields,
    not_proved,
    note_ends,
    numbers_of,
)
from bridge.carriers.twilio.call_control import TwilioCallControl
from bridge.carriers.twilio.rest import TwilioApi
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.signature import is_signed
from bridge.carriers.twilio.twiml import TRACKS, TwilioWords, stream_document
from bridge.redaction import without_addresses
from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.errors import WebhookRefused

SHOWN = ("CallSid", "StreamSid", "StreamEvent", "CallStatus", "AnsweredBy")
"""Fields of a status callback that may be logged; of StreamError only what `without_addresses` leaves."""


class TwilioWebhooks:
    """See `CarrierWebhooks`."""

    def __init__(self, settings: TwilioSettings, host: CallHost) -> None:
        self._settings = settings
        self._host = host
        has_account = settings.account_sid is not None and settings.auth_token is not None
        self._api = TwilioApi(settings) if has_account else None
        self._words = TwilioWords(settings, lambda: host.public_url)
        self._calls = DocumentCalls(host)

    def routes(self) -> Sequence[Route]:
        """What is served."""
        return (
            Route("/twilio/voice", FORM, self._voice, takes_word=True),
            Route("/twilio/status", FORM, self._status),
            *DocumentRoutes("twilio", self._host, self._calls, self._signed_form, self._voice).routes(),
        )

    def deadline(self) -> float | None:
        """A call that does not ask how it goes on is looked up."""
        return self._calls.deadline()

    def due(self, now: float) -> None:
        """Look up the calls whose time has come."""
        self._calls.due(now)

    def close(self, now: float) -> None:
        """The calls end with their streams."""

    def _voice(self, request: WebhookRequest, now: float) -> WebhookAnswer | AskFirst:
        """Twilio asks what to do with a call: connect it to a media socket that only this call may open."""
        form = self._signed_form(request)
        call_id = form.get("CallSid")
        if not call_id:
            raise WebhookRefused(400, "CallSid is missing: this is not Twilio's voice webhook")
        note_ends(self._host, form)
        if form.get("CallStatus") in ENDED_STATUSES:
            return WebhookAnswer(200, hang_up_document(), XML)
        check_not_ended(self._host, call_id)
        listen = request.query.get("listen")
        if listen is not None and listen not in TRACKS:
            raise WebhookRefused(400, f"listen = {listen!r}: should be one of {', '.join(TRACKS)}")
        if listen:
            check_goes_on("twilio", self._settings.then)
        assistant = self._host.who_answers(call_id, request, numbers_of(form), self._settings.parameters)
        answered_by = form.get("AnsweredBy")
        if answered_by and answered_by not in self._settings.talk_to:
            self._host.log("info", "= nobody to talk to", call_id=call_id, answered_by=answered_by)
            return WebhookAnswer(200, hang_up_document(), XML)
        if self._host.why_refused(call_id):
            return WebhookAnswer(
                200, busy_document(self._host.busy, form, self._settings.then if listen else None), XML
            )
        facts = facts_in(form, verified=self._settings.auth_token is not None)
        connect = partial(self._connect, form, listen, assistant, facts)
        if listen or not self._host.asks_first:
            return connect(NOTHING_SAID, now)
        question = self._host.question(call_id, facts, request, self._settings.parameters)
        return AskFirst(question, connect)

    def _connect(
        self,
        form: Mapping[str, str],
        listen: str | None,
        assistant: str,
        facts: Facts,
        decision: Decision,
        _now: float,
    ) -> WebhookAnswer:
        """The TwiML for a call that is taken, or that was rejected by whoever was asked first."""
        call_id = form["CallSid"]
        check_not_ended(self._host, call_id)
        if decision.reject is not None:
            return WebhookAnswer(200, reject_document(decision.reject, form), XML)
        documents = None if listen or not self._host.puts_through() else self._documents(form)
        expected = ExpectedCall(
            call_id,
            self._host.assistant_of(decision, assistant, call_id),
            control=self._control(call_id, documents),
            direction=direction_of(form),
            context=decision.context(facts),
        )
        if documents is not None:
            return WebhookAnswer(200, documents.begin(expected), XML)
        url = self._host.expect(expected, "listen" if listen else "media")
        twiml = stream_document(
            url,
            parameters=self._settings.parameters,
            status_callback=f"{self._host.public_url}/twilio/status",
            listen=listen,
            then=self._settings.then,
        )
        return WebhookAnswer(200, twiml, XML)

    def _documents(self, form: Mapping[str, str]) -> SupervisedDocumentCall:
        """Those of a call that can go to a person: it asks us how it goes on when its stream has ended."""
        then = self._settings.then
        return SupervisedDocumentCall(
            self._host, self._words, self._api, caller_of(form), self._calls, then=then
        )

    def _control(
        self, call_id: str, documents: SupervisedDocumentCall | None = None
    ) -> TwilioCallControl | None:
        if self._api is None and documents is None:
            return None
        ends = self._settings.then is None  # a call that is only listened to has a `then`
        return TwilioCallControl(self._host, self._api, call_id, ends_with_stream=ends, documents=documents)

    def _status(self, request: WebhookRequest, _now: float) -> WebhookAnswer:
        """Twilio tells how a stream, or a call, goes on."""
        form = self._signed_form(request)
        shown = {name: form[name] for name in SHOWN if name in form}
        if "StreamError" in form:
            self._host.log(
                "warning", "< twilio status", **shown, StreamError=without_addresses(form["StreamError"])
            )
        else:
            self._host.log("info", "< twilio status", **shown)
        if not self._calls.is_expected_end(form):
            note_ends(self._host, form)
        return WebhookAnswer()

    def _signed_form(self, request: WebhookRequest) -> dict[str, str]:
        """The request's form. Raises `WebhookRefused` (403) unless Twilio signed it."""
        pairs = form_fields(request.body)
        auth_token = self._settings.auth_token
        if auth_token is not None:
            url = self._host.public_url + request.target
            given = request.headers.get("x-twilio-signature", "")
            if not is_signed(auth_token.get_secret_value(), url, pairs, given):
                reason = "its signature is not Twilio's, or not for this address; is public_url what Twilio was told?"
                raise not_proved(reason, self._host.public_url + request.path)
        elif not self._host.allows_unauthenticated:
            raise not_proved("twilio.auth_token is not set, so nobody can prove to be Twilio")
        return dict(pairs)
