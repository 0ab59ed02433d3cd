"""One call of the simulated Telnyx: its states, its deadlines, and its events for the webhook.

Wire: Telnyx, "Receiving webhooks". Times are Unix seconds, passed in.
"""

import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee
from bridge.simulators.carriers.telnyx.stream_session import StreamRequest

PREMIUM_VERDICTS = {"human": "human_residence"}
GREETING_ENDS = {"detect_beep": "beep_detected", "detect_words": "ended", "greeting_end": "ended"}
SIP_CAUSES = {"normal_clearing": "200", "user_busy": "486", "call_rejected": "603", "not_found": "404"}


class CallState(StrEnum):
    """The state of a call."""

    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


NEXT = {
    CallState.RINGING: {CallState.ANSWERED, CallState.ENDED},
    CallState.ANSWERED: {CallState.ENDED},
    CallState.ENDED: set[CallState](),
}


def new_call_id() -> str:
    """A new call control id, with characters that must be encoded in a path."""
    return f"v3:{secrets.token_urlsafe(21)}/{secrets.token_urlsafe(6)}+=="


def written(unix_time: float) -> str:
    """A time as Telnyx writes it: ISO 8601 in UTC, with microseconds."""
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(slots=True, eq=False)
class TelnyxCall:
    """One call. `incoming`: it was not dialled by a command. `body`: of the command that dialled or answered it."""

    caller: str
    called: str
    connection_id: str
    webhook_url: str
    began: float
    incoming: bool = True
    body: Mapping[str, Any] = field(default_factory=dict)
    call_control_id: str = field(default_factory=new_call_id)
    call_leg_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    call_session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_state: str | None = None
    state: CallState = CallState.RINGING
    answers_at: float | None = None
    gives_up_at: float | None = None
    judged_at: float | None = None
    """When the result of the machine detection is sent."""
    stream: StreamRequest | None = None
    """The media stream under way."""
    pressed: str = ""
    """All keys that the server sent to the other party; w and W are pauses."""
    bridged_with: str = ""
    """The call that this one talks with."""
    parks: bool = False
    """What this call does when the other one leaves: it stays, silent; otherwise it is hung up."""
    bridges_on_answer: str = ""
    """The call that this one is bridged with as soon as it is answered."""
    transferred_from: str = ""
    """The call whose transfer placed this one."""
    conference_id: str = ""
    queue: str = ""
    agent_at: float | None = None
    """When somebody takes it out of its queue."""
    dequeued_at: float | None = None
    """When it has waited too long in its queue."""
    refers_to: str = ""
    referred_at: float | None = None
    """When it is known how the referral went."""
    supervises: str = ""
    """The call that this one supervises, as its `role` says."""
    role: str = ""
    cause: str = ""
    source: str = ""
    ended_at: float = 0.0

    def enter(self, state: CallState) -> None:
        """Change the state. Asserts that the table allows it: commands are checked before."""
        assert state in NEXT[self.state], f"a call that is {self.state} cannot become {state}"
        self.state = state

    def deadlines(self) -> Iterator[float]:
        """When something is due, in no order."""
        own = self.answers_at, self.gives_up_at, self.judged_at
        times = *own, self.dequeued_at, self.referred_at, self.agent_at
        return (at for at in times if at is not None)

    @property
    def detects(self) -> str:
        """The kind of machine detection asked for; empty for none."""
        kind: str = self.body.get("answering_machine_detection", "disabled")
        return "" if kind == "disabled" else kind

    def status(self) -> dict[str, Any]:
        """The data that answers a dial command and a status request."""
        data: dict[str, Any] = {
            "record_type": "call",
            "call_control_id": self.call_control_id,
            "call_leg_id": self.call_leg_id,
            "call_session_id": self.call_session_id,
            "client_state": self.client_state,
            "is_alive": self.state is CallState.ANSWERED,
        }
        if self.state is CallState.ENDED:
            data |= {"start_time": written(self.began), "end_time": written(self.ended_at)}
        return data

    def event(self, kind: str, now: float, **payload: Any) -> dict[str, Any]:
        """An event for the webhook, with a new id."""
        return {
            "record_type": "event",
            "event_type": kind,
            "id": str(uuid.uuid4()),
            "occurred_at": written(now),
            "payload": {
                "call_control_id": self.call_control_id,
                "connection_id": self.connection_id,
                "call_leg_id": self.call_leg_id,
                "call_session_id": self.call_session_id,
                "client_state": self.client_state,
                "from": self.caller,
                "to": self.called,
                **payload,
            },
        }

    def initiated(self, now: float) -> dict[str, Any]:
        direction, state = ("incoming", "parked") if self.incoming else ("outgoing", "bridging")
        return self.event("call.initiated", now, direction=direction, state=state)

    def answered(self, now: float) -> dict[str, Any]:
        return self.event("call.answered", now, state="answered", start_time=written(now))

    def hangup(self, now: float) -> dict[str, Any]:
        return self.event(
            "call.hangup",
            now,
            state="hangup",
            hangup_cause=self.cause,
            hangup_source=self.source,
            sip_hangup_cause=SIP_CAUSES.get(self.cause, "unspecified"),
            start_time=written(self.began),
            end_time=written(self.ended_at),
            call_quality_stats=None,
        )

    def verdicts(self, callee: TelnyxCallee, now: float) -> list[dict[str, Any]]:
        """The events of the machine detection: who answered, and if a machine did, that its greeting ended."""
        found: str = callee.answered_by
        if self.detects == "premium":
            found = PREMIUM_VERDICTS.get(found, found)
            events = [self.event("call.machine.premium.detection.ended", now, result=found)]
            greeting, ends = "call.machine.premium.greeting.ended", "beep_detected"
        else:
            found = found if found in ("human", "machine") else "not_sure"
            events = [self.event("call.machine.detection.ended", now, result=found)]
            greeting, ends = "call.machine.greeting.ended", GREETING_ENDS.get(self.detects, "")
        if found == "machine" and ends:
            events.append(self.event(greeting, now, result=ends))
        return events
