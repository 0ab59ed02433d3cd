"""All handovers under Call Control on one server: the webhooks of a person's leg find theirs by the handle in its state.

Units: seconds. No clock: `now` is passed in.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from bridge.carriers.shared.webhooks import CallHost
from bridge.carriers.telnyx.elsewhere import Owner
from bridge.carriers.telnyx.events import CallEvent
from bridge.carriers.telnyx.handover import TelnyxHandover
from bridge.carriers.telnyx.person_state import PersonState
from bridge.carriers.telnyx.phone_call import PhoneCall, Step
from bridge.carriers.telnyx.rest import TelnyxApi

MOST = 10_000
"""Handles kept at a time, and as many calls. The oldest go whose calls are over."""

LOOKED_AT = 100
"""How many of the oldest are looked at for one whose call is over."""


class Handovers:
    """Those of the calls that can go to a person. `send`: sends steps of a phone call."""

    def __init__(
        self,
        host: CallHost,
        api: TelnyxApi,
        send: Callable[[str, PhoneCall, list[Step], float], None],
    ) -> None:
        self._host = host
        self._api = api
        self._send = send
        self._by_call: OrderedDict[str, TelnyxHandover] = OrderedDict()
        self._by_handle: OrderedDict[str, tuple[str, TelnyxHandover]] = OrderedDict()

    def of(self, call_id: str, phone_call: PhoneCall) -> TelnyxHandover:
        """Those of this call."""
        if (handover := self._by_call.get(call_id)) is None:
            if len(self._by_call) >= MOST:
                self._forget_oldest()
            registered = partial(self._register, call_id)
            owner = Owner(call_id, phone_call, partial(self._send, call_id, phone_call), registered)
            handover = self._by_call[call_id] = TelnyxHandover(self._host, self._api, owner)
        return handover

    def _register(self, call_id: str, handle: str) -> None:
        if len(self._by_handle) >= MOST:
            self._by_handle.popitem(last=False)
        self._by_handle[handle] = call_id, self._by_call[call_id]

    def _forget_oldest(self) -> None:
        for call_id in list(self._by_call)[:LOOKED_AT]:
            if not self._host.is_under_way(call_id):
                del self._by_call[call_id]
                return
            self._by_call.move_to_end(call_id)

    def leg_says(self, state: PersonState, event: CallEvent, now: float) -> bool:
        """The leg of a person has come so far. Returns whether its call is known; if not, the leg is hung up on."""
        if (found := self._by_handle.get(state.handle)) is not None:
            found[1].handle(state.handle, event, now)
            return True
        if event.type in ("call.initiated", "call.answered"):
            self._host.log("warning", "= nobody knows the call of this person", call_id=event.call_id)
            self._host.send(self._api.hang_up(event.call_id, self._host.unique_id()))
        return False

    def caller_says(self, event: CallEvent, now: float) -> None:
        """The call of a caller has come so far."""
        handover = self._by_call.get(event.call_id)
        if handover is not None:
            handover.elsewhere.handle(event, now)
        if handover is not None and event.type == "call.bridged":
            handover.bridged(now)
        elif handover is not None and event.type == "call.hangup":
            handover.caller_gone()

    def close(self) -> None:
        """The server closes: nobody is left ringing, or being briefed."""
        for handover in self._by_call.values():
            handover.server_closes()

    def deadline(self) -> float | None:
        """When `due` wants to be called."""
        dues = (one.due_at for one in self._by_call.values() if one.due_at is not None)
        return min(dues, default=None)

    def due(self, now: float) -> None:
        """No verdict came in time on those who are called."""
        for handover in list(self._by_call.values()):
            if handover.due_at is not None and handover.due_at <= now:
                handover.due(now)
