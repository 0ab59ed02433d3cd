"""What Telnyx can do to a call under Call Control beside its stream; a call under TeXML has its documents instead.

A new command is one row in `_STEPS`, and what it means for a `PhoneCall`; one of a handover is a row in `_OF_PEOPLE`.
No clock: `now` is seconds, passed in.
"""

from collections.abc import Callable, Sequence
from typing import Any

from bridge.carriers.telnyx.handover import TelnyxHandover
from bridge.carriers.telnyx.phone_call import PhoneCall, Step
from bridge.carriers.telnyx.supervision import TelnyxSupervision
from bridge.vocabulary.commands import ControlCommand, PressKeys
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    EnterQueue,
    JoinPerson,
    PutThrough,
    ReferCaller,
    ReleasePerson,
    TakeBack,
)
from bridge.vocabulary.supervision import CallSupervisor, ChangeSupervisor, EndSupervision, Supervise


def _press(phone_call: PhoneCall, command: PressKeys, _now: float) -> list[Step]:
    return phone_call.press(command.keys)


_STEPS: dict[type[ControlCommand], Callable[[PhoneCall, Any, float], list[Step]]] = dict(
    [on(PressKeys, _press)]
)
"""The steps of the phone call that each command becomes."""

_OF_PEOPLE: dict[type[ControlCommand], Callable[[TelnyxHandover, Any, float], list[Step]]] = dict(
    [
        on(CallPeople, TelnyxHandover.call_people),
        on(PutThrough, TelnyxHandover.call_people),
        on(EnterQueue, TelnyxHandover.go_elsewhere),
        on(ReferCaller, TelnyxHandover.go_elsewhere),
        on(BriefPerson, TelnyxHandover.brief),
        on(JoinPerson, TelnyxHandover.join),
        on(ReleasePerson, TelnyxHandover.release),
        on(TakeBack, TelnyxHandover.take_back),
    ]
)
"""The same for the commands of a handover."""

_OF_SUPERVISION: dict[type[ControlCommand], Callable[[TelnyxSupervision, Any, float], list[Step]]] = dict(
    [
        on(Supervise, TelnyxSupervision.supervise),
        on(CallSupervisor, TelnyxSupervision.call),
        on(ChangeSupervisor, TelnyxSupervision.change),
        on(EndSupervision, TelnyxSupervision.end),
    ]
)
"""The same for those of supervisors."""


class TelnyxCallControl:
    """The control of one call; see `contracts.CallControl`. `send` sends steps of the phone call.

    `handover`: of a call that can go to a person.
    """

    def __init__(
        self,
        phone_call: PhoneCall,
        send: Callable[[Sequence[Step], float], None],
        handover: TelnyxHandover | None = None,
    ) -> None:
        self.can: frozenset[type[ControlCommand]] = frozenset(_STEPS)
        if handover is not None:
            self.can |= frozenset(_OF_PEOPLE) | frozenset(_OF_SUPERVISION)
        self._phone_call = phone_call
        self._send = send
        self._handover = handover

    def perform(self, command: ControlCommand, now: float) -> None:
        """Send the steps that this command becomes."""
        kind = type(command)
        if kind in _STEPS:
            self._send(_STEPS[kind](self._phone_call, command, now), now)
            return
        assert self._handover is not None, "without it the command is not among those that it can"
        if kind in _OF_SUPERVISION:
            self._send(_OF_SUPERVISION[kind](self._handover.supervision, command, now), now)
            return
        self._send(_OF_PEOPLE[kind](self._handover, command, now), now)

    def hang_up(self, _end: StreamEnd, now: float) -> None:
        """End the call however its stream ended: Telnyx keeps a call whose stream is over (Telnyx, "Media streaming
        over WebSockets"), and the caller would hear nothing.
        """
        if self._handover is not None:
            self._handover.session_over()
        self._send(self._phone_call.stream_over(), now)
