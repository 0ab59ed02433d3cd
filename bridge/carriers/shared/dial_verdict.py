"""What a `<Dial>` came to, by the form with which the carrier asks how the call goes on. No socket, no clock.

Source: Twilio, "TwiML Voice: <Dial>", `DialCallStatus`; TeXML has the same. Units: seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.carriers.shared.called_people import CalledPeople
from bridge.vocabulary.people import Nobody, NobodyReached, PeopleJoined, PersonLeft

WHY: dict[str, Nobody] = {
    "busy": Nobody.BUSY,
    "no-answer": Nobody.NO_ANSWER,
    "canceled": Nobody.NO_ANSWER,
    "failed": Nobody.FAILED,
}
"""By `CallStatus` and `DialCallStatus`, of a leg that nobody answered."""

MACHINES = ("machine", "fax")
"""What the values of `AnsweredBy` begin with that are no person."""

LONGEST_S = 86_400.0
"""A longer talk is not believed."""


@dataclass(slots=True)
class Dial:
    """A `<Dial>` that a call was given. `handle`: what its `action` has."""

    handle: str
    called: CalledPeople
    is_room: bool
    is_machine: bool = False
    in_room: frozenset[str] = frozenset()
    """Who has joined the conference."""
    room: str = ""
    """The name of the conference."""

    def verdict(self, form: Mapping[str, str], now: float) -> NobodyReached | PersonLeft | PeopleJoined:
        """What the core is told when the dial has ended, and the caller is still there."""
        status = form.get("DialCallStatus", "")
        if self.is_machine and not self.called.is_joining_told:
            return NobodyReached(Nobody.MACHINE, self.called.request_id)
        if not self.is_room and not self.called.is_joined and status in WHY:
            return NobodyReached(WHY[status], self.called.request_id)
        leg = self.called.answered_leg or form.get("DialCallSid", "")
        return PersonLeft(leg, self.called.joined_s(now) or _duration_s(form))


def _duration_s(form: Mapping[str, str]) -> float:
    told = form.get("DialCallDuration", "")
    return min(float(told), LONGEST_S) if told.isascii() and told.isdigit() else 0.0
