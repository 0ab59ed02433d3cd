"""Takes one call under Call Control elsewhere by itself, into a queue or to another line, and back.

The caller's stream is ended before, as for a bridge. In a queue the call counts as one that talks with a person: it goes on
without us. Source: Telnyx, "Enqueue call", "Remove call from a queue", "SIP Refer a call"; `call.dequeued`,
`call.refer.completed`, `call.refer.failed`. Whether the caller is parked or hung up on when somebody who took them out of
the queue leaves is that one's affair. Units: seconds. No clock: `now` is passed in.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from bridge.carriers.shared.elsewhere_verdict import why_of_sip
from bridge.carriers.shared.webhooks import CallHost
from bridge.carriers.telnyx.events import DEQUEUED, NOT_REFERRED, REFERRED, CallEvent
from bridge.carriers.telnyx.phone_call import PhoneCall, Step
from bridge.carriers.telnyx.rest import TelnyxApi
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.people import EnterQueue, Nobody, NobodyReached, PeopleJoined, ReferCaller

BRIDGING = frozenset({"bridged", "bridging-in-process"})
"""Reasons of `call.dequeued` after which somebody talks with the caller."""

HANG_UP = "hangup"
"""That of a caller who has hung up, which another webhook says too."""


class Owner(NamedTuple):
    """Whom a handover belongs to. `send`: sends steps of the phone call. `registered`: a leg with this handle is its."""

    call_id: str
    phone_call: PhoneCall
    send: Callable[[list[Step], float], None]
    registered: Callable[[str], None]


class TelnyxElsewhere:
    """Where one call is taken, one place after the other."""

    def __init__(self, host: CallHost, api: TelnyxApi, owner: Owner) -> None:
        self._host = host
        self._api = api
        self._owner = owner
        self._call_id, self._phone_call = owner.call_id, owner.phone_call
        self._command: EnterQueue | ReferCaller | None = None  # what is under way
        self._is_there = False  # the request for it was sent
        self._is_joined = False  # somebody has taken the caller out of the queue
        self._wants_back = False  # once the stream is stopped

    def begin(self, command: EnterQueue | ReferCaller, _now: float) -> list[Step]:
        """End the stream, then take the caller there."""
        self._command = command
        self._is_there = self._is_joined = self._wants_back = False
        self._phone_call.hold()
        self._phone_call.stops_stream()
        self._host.close_stream(self._call_id, "the carrier takes the caller elsewhere")
        stopped = partial(self._stopped, command)
        self._host.send(self._api.stop_streaming(self._call_id, self._host.unique_id()), stopped, stopped)
        return []

    def release(self) -> None:
        """The call is about to end: it is hung up on, in the queue too."""
        if self._command is not None:
            self._command = None
            self._phone_call.parked()

    def take_back(self) -> list[Step]:
        """Have the caller back, once they are out of the queue, or once the stream has ended that is being stopped."""
        if self._command is not None and not self._is_there:
            self._wants_back = True
            return []
        command, self._command = self._command, None
        if not isinstance(command, EnterQueue) or self._is_joined:
            return self._phone_call.take_back()
        self._host.send(
            self._api.leave_queue(self._call_id, self._host.unique_id()),
            self._out_of_queue,
            self._out_of_queue,
        )
        return []

    def handle(self, event: CallEvent, _now: float) -> None:
        """The caller's call has come so far."""
        command = self._command
        if command is None or not self._is_there:
            return
        match event.type:
            case "call.bridged" if isinstance(command, EnterQueue):
                self._is_joined = True
                self._host.tell(self._call_id, PeopleJoined(""))
            case kind if kind == DEQUEUED and not self._is_joined:
                if event.reason not in (*BRIDGING, HANG_UP):
                    self._over(Nobody.NO_ANSWER, _now)
            case kind if kind == REFERRED:
                self._command = None
                self._host.tell(self._call_id, PeopleJoined(""))
            case kind if kind == NOT_REFERRED:
                self._over(why_of_sip(event.sip_response), _now)

    def _stopped(
        self, command: EnterQueue | ReferCaller, _answer: Mapping[str, Any] | CarrierRefused, now: float
    ) -> None:
        """The stream is ended, or will not end: it is tried all the same."""
        if self._command is not command or self._is_there:
            return
        if self._wants_back:
            self._command = None
            self._owner.send(self._phone_call.take_back(), now)
            return
        self._is_there = True
        command_id = self._host.unique_id()
        if isinstance(command, EnterQueue):
            self._phone_call.bridged()  # it goes on by itself, whatever becomes of us
            request = self._api.enqueue(self._call_id, command_id, command.queue)
        else:
            request = self._api.refer(self._call_id, command_id, command.to)
        self._host.send(request, None, partial(self._refused, command))

    def _refused(self, command: EnterQueue | ReferCaller, _why: CarrierRefused, now: float) -> None:
        if self._command is command:
            self._over(Nobody.FAILED, now)

    def _out_of_queue(self, _answer: Mapping[str, Any] | CarrierRefused, now: float) -> None:
        self._owner.send(self._phone_call.take_back(), now)

    def _over(self, why: Nobody, now: float) -> None:
        """The caller is parked."""
        command, self._command = self._command, None
        assert command is not None, "it is under way"
        self._phone_call.parked()
        if self._host.is_under_way(self._call_id):
            self._host.tell(self._call_id, NobodyReached(why, command.request_id))
        else:  # they waited on, and nobody would speak to the caller now
            self._owner.send(self._phone_call.stream_over(), now)
