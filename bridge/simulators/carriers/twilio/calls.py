"""One call of the simulated Twilio: its status, its deadlines, and its forms for webhooks and callbacks.

Wire: Twilio, "Call resource". Times are Unix seconds, passed in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from math import ceil
from typing import Any

from bridge.simulators.carriers.twilio.actions import Action, Form, SendCallback
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee
from bridge.simulators.carriers.twilio.media import new_sid
from bridge.simulators.carriers.twilio.voice_webhook import call_form
from bridge.simulators.carriers.voice_documents import Conference, Dial, Enqueue, Refer, Target, Verb
from bridge.simulators.carriers.voice_xml import StreamElement


@dataclass(slots=True)
class Dialling:
    """A `<Dial>` under way. `left`: those not called yet. `ringing`: sids of the calls that ring."""

    verb: Dial
    left: list[Target] = field(default_factory=list)
    ringing: list[str] = field(default_factory=list)
    with_sid: str = ""
    """The call that the caller talks with."""
    since: float = 0.0
    status: str = "no-answer"
    """`DialCallStatus` if nothing more happens."""
    last_sid: str = ""


class CallStatus(StrEnum):
    """The status of a call, as Twilio names it."""

    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"


OVER = frozenset(
    {CallStatus.COMPLETED, CallStatus.BUSY, CallStatus.FAILED, CallStatus.NO_ANSWER, CallStatus.CANCELED}
)

NEXT: dict[CallStatus, frozenset[CallStatus]] = {
    CallStatus.QUEUED: OVER | {CallStatus.RINGING},
    CallStatus.RINGING: OVER | {CallStatus.IN_PROGRESS},
    CallStatus.IN_PROGRESS: frozenset({CallStatus.COMPLETED}),
    **{status: frozenset() for status in OVER},
}


def written(unix_time: float) -> str:
    """A time as Twilio writes it (RFC 2822)."""
    return format_datetime(datetime.fromtimestamp(int(unix_time), UTC))


@dataclass(slots=True, eq=False)
class TwilioCall:
    """One call. `fields`: of the request that created it; empty for an inbound call."""

    account_sid: str
    caller: str
    called: str
    began: float
    fields: dict[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ("completed",)
    """The events that `StatusCallback` gets."""
    sid: str = field(default_factory=lambda: new_sid("CA"))
    direction: str = "inbound"
    token: str = ""
    """`CallToken` of an inbound call: with it another call may show this one's caller."""
    status: CallStatus = CallStatus.QUEUED
    answered_by: str = ""
    answered_at: float | None = None
    ended_at: float | None = None
    answers_at: float | None = None
    gives_up_at: float | None = None
    judged_at: float | None = None
    """When it is known who answered."""
    stream: StreamElement | None = None
    """The media stream under way."""
    stream_sid: str = ""
    pending: tuple[bytes, str] | None = None
    """TwiML that waits for the stream to end, and the URL it came from."""
    trouble: str = ""
    """Why no stream was opened."""
    verbs: list[Verb] = field(default_factory=list)
    """Of the call's document, those that come next."""
    dialling: Dialling | None = None
    """The `<Dial>` under way."""
    parent_sid: str = ""
    """The call whose `<Dial>` placed this one."""
    room: str = ""
    """Sid of the conference that the call is in."""
    joins: Conference | None = None
    """The conference that the call joins when it is answered, as a participant that was added by a request."""
    waits: Enqueue | None = None
    """The `<Enqueue>` under way."""
    queued_at: float = 0.0
    agent_at: float | None = None
    """When somebody takes the call out of its queue."""
    taken: tuple[Enqueue, float] | None = None
    """The `<Enqueue>` out of which somebody has taken the call, and for how long it was there."""
    refers: Refer | None = None
    """The `<Refer>` under way."""
    referred_at: float | None = None
    """When it is known what came of it."""
    resumes_at: float | None = None
    """When a `<Pause>` is over."""
    listens: bool = False
    """A stream goes on beside the document."""
    callbacks: int = 0
    """How many status callbacks were sent."""

    def enter(self, status: CallStatus) -> None:
        """Change the status. Asserts that the table allows it: requests are checked before."""
        assert status in NEXT[self.status], f"a call that is {self.status} cannot become {status}"
        self.status = status

    @property
    def over(self) -> bool:
        return self.status in OVER

    @property
    def waits_for_verdict(self) -> bool:
        """Whether the TwiML is fetched only when it is known who answered."""
        return self.detects and self.fields.get("AsyncAmd") != "true"

    @property
    def detects(self) -> bool:
        return "MachineDetection" in self.fields and "SendDigits" not in self.fields

    @property
    def duration_s(self) -> int:
        return (
            0 if self.answered_at is None or self.ended_at is None else ceil(self.ended_at - self.answered_at)
        )

    def deadlines(self) -> Iterator[float]:
        """When something is due, in no order."""
        own = self.answers_at, self.gives_up_at, self.judged_at, self.resumes_at
        times = *own, self.agent_at, self.referred_at
        return (at for at in times if at is not None)

    def verdict(self, answered_by: str) -> str:
        """The value of `AnsweredBy`."""
        if answered_by != "machine":
            return answered_by
        return "machine_start" if self.fields["MachineDetection"] == "Enable" else "machine_end_beep"

    def base_form(self) -> dict[str, str]:
        """The form fields that each webhook begins with."""
        return call_form(
            call_sid=self.sid, account_sid=self.account_sid, caller=self.caller, called=self.called
        )

    def form(self) -> dict[str, str]:
        """The form fields of every webhook and callback."""
        form = self.base_form()
        form |= {"CallStatus": self.status.value, "Direction": self.direction}
        if self.token:
            form["CallToken"] = self.token
        if self.parent_sid:
            form["ParentCallSid"] = self.parent_sid
        return form | {"AnsweredBy": self.answered_by} if self.answered_by else form

    def callback(self, event: str, now: float, status: str = "") -> list[SendCallback]:
        """The status callback of an event; nothing if it was not asked for."""
        url = self.fields.get("StatusCallback", "")
        if not url or event not in self.events:
            return []
        form = self.form() | {
            "CallStatus": status or self.status.value,
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self.callbacks),
            "Timestamp": written(now),
        }
        if self.over:
            form |= {"CallDuration": str(self.duration_s), "Duration": str(ceil(self.duration_s / 60))}
        self.callbacks += 1
        return [SendCallback(url, self.fields.get("StatusCallbackMethod", "POST"), form)]

    def stream_callback(self, event: str, now: float, error: str = "") -> list[SendCallback]:
        """The stream's own callback (`stream-started`, `stream-stopped`, `stream-error`); nothing if it has none."""
        if self.stream is None or not self.stream.status_callback:
            return []
        form: Form = {
            "AccountSid": self.account_sid,
            "CallSid": self.sid,
            "StreamSid": self.stream_sid,
            "StreamName": self.stream.name or self.stream_sid,
            "StreamEvent": event,
            "Timestamp": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            **({"StreamError": error} if error else {}),
        }
        return [SendCallback(self.stream.status_callback, "POST", form)]

    def resource(self) -> dict[str, Any]:
        """The call as the REST API returns it."""
        began = self.answered_at
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "from": self.caller,
            "to": self.called,
            "direction": self.direction,
            "parent_call_sid": self.parent_sid or None,
            "status": self.status.value,
            "answered_by": self.answered_by or None,
            "date_created": written(self.began),
            "start_time": None if began is None else written(began),
            "end_time": None if self.ended_at is None else written(self.ended_at),
            "duration": str(self.duration_s) if self.over else None,
            "uri": f"/2010-04-01/Accounts/{self.account_sid}/Calls/{self.sid}.json",
        }


def place(
    call: TwilioCall, fields: dict[str, str], events: tuple[str, ...], callee: TwilioCallee, now: float
) -> list[Action]:
    """Place a call that a request has created. `fields`, `events`: of the request, checked."""
    call.fields, call.events, call.direction = fields, events or ("completed",), "outbound-api"
    call.gives_up_at = now + int(fields.get("Timeout", "60"))
    if callee.answers_after_s is not None:
        call.answers_at = now + callee.answers_after_s
    told = call.callback("initiated", now, "initiated")
    call.enter(CallStatus.RINGING)
    return [*told, *call.callback("ringing", now)]
