"""How calls of the simulated Telnyx come together without a conference: bridge, transfer, queue, referral, supervisors.

Wire: Telnyx, "Bridge calls", "Transfer call", "Enqueue call", "SIP Refer a call", "Switch supervisor role". Times are
Unix seconds, passed in. Not confirmed for the real service, and played as written here: a stream goes on while its call
is bridged; a call dialled with `link_to` rings on when the linked one ends; a supervisor may join a call that is alone.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bridge.simulators.carriers.room import MUSIC, RINGBACK, Member, hearing
from bridge.simulators.carriers.telnyx.actions import Action, DeliverWebhook
from bridge.simulators.carriers.telnyx.calls import CallState, TelnyxCall
from bridge.simulators.carriers.telnyx.checks import (
    CALL_ENDED,
    INVALID_CALL,
    INVALID_VALUE,
    NOT_ANSWERED,
    TITLES,
    TelnyxRefusal,
)
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee

NOT_ANSWERED_YET = "This call can't receive this command because it has not been answered yet."
SIP_FAILURES = {"user_busy": 486, "call_rejected": 603, "not_found": 404}

End = Callable[[TelnyxCall, str, float], list[Action]]
"""Ends a call: the call, the cause, the time."""


class Bridges:
    """What belongs together in one account. `calls`: all of them, by id. `callee`: who answers an address.

    `has_agent`: whether somebody serves the queue at this address, `queue:NAME`; `callee` says when.
    """

    def __init__(
        self,
        calls: dict[str, TelnyxCall],
        end: End,
        callee: Callable[[str], TelnyxCallee],
        has_agent: Callable[[str], bool] = lambda _address: False,
    ) -> None:
        self._has_agent = has_agent
        self._calls = calls
        self._end = end
        self._callee = callee
        self._queues: dict[str, list[str]] = {}

    def hearing(self) -> dict[str, frozenset[str]]:
        """What each call hears of others: of its bridge, its supervisors, its queue."""
        heard: dict[str, frozenset[str]] = {}
        talking = [call for call in self._calls.values() if call.state is CallState.ANSWERED]
        for call in talking:
            if call.queue:
                heard[call.call_control_id] = frozenset({MUSIC})
            elif any(self._rings_for(other, call) for other in self._calls.values()):
                heard[call.call_control_id] = frozenset({RINGBACK})
        for call in talking:
            watched = [one for one in talking if one.supervises == call.call_control_id]
            if not call.bridged_with and not watched:
                continue
            members = {call.call_control_id: Member()}
            if call.bridged_with:
                members[call.bridged_with] = Member()
                watched += [one for one in talking if one.supervises == call.bridged_with]
            heard |= hearing(members | {one.call_control_id: _supervisor(one) for one in watched})
        return heard

    def answered(self, call: TelnyxCall, now: float) -> list[Action]:
        """A call is answered: it is bridged, if that was asked for."""
        other = self._calls.get(call.bridges_on_answer)
        if other is None:
            return []
        if other.state is not CallState.ANSWERED:
            return self._end(call, "normal_clearing", now)
        return self._join(other, call, now)

    def over(self, call: TelnyxCall, now: float) -> list[Action]:
        """A call has ended. The one that it talked with is hung up, unless it parks; its supervisors are."""
        actions: list[Action] = []
        name = call.call_control_id
        if call.queue:
            self._queues[call.queue].remove(name)
            call.queue, call.dequeued_at, call.agent_at = "", None, None
        call.referred_at = None
        other = self._calls.get(call.bridged_with)
        if other is not None:
            actions += self.unbridge(call, now)
        for one in [*self._calls.values()]:
            supervises = one.supervises == name and one.state is not CallState.ENDED
            if supervises or (one.state is CallState.RINGING and one.transferred_from == name):
                cause = "normal_clearing" if supervises else "originator_cancel"
                actions += self._end(one, cause, now)
        return actions

    def unbridge(self, call: TelnyxCall, now: float) -> list[Action]:
        """A call leaves its bridge, if it is in one; the other one parks or is hung up."""
        other = self._calls.get(call.bridged_with)
        if other is None:
            return []
        call.bridged_with = other.bridged_with = ""
        return (
            [] if other.parks or other.state is CallState.ENDED else self._end(other, "normal_clearing", now)
        )

    # Commands

    def bridge(self, call: TelnyxCall, body: dict[str, Any], now: float) -> list[Action]:
        """Bridge the call with the one in `call_control_id`, or with the first of a queue."""
        if "queue" in body:
            waiting = self._queues.get(body["queue"], [])
            if not waiting:
                raise TelnyxRefusal(INVALID_VALUE, "queue: nobody waits in it", field="queue")
            other = self._calls[waiting[0]]
        else:
            other = self._other(body["call_control_id"], "call_control_id")
        if other is call:
            raise TelnyxRefusal(
                INVALID_VALUE, "a call cannot be bridged with itself", field="call_control_id"
            )
        for one in (call, other):
            if one.state is not CallState.ANSWERED:
                raise TelnyxRefusal(NOT_ANSWERED, NOT_ANSWERED_YET)
            if one.bridged_with and body.get("prevent_double_bridge"):
                raise TelnyxRefusal(
                    INVALID_VALUE, "the call is bridged already", field="prevent_double_bridge"
                )
        call.parks = body.get("park_after_unbridge") == "self"
        return self._join(call, other, now)

    def enqueue(self, call: TelnyxCall, body: dict[str, Any], now: float) -> list[Action]:
        """The call waits in a queue."""
        _must_be_answered(call)
        left = self.unbridge(call, now)
        call.queue = body["queue_name"]
        waiting = self._queues.setdefault(call.queue, [])
        waiting.append(call.call_control_id)
        if "max_wait_time_secs" in body:
            call.dequeued_at = now + body["max_wait_time_secs"]
        address = f"queue:{call.queue}"
        if self._has_agent(address) and (after_s := self._callee(address).answers_after_s) is not None:
            call.agent_at = now + after_s
        event = call.event("call.enqueued", now, queue=call.queue, current_position=len(waiting))
        return [*left, DeliverWebhook(call.webhook_url, event)]

    def agent_takes(self, call: TelnyxCall, now: float) -> list[Action]:
        """Somebody who serves the queue takes the call out of it, on a leg of their own."""
        agent = TelnyxCall(
            call.called, f"queue:{call.queue}", call.connection_id, call.webhook_url, now, incoming=False
        )
        agent.enter(CallState.ANSWERED)
        self._calls[agent.call_control_id] = agent
        return self._join(call, agent, now)

    def leave_queue(self, call: TelnyxCall, _body: dict[str, Any], now: float) -> list[Action]:
        """The call leaves its queue and is parked."""
        if not call.queue:
            raise TelnyxRefusal(INVALID_VALUE, "this call is in no queue")
        return self.dequeue(call, "leave", now)

    def dequeue(self, call: TelnyxCall, reason: str, now: float) -> list[Action]:
        """The call is out of its queue. `reason`: `timeout`, `leave`, `bridged`."""
        self._queues[call.queue].remove(call.call_control_id)
        event = call.event("call.dequeued", now, queue=call.queue, reason=reason)
        call.queue, call.dequeued_at, call.agent_at = "", None, None
        return [DeliverWebhook(call.webhook_url, event)]

    def refer(self, call: TelnyxCall, body: dict[str, Any], now: float) -> list[Action]:
        """The call's party is told to call another address; `call.refer.completed` or `.failed` follows."""
        _must_be_answered(call)
        call.refers_to = body["sip_address"]
        after_s = self._callee(call.refers_to).answers_after_s
        call.referred_at = now + (after_s if after_s is not None else 30.0)
        event = call.event("call.refer.started", now, sip_notify_response=100)
        return [DeliverWebhook(call.webhook_url, event)]

    def referred(self, call: TelnyxCall, now: float) -> list[Action]:
        """It is known how the referral went. If well, the call is over: its party talks elsewhere."""
        callee = self._callee(call.refers_to)
        call.referred_at = None
        status = 408 if callee.answers_after_s is None else SIP_FAILURES.get(callee.refuses or "", 200)
        kind = "call.refer.completed" if status == 200 else "call.refer.failed"
        told = DeliverWebhook(call.webhook_url, call.event(kind, now, sip_notify_response=status))
        return [told, *(self._end(call, "normal_clearing", now) if status == 200 else [])]

    def switch_role(self, call: TelnyxCall, body: dict[str, Any], _now: float) -> list[Action]:
        """A supervisor takes another role."""
        if not call.supervises:
            raise TelnyxRefusal(INVALID_VALUE, "this call supervises no other one")
        call.role = body["role"]
        return []

    def check_dial(self, body: Mapping[str, Any]) -> None:
        """Check what a dial command refers to. Raises `TelnyxRefusal`."""
        for field in ("link_to", "supervise_call_control_id"):
            if field in body:
                self._other(body[field], field)

    def _other(self, name: str, field: str) -> TelnyxCall:
        if name not in self._calls:
            raise TelnyxRefusal(INVALID_CALL, TITLES[INVALID_CALL], field=field)
        other = self._calls[name]
        if other.state is CallState.ENDED:
            raise TelnyxRefusal(
                CALL_ENDED, "This call is no longer active and can't receive commands.", field=field
            )
        return other

    def _join(self, call: TelnyxCall, other: TelnyxCall, now: float) -> list[Action]:
        actions: list[Action] = []
        for one in (call, other):
            if one.bridged_with not in ("", call.call_control_id, other.call_control_id):
                actions += self.unbridge(one, now)
            if one.queue:
                actions += self.dequeue(one, "bridged", now)
        call.bridged_with, other.bridged_with = other.call_control_id, call.call_control_id
        told = [DeliverWebhook(one.webhook_url, one.event("call.bridged", now)) for one in (call, other)]
        return [*actions, *told]

    def _rings_for(self, other: TelnyxCall, call: TelnyxCall) -> bool:
        return other.state is CallState.RINGING and other.transferred_from == call.call_control_id


def _must_be_answered(call: TelnyxCall) -> None:
    if call.state is not CallState.ANSWERED:
        raise TelnyxRefusal(NOT_ANSWERED, NOT_ANSWERED_YET)


def _supervisor(call: TelnyxCall) -> Member:
    match call.role:
        case "barge":
            return Member()
        case "whisper":
            return Member(whispers_to=frozenset({call.supervises}))
        case _:
            return Member(muted=True)
