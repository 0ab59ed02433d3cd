"""Telnyx's webhooks: /telnyx/webhook carries a call under Call Control, /telnyx/texml answers one with TeXML.

/telnyx/texml?listen=true only listens to the call; /telnyx/stream hears how TeXML streams go on. ?assistant=NAME names
who answers, /telnyx/webhook/WORD and /telnyx/texml/WORD are for the routes. A webhook of Call Control is answered at
once, and what it asks for is done after. Where people can be put through, /telnyx/leg hears of a person's leg under Call
Control; a call under TeXML asks /telnyx/next and /telnyx/back, and its people tell /telnyx/person and /telnyx/room.
Source: Telnyx, "Receiving webhooks", "Voice API webhooks", "TeXML <Stream>".
"""

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import structs

from bridge.carriers.shared.before_call import NOTHING_SAID, Decision, Reject
from bridge.carriers.shared.busy import busy_document, reject_document
from bridge.carriers.shared.dial_documents import hang_up_document
from bridge.carriers.shared.document_calls import DocumentCalls
from bridge.carriers.shared.document_control import DocumentControl
from bridge.carriers.shared.document_routes import DocumentRoutes
from bridge.carriers.shared.document_words import caller_of
from bridge.carriers.shared.supervised_document_call import SupervisedDocumentCall
from bridge.carriers.shared.webhooks import (
    ENDED_STATUSES,
    FORM,
    JSON,
    XML,
    AskFirst,
    CallHost,
    ExpectedCall,
    Numbers,
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
from bridge.carriers.telnyx import texml
from bridge.carriers.telnyx.events import STREAM_ENDED, CallEvent, Deliveries, event_facts, read
from bridge.carriers.telnyx.person_state import PersonState, read_person_state
from bridge.carriers.telnyx.phone_call import PhoneCall, Stage, begins_a_call
from bridge.carriers.telnyx.phone_calls import PhoneCalls
from bridge.carriers.telnyx.rest import TelnyxApi
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.signature import signature_fault
from bridge.carriers.telnyx.steps import StepSender
from bridge.carriers.telnyx.texml_rest import TexmlApi
from bridge.redaction import without_addresses
from bridge.vocabulary.call_facts import CallContext, Facts
from bridge.vocabulary.errors import MalformedMessage, WebhookRefused
from bridge.vocabulary.events import Ignored

BEGUN = frozenset({Stage.RINGING, Stage.SCREENING, Stage.STREAMING})
"""The stages of a call that is ours and not about to end."""

CAUSES: Mapping[Reject, str] = {"busy": "USER_BUSY", "rejected": "CALL_REJECTED"}
"""Of a rejected call (Telnyx, "Reject a call"): 486 Busy Here, 603 Decline."""


class TelnyxWebhooks:
    """See `CarrierWebhooks`. Raises `ConfigurationError` for an API key of a wrong shape."""

    def __init__(self, settings: TelnyxSettings, host: CallHost) -> None:
        self._settings = settings
        self._host = host
        self._steps = StepSender(host, TelnyxApi(settings)) if settings.api_key is not None else None
        self._calls = PhoneCalls(settings.talk_to)
        self._deliveries = Deliveries()
        self._words = texml.TexmlWords(settings, lambda: host.public_url)
        self._documents = DocumentCalls(host)

    def routes(self) -> Sequence[Route]:
        """What is served."""
        return (
            Route("/telnyx/webhook", JSON, self._webhook, takes_word=True),
            Route("/telnyx/leg", JSON, self._webhook, takes_word=True),
            Route("/telnyx/texml", FORM, self._texml, takes_word=True),
            Route("/telnyx/stream", FORM, self._stream),
            *DocumentRoutes("telnyx", self._host, self._documents, self._signed_form, self._texml).routes(),
        )

    def deadline(self) -> float | None:
        """The first of: a verdict who answered is overdue, keys have ended, a call has to be looked up."""
        dues = [self._documents.deadline()]
        if self._steps is not None and not self._steps.closed:
            dues += [self._calls.deadline(), self._steps.deadline()]
        return min((due for due in dues if due is not None), default=None)

    def due(self, now: float) -> None:
        """Do what has fallen due by `now`."""
        self._documents.due(now)
        if self._steps is None or self._steps.closed:
            return
        self._steps.due(now)
        for call_id, phone_call, steps in self._calls.due(now):
            self._steps.send(call_id, phone_call, steps, now)

    def close(self, now: float) -> None:
        """Hang up on everybody who was answered, or is about to be."""
        if self._steps is None:
            return
        self._steps.closed = True
        self._steps.handovers.close()
        for call_id, phone_call in self._calls.under_way():
            self._steps.send(call_id, phone_call, phone_call.server_closes(), now)

    # Call Control

    def _webhook(self, request: WebhookRequest, now: float) -> WebhookAnswer:
        self._check_signed(request)
        try:
            event = read(request.body)
        except MalformedMessage as error:
            raise WebhookRefused(400, str(error), reason=str(error)) from None
        if isinstance(event, Ignored):
            self._host.log("info", "< telnyx webhook", type=event.kind[:80], ignored=True)
        elif self._steps is None:
            raise WebhookRefused(
                403,
                "telnyx.api_key is not set, and a call under Call Control is answered with it; "
                "/telnyx/texml needs none",
                reason="telnyx.api_key is not set",
            )
        else:
            self._take(event, request, self._steps, now)
        return WebhookAnswer()

    def _who_answers(self, request: WebhookRequest, event: CallEvent) -> str:
        """The assistant of a call that comes in; empty for all other events, which carry its name along."""
        if event.type != "call.initiated" or event.direction != "incoming":
            return ""
        return self._host.who_answers(
            event.call_id, request, Numbers(event.to, event.from_), self._settings.parameters
        )

    def _take(self, event: CallEvent, request: WebhookRequest, steps: StepSender, now: float) -> None:
        log, assistant = self._host.log, self._who_answers(request, event)
        if not self._deliveries.is_new(event.id, now):
            log("info", "< telnyx webhook", type=event.type, call_id=event.call_id, repeated=True)
            return
        facts = {"hangup_cause": event.hangup_cause, "result": event.result, "failure": event.failure_reason}
        given = {name: value for name, value in facts.items() if value}
        log("info", "< telnyx webhook", type=event.type, call_id=event.call_id, **given)
        if (state := read_person_state(event.client_state)) is not None:
            self._take_leg(state, event, steps, now)
            return
        steps.handovers.caller_says(event, now)
        is_refused = begins_a_call(event) and bool(self._host.why_refused(event.call_id))
        phone_call, asked = self._calls.handle(event, now, assistant, is_refused=is_refused)
        if phone_call.context is None and phone_call.stage in BEGUN:
            self._begin(event, phone_call, request, steps)
        steps.send(event.call_id, phone_call, asked, now)
        hung_up = event.type in STREAM_ENDED and phone_call.stage in (Stage.HANGING_UP, Stage.ENDED)
        if event.type == "call.hangup" or hung_up:
            self._host.call_ended(event.call_id)

    def _begin(
        self, event: CallEvent, phone_call: PhoneCall, request: WebhookRequest, steps: StepSender
    ) -> None:
        """A call is ours: keep who calls, and ask what is to become of it, if anybody is to be asked."""
        facts = event_facts(event, verified=self._settings.public_key is not None)
        phone_call.context = CallContext(facts)
        if not self._host.asks_first:
            return
        steps.held.hold(event.call_id)
        question = self._host.question(event.call_id, facts, request, self._settings.parameters)
        self._host.ask(question, partial(self._decided, event.call_id, phone_call, steps))

    def _decided(
        self, call_id: str, phone_call: PhoneCall, steps: StepSender, decision: Decision, now: float
    ) -> None:
        """What is to become of a call: its steps have waited for this. One that is over has none left."""
        held, context = steps.held.release(call_id), phone_call.context
        if phone_call.stage not in BEGUN or context is None:
            return
        if decision.reject is not None:
            steps.send(call_id, phone_call, phone_call.reject(CAUSES[decision.reject]), now)
            return
        phone_call.context = decision.context(context.facts)
        before = phone_call.client_state
        assistant = self._host.assistant_of(decision, before.assistant, call_id)
        phone_call.client_state = structs.replace(before, assistant=assistant)
        steps.send(call_id, phone_call, held, now)

    def _take_leg(self, state: PersonState, event: CallEvent, steps: StepSender, now: float) -> None:
        """The leg of a person. If nobody knows its call, and it has ended, the caller is parked: they are taken up."""
        if steps.handovers.leg_says(state, event, now) or event.type != "call.hangup":
            return
        self._host.call_ended(event.call_id)
        if not self._host.has_ended(state.call_id) and (found := self._calls.take_up(state.call_id)):
            self._host.log("warning", "= nobody knows this call: it is answered anew", call_id=state.call_id)
            steps.send(state.call_id, *found, now)

    # TeXML

    def _texml(self, request: WebhookRequest, now: float) -> WebhookAnswer | AskFirst:
        """Telnyx asks what to do with a call: connect it to a media socket that only this call may open."""
        form = self._signed_form(request)
        call_id = form.get("CallSid")
        if not call_id:
            raise WebhookRefused(400, "CallSid is missing: this is not TeXML's voice webhook")
        note_ends(self._host, form)
        if form.get("CallStatus") in ENDED_STATUSES:
            return WebhookAnswer(200, hang_up_document(), XML)
        check_not_ended(self._host, call_id)
        listen = request.query.get("listen", "false")
        if listen not in ("true", "false"):
            raise WebhookRefused(400, f"listen = {listen!r}: should be true or false")
        if listen == "true":
            check_goes_on("telnyx", self._settings.then)
        assistant = self._host.who_answers(call_id, request, numbers_of(form), self._settings.parameters)
        if self._host.why_refused(call_id):
            then = self._settings.then if listen == "true" else None
            return WebhookAnswer(200, busy_document(self._host.busy, form, then), XML)
        facts = facts_in(form, verified=self._settings.public_key is not None)
        connect = partial(self._connect, form, listen, assistant, facts)
        if listen == "true" or not self._host.asks_first:
            return connect(NOTHING_SAID, now)
        question = self._host.question(call_id, facts, request, self._settings.parameters)
        return AskFirst(question, connect)

    def _connect(
        self,
        form: Mapping[str, str],
        listen: str,
        assistant: str,
        facts: Facts,
        decision: Decision,
        _now: float,
    ) -> WebhookAnswer:
        """The TeXML for a call that is taken, or that was rejected by whoever was asked first."""
        call_id = form["CallSid"]
        check_not_ended(self._host, call_id)
        if decision.reject is not None:
            return WebhookAnswer(200, reject_document(decision.reject, form), XML)
        documents = self._documents_of(form) if listen == "false" and self._host.puts_through() else None
        expected = ExpectedCall(
            call_id,
            self._host.assistant_of(decision, assistant, call_id),
            returns_s=0.0 if listen == "true" else self._settings.return_s,
            control=None if documents is None else DocumentControl(documents),
            direction=direction_of(form),
            context=decision.context(facts),
        )
        if documents is not None:
            return WebhookAnswer(200, documents.begin(expected), XML)
        document = texml.stream_document(
            self._host.expect(expected, "listen" if listen == "true" else "media"),
            self._settings,
            status_callback=f"{self._host.public_url}/telnyx/stream",
            listen=listen == "true",
            then=self._settings.then,
        )
        return WebhookAnswer(200, document, XML)

    def _documents_of(self, form: Mapping[str, str]) -> SupervisedDocumentCall:
        """Those of a call that can go to a person: it asks us how it goes on when its stream has ended."""
        settings, account_sid = self._settings, form.get("AccountSid", "")
        api = TexmlApi(settings, account_sid) if settings.api_key is not None and account_sid else None
        return SupervisedDocumentCall(
            self._host,
            self._words,
            api,
            caller_of(form),
            self._documents,
            then=settings.then,
            may_return=settings.return_s > 0,
        )

    def _stream(self, request: WebhookRequest, _now: float) -> WebhookAnswer:
        """Telnyx tells how a TeXML stream goes on."""
        form = self._signed_form(request)
        shown = {name: form[name] for name in texml.SHOWN if name in form}
        if "StreamError" in form:
            self._host.log(
                "warning", "< telnyx stream", **shown, StreamError=without_addresses(form["StreamError"])
            )
        else:
            self._host.log("info", "< telnyx stream", **shown)
        if not self._documents.is_expected_end(form):
            note_ends(self._host, form)
        return WebhookAnswer()

    def _signed_form(self, request: WebhookRequest) -> dict[str, str]:
        self._check_signed(request)
        return dict(form_fields(request.body))

    def _check_signed(self, request: WebhookRequest) -> None:
        """Raises `WebhookRefused` (403) unless Telnyx signed the request, and lately."""
        public_key = self._settings.public_key
        if public_key is not None:
            timestamp = request.headers.get("telnyx-timestamp", "")
            given = request.headers.get("telnyx-signature-ed25519", "")
            if (
                reason := signature_fault(public_key, request.body, timestamp, given, request.unix_s)
            ) is not None:
                raise not_proved(str(reason))
        elif not self._host.allows_unauthenticated:
            raise not_proved("telnyx.public_key is not set, so nobody can prove to be Telnyx")
