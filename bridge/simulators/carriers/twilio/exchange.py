"""The pretend Twilio without sockets: what a request does to a call, what is refused, and what follows.

`ask` takes a request, `ring` a caller, `due` the time, `twiml_came` what a webhook answered; the `stream_...` methods
hear how the media goes. What is to be done by whoever has the sockets is returned, in order. Of TwiML the first stream
is obeyed; when it has ended, and where there is none, the call ends. Times are Unix seconds, passed in.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping

from bridge.simulators.carriers.twilio.acts import (
    Act,
    Answer,
    Ask,
    EndStream,
    OpenStream,
    Received,
    Request,
    Tell,
)
from bridge.simulators.carriers.twilio.calls import Call, Status
from bridge.simulators.carriers.twilio.checks import (
    BAD_CREDENTIALS,
    NOT_FOUND,
    NOT_IN_PROGRESS,
    TOO_MANY_REQUESTS,
    Refusal,
    check_create,
    check_update,
)
from bridge.simulators.carriers.twilio.injected_faults import Callee, Faults
from bridge.simulators.carriers.twilio.voice_webhook import read_answer
from bridge.vocabulary.errors import CallRefused

PROXY_PAGE = "<html><body>503 Service Temporarily Unavailable</body></html>"


class Exchange:
    """One account's calls."""

    def __init__(self, account_sid: str, auth_token: str, *, callee: Callee, faults: Faults) -> None:
        self.calls: dict[str, Call] = {}
        self.requests: list[Received] = []
        self._account_sid = account_sid
        credentials = b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._authorization = f"Basic {credentials}"
        self._callee = callee
        self._faults = faults
        self._tries: Counter[str] = Counter()

    def ring(self, caller: str, called: str, url: str, now: float) -> tuple[Call, list[Act]]:
        """Someone calls a number with this webhook."""
        call = Call(self._account_sid, caller, called, now)
        call.enter(Status.RINGING)
        self.calls[call.sid] = call
        return call, [Ask(call.sid, url, "POST", call.form())]

    def hang_up(self, call: Call, now: float) -> list[Act]:
        """The other party hangs up, or gives up before it was answered."""
        if call.over:
            return []
        ringing = call.status is not Status.IN_PROGRESS
        return self._end(call, Status.NO_ANSWER if ringing else Status.COMPLETED, now)

    def ask(self, request: Request, now: float) -> Answer:
        """Judge a request, and perform it unless it is refused."""
        try:
            self._admit(request)
            answer = self._faulty(request, now) or self._perform(request, now)
        except Refusal as refusal:
            answer = Answer(refusal.status, refusal.body(), [])
        self.requests.append(Received(request.name, request.call_sid, request.fields, now, answer.status))
        return answer

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest."""
        return min((at for call in self.calls.values() for at in call.deadlines()), default=None)

    def due(self, now: float) -> list[Act]:
        """Answers, verdicts, and callers who waited long enough."""
        return [act for call in self.calls.values() for act in self._due(call, now)]

    def twiml_came(self, call: Call, twiml: bytes, url: str, now: float) -> list[Act]:
        """`url`: whose answer it is; addresses in it may be relative to that."""
        if call.over:
            return []
        if call.order is not None:
            call.pending = twiml, url
            return [EndStream(call.sid)]
        try:
            order = read_answer(twiml, url)
        except CallRefused as refused:
            return self.twiml_failed(call, str(refused), now)
        if call.status is Status.RINGING:
            self._answered(call, now)
        call.order = order
        return [OpenStream(call.sid, order)]

    def twiml_failed(self, call: Call, why: str, now: float) -> list[Act]:
        """The webhook gave no TwiML, or none with a stream: the call ends."""
        call.trouble = why
        return [] if call.over else self._end(call, Status.COMPLETED, now)

    def stream_opened(self, call: Call, stream_sid: str, now: float) -> list[Act]:
        """Its socket stands."""
        call.stream_sid = stream_sid
        return [*call.stream_callback("stream-started", now)]

    def stream_failed(self, call: Call, why: str, now: float) -> list[Act]:
        """No socket came about: the next verb runs, and there is none."""
        call.trouble = why
        return self._after_stream(call, call.stream_callback("stream-error", now, why), now)

    def stream_over(self, call: Call, now: float, *, hung_up: bool) -> list[Act]:
        """Its socket is closed. `hung_up`: by the phone, so that no TwiML is obeyed any more."""
        if hung_up:
            call.pending = None
        return self._after_stream(call, call.stream_callback("stream-stopped", now), now)

    def _after_stream(self, call: Call, told: list[Tell], now: float) -> list[Act]:
        call.order = None
        if call.over:
            return [*told, *call.callback("completed", now)]
        pending, call.pending = call.pending, None
        if pending is not None:
            return [*told, *self.twiml_came(call, *pending, now)]
        return [*told, *self._end(call, Status.COMPLETED, now)]

    def _admit(self, request: Request) -> None:
        if request.authorization != self._authorization:
            raise Refusal(401, BAD_CREDENTIALS, "Authenticate")
        if request.account_sid != self._account_sid:
            raise Refusal(404, NOT_FOUND, "The requested resource was not found.")

    def _faulty(self, request: Request, now: float) -> Answer | None:
        """The fault that this try suffers."""
        faults = self._faults
        if faults.requests and request.name not in faults.requests:
            return None
        nth = self._tries[request.name]
        self._tries[request.name] += 1
        if nth < faults.server_errors:
            return Answer(503, PROXY_PAGE, [])
        nth -= faults.server_errors
        if nth < faults.rate_limited:
            return Answer(429, Refusal(429, TOO_MANY_REQUESTS, "Too Many Requests").body(), [])
        if nth - faults.rate_limited < faults.silent:
            return self._perform(request, now)._replace(silent=True)
        return None

    def _perform(self, request: Request, now: float) -> Answer:
        """Raises `Refusal`."""
        fields = dict(request.fields)
        match request.name:
            case "create":
                events = tuple(value for name, value in request.fields if name == "StatusCallbackEvent")
                return self._create(fields, events, now)
            case "update":
                return self._update(self._call(request.call_sid), fields, now)
            case "list":
                return Answer(200, self._list(fields), [])
            case _:
                return Answer(200, self._call(request.call_sid).resource(), [])

    def _call(self, sid: str) -> Call:
        try:
            return self.calls[sid]
        except KeyError:
            raise Refusal(
                404, NOT_FOUND, f"The requested resource /Calls/{sid}.json was not found."
            ) from None

    def _list(self, fields: Mapping[str, str]) -> dict[str, object]:
        wanted = {name.lower(): fields[name] for name in ("To", "From", "Status") if name in fields}
        resources = [call.resource() for call in self.calls.values()]
        found = [one for one in resources if wanted.items() <= one.items()]
        return {"calls": found, "page": 0, "page_size": len(found), "next_page_uri": None}

    def _create(self, fields: dict[str, str], events: tuple[str, ...], now: float) -> Answer:
        check_create(fields, events)
        call = Call(self._account_sid, fields["From"], fields["To"], now, fields, events or ("completed",))
        call.direction = "outbound-api"
        self.calls[call.sid] = call
        created = call.resource()
        call.gives_up_at = now + int(fields.get("Timeout", "60"))
        if self._callee.answers_after_s is not None:
            call.answers_at = now + self._callee.answers_after_s
        told = call.callback("initiated", now, "initiated")
        call.enter(Status.RINGING)
        return Answer(201, created, [*told, *call.callback("ringing", now)])

    def _update(self, call: Call, fields: dict[str, str], now: float) -> Answer:
        check_update(fields)
        if call.over:
            raise Refusal(400, NOT_IN_PROGRESS, "Call is not in-progress. Cannot redirect.")
        acts: list[Act] = []
        if (status := fields.get("Status")) is not None:
            if status == "canceled" and call.status is Status.IN_PROGRESS:
                raise Refusal(400, NOT_IN_PROGRESS, "Call is in-progress. Cannot cancel.")
            acts = self._end(call, Status(status), now)
        elif call.status is not Status.IN_PROGRESS:
            raise Refusal(400, NOT_IN_PROGRESS, "Call is not in-progress. Cannot redirect.")
        else:
            call.fields |= fields
            acts = self._seek_twiml(call, fields, now)
        return Answer(200, call.resource(), acts)

    def _seek_twiml(self, call: Call, fields: Mapping[str, str], now: float) -> list[Act]:
        """From `Url`, or else as it was given."""
        if (url := fields.get("Url")) is not None:
            return [Ask(call.sid, url, fields.get("Method", "POST"), call.form())]
        return self.twiml_came(call, fields["Twiml"].encode(), "", now)

    def _answered(self, call: Call, now: float) -> None:
        call.enter(Status.IN_PROGRESS)
        call.answers_at = call.gives_up_at = None
        call.answered_at = now

    def _due(self, call: Call, now: float) -> list[Act]:
        if call.answers_at is not None and call.answers_at <= now:
            refuses = self._callee.refuses
            return self._end(call, Status(refuses), now) if refuses else self._pick_up(call, now)
        if call.gives_up_at is not None and call.gives_up_at <= now:
            return self._end(call, Status.NO_ANSWER, now)
        if call.judged_at is not None and call.judged_at <= now:
            return self._judge(call, now)
        return []

    def _pick_up(self, call: Call, now: float) -> list[Act]:
        self._answered(call, now)
        acts: list[Act] = [*call.callback("answered", now)]
        if call.detects:
            call.judged_at = now + self._callee.verdict_after_s
        if not call.waits_for_verdict:
            acts += self._seek_twiml(call, call.fields, now)
        return acts

    def _judge(self, call: Call, now: float) -> list[Act]:
        call.judged_at = None
        call.answered_by = call.verdict(self._callee.answered_by)
        if call.waits_for_verdict:
            return self._seek_twiml(call, call.fields, now)
        if (url := call.fields.get("AsyncAmdStatusCallback")) is None:
            return []
        took_ms = round(self._callee.verdict_after_s * 1000)
        form = {
            "AccountSid": call.account_sid,
            "CallSid": call.sid,
            "AnsweredBy": call.answered_by,
            "MachineDetectionDuration": str(took_ms),
        }
        return [Tell(url, call.fields.get("AsyncAmdStatusCallbackMethod", "POST"), form)]

    def _end(self, call: Call, status: Status, now: float) -> list[Act]:
        """Its callback waits for the end of the stream."""
        call.enter(status)
        call.ended_at = now
        call.answers_at = call.gives_up_at = call.judged_at = call.pending = None
        return [EndStream(call.sid)] if call.order is not None else [*call.callback("completed", now)]
