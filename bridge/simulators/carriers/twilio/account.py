"""The simulated Twilio without sockets: what requests, TwiML and time do to the calls of an account.

`ask` takes a request, `ring` an inbound call, `due` the time, `twiml_came` a webhook's answer, and the `stream_...`
methods what happens to the media socket. Each returns the actions that whoever has the sockets is to perform, in order.
What documents make of the calls is in `progress`. Times are Unix seconds, passed in.
"""

from collections import Counter
from collections.abc import Mapping

from bridge.simulators.carriers.room import Audible
from bridge.simulators.carriers.twilio.actions import (
    Action,
    FetchTwiml,
    ReceivedRequest,
    SendCallback,
    TwilioRequest,
    TwilioResponse,
    status_events,
)
from bridge.simulators.carriers.twilio.calls import CallStatus, TwilioCall, place
from bridge.simulators.carriers.twilio.checks import (
    BAD_CREDENTIALS,
    NOT_FOUND,
    NOT_IN_PROGRESS,
    TOO_MANY_REQUESTS,
    TwilioRefusal,
    check_create,
    check_update,
)
from bridge.simulators.carriers.twilio.conference_requests import ConferenceRequests
from bridge.simulators.carriers.twilio.dialect import TWIML, DocumentDialect
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee, TwilioFaults
from bridge.simulators.carriers.twilio.media import new_sid
from bridge.simulators.carriers.twilio.progress import CallProgress

PROXY_PAGE = "<html><body>503 Service Temporarily Unavailable</body></html>"


class TwilioAccount:
    """The calls of one account. The credentials are those that its requests must have.

    `callees`: who answers some numbers; `callee` answers all others. `dialect`: what TeXML words otherwise than TwiML.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        callee: TwilioCallee,
        faults: TwilioFaults,
        callees: Mapping[str, TwilioCallee] | None = None,
        dialect: DocumentDialect = TWIML,
    ) -> None:
        self.requests: list[ReceivedRequest] = []
        self._account_sid = account_sid
        self._has_call_tokens = dialect.has_call_tokens
        self._authorization = dialect.authorization(account_sid, auth_token)
        self._faults = faults
        self._tries: Counter[str] = Counter()
        known = callees or {}
        self.progress = CallProgress(
            account_sid,
            lambda number: known.get(number, callee),
            faults,
            dialect.read_stream,
            lambda caller, called, now: dialect.call(account_sid, caller, called, now),
            lambda address: address in known,
        )
        self.calls = self.progress.calls
        self._conferences = ConferenceRequests(self.progress)

    def ring(
        self, caller: str, called: str, url: str, now: float, *, status_url: str = ""
    ) -> tuple[TwilioCall, list[Action]]:
        """Somebody calls a number with this voice webhook. `status_url`: of the number's status callback."""
        call = self.progress.new_call(caller, called, now)
        call.token = new_sid("CT") if self._has_call_tokens else ""
        if status_url:
            call.fields["StatusCallback"] = status_url
        call.enter(CallStatus.RINGING)
        return call, [FetchTwiml(call.sid, url, "POST", call.form())]

    def hang_up(self, call: TwilioCall, now: float) -> list[Action]:
        """The other party hangs up, or gives up before the call was answered."""
        if call.over:
            return []
        ringing = call.status is not CallStatus.IN_PROGRESS
        return self.progress.end(call, CallStatus.NO_ANSWER if ringing else CallStatus.COMPLETED, now)

    def audible(self) -> Audible:
        """Who is on the line, and who hears whom."""
        return self.progress.audible()

    def ask(self, request: TwilioRequest, now: float) -> TwilioResponse:
        """Answer a request: perform it, refuse it, or fail as the injected faults say."""
        try:
            self._admit(request)
            answer = self._faulty(request, now) or self._perform(request, now)
        except TwilioRefusal as refusal:
            answer = TwilioResponse(refusal.status, refusal.body(), [])
        self.requests.append(
            ReceivedRequest(request.name, request.call_sid, request.fields, now, answer.status)
        )
        return answer

    def deadline(self) -> float | None:
        """When `due` is to be called at the latest; None if nothing is awaited."""
        return min((at for call in self.calls.values() for at in call.deadlines()), default=None)

    def due(self, now: float) -> list[Action]:
        """The actions due by `now`: calls are answered, given up, or get the result of their machine detection."""
        return [act for call in [*self.calls.values()] for act in self._due(call, now)]

    def twiml_came(self, call: TwilioCall, twiml: bytes, url: str, now: float) -> list[Action]:
        """A webhook has answered with TwiML. `url`: of the webhook, to which URLs in it are relative."""
        return self.progress.document_came(call, twiml, url, now)

    def twiml_failed(self, call: TwilioCall, why: str, now: float) -> list[Action]:
        """The webhook gave no TwiML: the call ends. `why`: the reason."""
        return self.progress.document_failed(call, why, now)

    def stream_opened(self, call: TwilioCall, stream_sid: str, now: float) -> list[Action]:
        """The media socket of the call is open."""
        call.stream_sid = stream_sid
        return [*call.stream_callback("stream-started", now)]

    def stream_failed(self, call: TwilioCall, why: str, now: float) -> list[Action]:
        """The media socket of the call could not be opened. The next verb runs; without one the call ends."""
        call.trouble = why
        return self._after_stream(call, call.stream_callback("stream-error", now, why), now)

    def stream_over(self, call: TwilioCall, now: float, *, hung_up: bool) -> list[Action]:
        """The media socket of the call is closed. `hung_up`: by the phone; then waiting TwiML is dropped."""
        if hung_up:
            call.pending = None
            call.verbs.clear()
        return self._after_stream(call, call.stream_callback("stream-stopped", now), now)

    def _after_stream(self, call: TwilioCall, told: list[SendCallback], now: float) -> list[Action]:
        call.stream = None
        if call.over:
            return [*told, *call.callback("completed", now)]
        pending, call.pending = call.pending, None
        if pending is not None:
            return [*told, *self.twiml_came(call, *pending, now)]
        return [*told, *self.progress.run(call, now)]

    def _admit(self, request: TwilioRequest) -> None:
        if request.authorization != self._authorization:
            raise TwilioRefusal(401, BAD_CREDENTIALS, "Authenticate")
        if request.account_sid != self._account_sid:
            raise TwilioRefusal(404, NOT_FOUND, "The requested resource was not found.")

    def _faulty(self, request: TwilioRequest, now: float) -> TwilioResponse | None:
        """The response of the injected fault that is due; None for no fault."""
        faults = self._faults
        if faults.requests and request.name not in faults.requests:
            return None
        nth = self._tries[request.name]
        self._tries[request.name] += 1
        if nth < faults.server_errors:
            return TwilioResponse(503, PROXY_PAGE, [])
        nth -= faults.server_errors
        if nth < faults.rate_limited:
            return TwilioResponse(429, TwilioRefusal(429, TOO_MANY_REQUESTS, "Too Many Requests").body(), [])
        nth -= faults.rate_limited
        if nth < faults.silent:
            return self._perform(request, now)._replace(silent=True)
        if nth - faults.silent < faults.refused:
            raise TwilioRefusal(*faults.refused_with, "The request was refused.")
        return None

    def _perform(self, request: TwilioRequest, now: float) -> TwilioResponse:
        """Perform a request. Raises `TwilioRefusal`."""
        fields = dict(request.fields)
        match request.name:
            case "create":
                events = status_events(request)
                return self._create(fields, events, now)
            case "update":
                return self._update(self._call(request.call_sid), fields, now)
            case "list":
                return TwilioResponse(200, self._list(fields), [])
            case "fetch":
                return TwilioResponse(200, self._call(request.call_sid).resource(), [])
            case _:
                return self._conferences.perform(request, now)

    def _call(self, sid: str) -> TwilioCall:
        try:
            return self.calls[sid]
        except KeyError:
            raise TwilioRefusal(
                404, NOT_FOUND, f"The requested resource /Calls/{sid}.json was not found."
            ) from None

    def _list(self, fields: Mapping[str, str]) -> dict[str, object]:
        wanted = {name.lower(): fields[name] for name in ("To", "From", "Status") if name in fields}
        resources = [call.resource() for call in self.calls.values()]
        found = [one for one in resources if wanted.items() <= one.items()]
        return {"calls": found, "page": 0, "page_size": len(found), "next_page_uri": None}

    def _create(self, fields: dict[str, str], events: tuple[str, ...], now: float) -> TwilioResponse:
        check_create(fields, events)
        self.progress.check_caller_id(fields)
        call = self.progress.new_call(fields["From"], fields["To"], now)
        created = call.resource() | {"direction": "outbound-api"}
        told = place(call, fields, events, self.progress.callee(call.called), now)
        return TwilioResponse(201, created, told)

    def _update(self, call: TwilioCall, fields: dict[str, str], now: float) -> TwilioResponse:
        check_update(fields)
        if call.over:
            raise TwilioRefusal(400, NOT_IN_PROGRESS, "Call is not in-progress. Cannot redirect.")
        actions: list[Action] = []
        if (status := fields.get("Status")) is not None:
            if status == "canceled" and call.status is CallStatus.IN_PROGRESS:
                raise TwilioRefusal(400, NOT_IN_PROGRESS, "Call is in-progress. Cannot cancel.")
            actions = self.progress.end(call, CallStatus(status), now)
        elif call.status is not CallStatus.IN_PROGRESS:
            raise TwilioRefusal(400, NOT_IN_PROGRESS, "Call is not in-progress. Cannot redirect.")
        else:
            call.fields |= fields
            actions = self._seek_twiml(call, fields, now)
        return TwilioResponse(200, call.resource(), actions)

    def _seek_twiml(self, call: TwilioCall, fields: Mapping[str, str], now: float) -> list[Action]:
        """Fetch the TwiML from `Url`, or take the one in `Twiml`."""
        if (url := fields.get("Url")) is not None:
            return [FetchTwiml(call.sid, url, fields.get("Method", "POST"), call.form())]
        return self.twiml_came(call, fields.get("Twiml", fields.get("Texml", "")).encode(), "", now)

    def _due(self, call: TwilioCall, now: float) -> list[Action]:
        if call.answers_at is not None and call.answers_at <= now:
            refuses = self.progress.callee(call.called).refuses
            if refuses:
                return self.progress.end(call, CallStatus(refuses), now)
            return self._pick_up(call, now)
        if call.gives_up_at is not None and call.gives_up_at <= now:
            return self.progress.end(call, CallStatus.NO_ANSWER, now)
        if call.judged_at is not None and call.judged_at <= now:
            return self._judge(call, now)
        if call.resumes_at is not None and call.resumes_at <= now:
            call.resumes_at = None
            return self.progress.run(call, now)
        if call.agent_at is not None and call.agent_at <= now:
            call.agent_at = None
            return self.progress.agent_takes(call, now)
        if call.referred_at is not None and call.referred_at <= now:
            return self.progress.referred(call, now)
        return []

    def _pick_up(self, call: TwilioCall, now: float) -> list[Action]:
        if call.parent_sid or call.joins is not None:
            return self.progress.picked_up(call, now)
        actions = self.progress.answered(call, now)
        if call.detects:
            call.judged_at = now + self.progress.callee(call.called).verdict_after_s
        if not call.waits_for_verdict:
            actions += self._seek_twiml(call, call.fields, now)
        return actions

    def _judge(self, call: TwilioCall, now: float) -> list[Action]:
        call.judged_at = None
        callee = self.progress.callee(call.called)
        call.answered_by = call.verdict(callee.answered_by)
        if call.waits_for_verdict:
            return self._seek_twiml(call, call.fields, now)
        if (url := call.fields.get("AsyncAmdStatusCallback")) is None:
            return []
        took_ms = round(callee.verdict_after_s * 1000)
        form = {
            "AccountSid": call.account_sid,
            "CallSid": call.sid,
            "AnsweredBy": call.answered_by,
            "MachineDetectionDuration": str(took_ms),
        }
        return [SendCallback(url, call.fields.get("AsyncAmdStatusCallbackMethod", "POST"), form)]
