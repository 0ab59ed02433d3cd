"""The webhooks of calls that follow documents and can go to a person: /CARRIER/next, back, person and room.

Each has a handle behind it. A call that nobody knows any more, such as one of a process that has ended, is answered anew
instead of with a dead line.
"""

from collections.abc import Callable, Mapping, Sequence

from bridge.carriers.shared.dial_documents import hang_up_document
from bridge.carriers.shared.document_calls import DocumentCalls
from bridge.carriers.shared.webhooks import (
    ENDED_STATUSES,
    FORM,
    XML,
    AskFirst,
    CallHost,
    Route,
    WebhookAnswer,
    WebhookRequest,
    check_not_ended,
    note_ends,
)
from bridge.vocabulary.errors import WebhookRefused

SHOWN = (
    *("CallSid", "CallStatus", "AnsweredBy", "DialCallStatus", "DialCallDuration"),
    *("StatusCallbackEvent", "ReasonParticipantLeft"),
    *("QueueResult", "QueueTime", "ReferCallStatus", "ReferSipResponseCode", "NotifySipResponseCode"),
)
"""The fields of these webhooks that are logged."""

OVER = WebhookAnswer(200, hang_up_document(), XML)
"""For a call that says that it is over: the carrier asks once more when the caller has hung up in a `<Dial>`."""


class DocumentRoutes:
    """Those of one carrier on one server.

    `form_of`: the form of a request that the carrier signed; raises `WebhookRefused`. `anew`: answers a voice webhook.
    """

    def __init__(
        self,
        carrier: str,
        host: CallHost,
        calls: DocumentCalls,
        form_of: Callable[[WebhookRequest], Mapping[str, str]],
        anew: Callable[[WebhookRequest, float], WebhookAnswer | AskFirst],
    ) -> None:
        self._carrier = carrier
        self._host = host
        self._calls = calls
        self._form_of = form_of
        self._anew = anew

    def routes(self) -> Sequence[Route]:
        """What is served."""
        handles = {"next": self._next, "back": self._back, "person": self._person, "room": self._room}
        return [
            Route(f"/{self._carrier}/{name}", FORM, handle, takes_word=True)
            for name, handle in handles.items()
        ]

    def _next(self, request: WebhookRequest, now: float) -> WebhookAnswer | AskFirst:
        """The stream of a call, or of a person's leg, has ended: how does it go on?"""
        form = self._form_of_call(request)
        if request.query.get("leg") == "person":
            return self._calls.leg_next(request.word)
        if form.get("CallStatus") in ENDED_STATUSES:
            return OVER
        call = self._calls.own(request.word, form["CallSid"])
        return self._unknown(request, now) if call is None else WebhookAnswer(200, call.next(), XML)

    def _back(self, request: WebhookRequest, now: float) -> WebhookAnswer | AskFirst:
        """The `<Dial>` of a call has ended: how does it go on?"""
        form = self._form_of_call(request)
        if form.get("CallStatus") in ENDED_STATUSES:
            return OVER
        if (call := self._calls.own(request.word, form["CallSid"])) is None:
            return self._unknown(request, now)
        return WebhookAnswer(200, call.back(request.word, form, now), XML)

    def _unknown(self, request: WebhookRequest, now: float) -> WebhookAnswer | AskFirst:
        self._host.log("warning", "= nobody knows this call: it is answered anew", path=request.path)
        return self._anew(request._replace(word="", query={}), now)

    def _person(self, request: WebhookRequest, now: float) -> WebhookAnswer:
        """The leg of a person has come so far, or asks for its document."""
        form = self._logged(request)
        return self._calls.person(request.word, form, now)

    def _room(self, request: WebhookRequest, now: float) -> WebhookAnswer:
        """A conference of two has come so far."""
        return self._calls.room(request.word, self._logged(request), now)

    def _form_of_call(self, request: WebhookRequest) -> Mapping[str, str]:
        """The form of a call that asks how it goes on.

        One that says itself that it is over is noted, and has to be answered `OVER`. Raises `WebhookRefused` where it
        is known to be over, and says otherwise.
        """
        form = self._logged(request)
        if not form.get("CallSid"):
            raise WebhookRefused(400, "CallSid is missing: this is not the webhook of a call")
        note_ends(self._host, form)
        if form.get("CallStatus") not in ENDED_STATUSES:
            check_not_ended(self._host, form["CallSid"])
        return form

    def _logged(self, request: WebhookRequest) -> Mapping[str, str]:
        form = self._form_of(request)
        shown = {name: form[name] for name in SHOWN if name in form}
        self._host.log("info", f"< {self._carrier} {request.path.split('/')[2]}", **shown)
        return form
