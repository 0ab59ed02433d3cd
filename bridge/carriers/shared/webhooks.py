"""What a carrier's webhooks are, without HTTP: requests in, answers out, and what they may ask of the server.

A carrier's folder holds one `CarrierWebhooks`, made from its settings and a `CallHost`. The shell reads the requests,
sends the answers and keeps the clock: `now` is seconds on the session's clock, `unix_s` seconds of Unix time.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import parse_qsl

from bridge.carriers.shared.before_call import Decision, Question
from bridge.carriers.shared.rest import ApiRequest
from bridge.settings.busy import BusySettings
from bridge.vocabulary.call_facts import NO_CONTEXT, CallContext, Facts, facts_of
from bridge.vocabulary.contracts import CallControl
from bridge.vocabulary.errors import CarrierRefused, WebhookRefused
from bridge.vocabulary.people import PersonEvent
from bridge.vocabulary.supervision import SupervisorEvent
from bridge.vocabulary.trace_context import NewTrace

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
XML = "text/xml"

MOST_FIELDS = 200
"""Fields of one form. Twilio and Telnyx send about 30."""

StreamKind = Literal["media", "listen"]
"""A stream that can be spoken into, or one that is only listened to."""

Direction = Literal["inbound", "outbound", ""]
"""Whether the call came in, or we placed it; empty if that is not known."""


class WebhookRequest(NamedTuple):
    """One request to a webhook, its body complete and of the content type that the route expects."""

    path: str
    """Decoded, without the query: /twilio/voice/sales."""
    target: str
    """Path and query as they were sent: what Twilio signs behind the public URL."""
    headers: Mapping[str, str]
    """Names in lower case; of a repeated header the first."""
    body: bytes
    unix_s: float
    """When it came."""
    query: Mapping[str, str] = {}
    """Decoded; of a repeated parameter the first."""
    word: str = ""
    """The last segment of the path where the route takes one more, such as "sales"; else empty."""


class WebhookAnswer(NamedTuple):
    """The answer to a webhook; by default that nothing more is to be said."""

    status: int = 204
    text: str = ""
    content_type: str = "text/plain"


class AskFirst(NamedTuple):
    """The address of [before_call] is to be asked before a webhook can be answered."""

    question: Question
    then: Callable[[Decision, float], WebhookAnswer]
    """Makes the answer from what was decided, and `now`. Raises `WebhookRefused`: the call may have ended meanwhile."""


class Route(NamedTuple):
    """One path that takes POST."""

    path: str
    content_type: str
    """Of the body; another one is refused with 415."""
    handle: Callable[[WebhookRequest, float], WebhookAnswer | AskFirst]
    """From a request and `now`. Raises `WebhookRefused`."""
    takes_word: bool = False
    """Whether the path is served with one more segment, too: `WebhookRequest.word`."""


class ExpectedCall(NamedTuple):
    """A call that a webhook has announced: its media stream will come."""

    call_id: str
    assistant: str = ""
    """Who answers, by name; the default if empty."""
    returns_s: float = 0.0
    """How long its stream, if it breaks, may take to come back; 0: it may not."""
    opens_s: float = 0.0
    """How long the carrier may be asked again to open the stream: its token is good for so much longer."""
    control: CallControl | None = None
    """What can be done to the call beside its stream; None: nothing."""
    direction: Direction = ""
    """Who placed the call, for the log."""
    briefs: str = ""
    """The call of the caller about whom this one is: `call_id` is the leg of a person, who is briefed and may be joined
    with the caller. `control` hangs up when the briefing is over, unless they are joined. Empty for a caller."""
    supervises: bool = False
    """Whether the leg is that of a supervisor of the call `briefs`, whom the bridge mixes with it."""
    calls_in: str = ""
    """The supervisor, by name, who has called in on this leg; empty where we have called, or it is no supervisor's."""
    pin: str = ""
    """What whoever has called in has to type before they are in the call; empty: nothing."""
    route: str = ""
    """What chose the assistant, for the log: such as "routes[2]"; empty if it is not known."""
    context: CallContext = NO_CONTEXT
    """Who calls, and what is different in this call."""
    listens: bool = False
    """Whether the stream is one more of a call that is under way, and streams what the caller and a person say: to the
    assistant of that call, which listens to them."""
    continues: bool = False
    """Whether the stream is one more of a call that is under way, and goes on with it once it has started."""
    trace: NewTrace | None = None
    """The trace of the call; None: it has none, or one that begins with its stream."""
    origin: str = ""
    """The origin of the page that placed the call (RFC 6454): its browser opens the stream, and nobody signs that. Empty
    where a carrier opens it."""


class Numbers(NamedTuple):
    """Who calls whom. Both are empty where we placed the call: there they stand the other way round."""

    to: str = ""
    from_: str = ""


Taken = Callable[[Mapping[str, Any], float], None]
"""Called with the data of a REST answer, and `now`."""

Decided = Callable[[Decision, float], None]
"""Called with what was decided of a call, and `now`."""

Refused = Callable[[CarrierRefused, float], None]
"""Called with the reason why a REST request was not done, and `now`."""


class CallHost(Protocol):
    """What a carrier's webhooks and call control may ask of the server; one object for each carrier. Nothing waits."""

    @property
    def public_url(self) -> str:
        """Where the carrier finds this server: scheme, host, port; no slash at the end."""
        ...

    @property
    def busy(self) -> BusySettings:
        """What the caller of a refused call hears."""
        ...

    @property
    def allows_unauthenticated(self) -> bool:
        """Whether a webhook that nobody can prove is served: on loopback, to try things."""
        ...

    def has_assistant(self, assistant: str) -> bool:
        """Whether there is an assistant of this name; the empty name is the default assistant's."""
        ...

    def who_answers(
        self, call_id: str, request: WebhookRequest, numbers: Numbers, parameters: Mapping[str, str]
    ) -> str:
        """The assistant that the request's address names, else as the routes have it; empty: the default one.

        Where a route has the call for a supervisor, `why_refused`, `question` and `expect` treat it so from here on.

        `parameters`: those of every stream of this carrier. Raises `WebhookRefused`: 400 where there is no assistant
        of this name, 404 where no route has the word behind the path.
        """
        ...

    @property
    def asks_first(self) -> bool:
        """Whether the address of [before_call] is asked what to do with a new call."""
        ...

    def question(
        self, call_id: str, facts: Facts, request: WebhookRequest, parameters: Mapping[str, str]
    ) -> Question:
        """What it is asked. `parameters`: as in `who_answers`."""
        ...

    def ask(self, question: Question, decided: Decided) -> None:
        """Ask it beside the webhook. `decided` is called once, later, within its timeout; with nothing said after a fault.

        It is called at once when the call ends.
        """
        ...

    def assistant_of(self, decision: Decision, assistant: str, call_id: str) -> str:
        """The assistant that was decided on; `assistant` where there is none of that name, which is logged."""
        ...

    def why_refused(self, call_id: str) -> str:
        """Why this call is not taken: the server closes, or has too much to do. Empty: it has a place, for a minute.

        The server logs a refusal. A call that has a place already, or is under way, is not refused for the load.
        """
        ...

    def expect(self, call: ExpectedCall, kind: StreamKind = "media") -> str:
        """Announce a call. The address for its stream: ws or wss, with a token that is good once and for a minute."""
        ...

    def call_ended(self, call_id: str) -> None:
        """The carrier says that the call is over: its stream is closed, and its tokens are worth nothing."""
        ...

    def has_ended(self, call_id: str) -> bool:
        """Whether the carrier has said in the last minutes that this call is over."""
        ...

    def stream_ended(self, call_id: str, stream_id: str, *, broke: bool = False) -> None:
        """The carrier says that this stream of the call is over, which ends its session; a former stream's ends nothing.

        `broke`: by a fault, so that a stream that may return (`ExpectedCall.returns_s`) is waited for.
        """
        ...

    def is_under_way(self, call_id: str) -> bool:
        """Whether this call has a session, with or without a stream that can be spoken into."""
        ...

    def tell(self, call_id: str, event: PersonEvent | SupervisorEvent) -> None:
        """Hand an event of a handover to the call's session, which may command what follows from it at once."""
        ...

    def close_stream(self, call_id: str, why: str) -> None:
        """Close the media socket of this call, with code 1000; its session goes on if it can without."""
        ...

    def puts_through(self) -> bool:
        """Whether a call can be put through to a person: the settings name some."""
        ...

    def new_handle(self) -> str:
        """A new word for a webhook's address, which nobody can guess: with it the webhook comes to this process."""
        ...

    def unique_id(self) -> str:
        """A new UUID, for a request that the carrier is to do once however often it is sent."""
        ...

    def send(self, request: ApiRequest, taken: Taken | None = None, refused: Refused | None = None) -> None:
        """Send a request to the carrier's REST API beside the call, again where its rule says so.

        `taken` or `refused` is called once, later. The server logs a refusal.
        """
        ...

    def log(self, level: Literal["info", "warning"], event: str, **facts: object) -> None:
        """Write a line to the server's log."""
        ...


class CarrierWebhooks(Protocol):
    """All webhooks of one carrier on one server; made from the carrier's settings and a `CallHost`."""

    def routes(self) -> Sequence[Route]:
        """What is served."""
        ...

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each request, each answer and each `due`."""
        ...

    def due(self, now: float) -> None:
        """Do what has fallen due by `now`."""
        ...

    def close(self, now: float) -> None:
        """The server closes: end what would go on without it.

        The server waits some seconds for the answers to what was sent; `due` is called no more.
        """
        ...


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form, decoded, in their order. Raises `WebhookRefused` (400) where there are too many."""
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise WebhookRefused(400, f"the form has more than {MOST_FIELDS} fields") from None


def call_id_in_form(body: bytes) -> str:
    """The call that a form of Twilio's or of TeXML tells of, whoever sent it; empty if it names none."""
    try:
        return dict(form_fields(body)).get("CallSid", "")
    except WebhookRefused:
        return ""


def numbers_of(form: Mapping[str, str]) -> Numbers:
    """Who calls whom, by a form of Twilio's or of TeXML, whose fields are the same."""
    if form.get("Direction", "inbound").startswith("outbound"):
        return Numbers()
    return Numbers(form.get("To", ""), form.get("From", ""))


ENDED_STATUSES = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Values of `CallStatus` after which nothing more happens to a call (Twilio, "Call resource"; TeXML has the same)."""

STREAM_STOPPED, STREAM_BROKE = "stream-stopped", frozenset({"stream-error", "stream-failed"})
"""Values of `StreamEvent` after which a stream is over (Twilio, "TwiML Voice: <Stream>"; Telnyx, "TeXML stream callbacks")."""

WARNINGS = re.compile(r"\b(?:31930|31950|31951)\b")
"""Codes of a stream's faults after which it goes on (Twilio, "Error and Warning Dictionary")."""


def note_ends(host: CallHost, form: Mapping[str, str]) -> None:
    """End what a form of Twilio's or of TeXML says is over: its call, or one stream of it."""
    call_id, stream_id = form.get("CallSid", ""), form.get("StreamSid", "")
    event = form.get("StreamEvent", "")
    if not call_id:
        return
    if form.get("CallStatus") in ENDED_STATUSES:
        host.call_ended(call_id)
    elif stream_id and event == STREAM_STOPPED:
        host.stream_ended(call_id, stream_id)
    elif stream_id and event in STREAM_BROKE and not WARNINGS.search(form.get("StreamError", "")):
        host.stream_ended(call_id, stream_id, broke=True)


def check_not_ended(host: CallHost, call_id: str) -> None:
    """Raises `WebhookRefused` (410) where the call has ended: the webhook is old, or was replayed."""
    if host.has_ended(call_id):
        raise WebhookRefused(410, "this call has ended", reason="its call has ended")


def direction_of(form: Mapping[str, str]) -> Direction:
    """Who placed the call, by such a form."""
    told = form.get("Direction", "")
    if not told:
        return ""
    return "outbound" if told.startswith("outbound") else "inbound"


def facts_in(form: Mapping[str, str], *, verified: bool) -> Facts:
    """Who calls whom, by such a form. `verified`: the carrier signed it."""
    fields = {
        "from": form.get("From", ""),
        "to": form.get("To", ""),
        "caller_name": form.get("CallerName", ""),
        "attestation": form.get("StirVerstat", ""),
    }
    return facts_of(
        fields, direction=direction_of(form), answered_by=form.get("AnsweredBy", ""), verified=verified
    )


def not_proved(reason: str, address: str = "") -> WebhookRefused:
    """A request that does not prove to be the carrier's. Whoever sends it is told the same whatever the reason is.

    `address`: what its signature was checked against.
    """
    return WebhookRefused(403, "the signature does not match", reason=reason, address=address)


def check_goes_on(carrier: str, then: str | None) -> None:
    """Raises `WebhookRefused` (400) where a call that is only listened to has nowhere to go on."""
    if then is None:
        raise WebhookRefused(
            400, f"{carrier}.then is not set: a call that is only listened to would end here"
        )
