"""What came of a caller whom the carrier has taken elsewhere by itself: into a queue of its own, or to another line.

Source: Twilio, "TwiML Voice: <Enqueue>", `QueueResult`; "TwiML Voice: <Refer>", `ReferCallStatus`; TeXML has the same
fields of a referral, and documents none of a queue. RFC 3261, 21: the codes. Units: seconds. No socket, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.carriers.shared.dial_verdict import LONGEST_S, WHY, Dial
from bridge.vocabulary.people import Nobody, NobodyReached, PeopleJoined, PersonLeft

TALKED = frozenset({"bridged", "redirected-from-bridged"})
"""Values of `QueueResult` of a caller whom somebody took out of the queue."""

OUT_OF_QUEUE: dict[str, Nobody] = {
    "queue-full": Nobody.BUSY,
    "error": Nobody.FAILED,
    "system-error": Nobody.FAILED,
}
"""Those of one whom nobody took; any other one, such as `leave`, means that nobody came in time."""

OF_SIP: dict[int, Nobody] = {
    486: Nobody.BUSY,
    600: Nobody.BUSY,
    403: Nobody.REFUSED,
    603: Nobody.REFUSED,
    408: Nobody.NO_ANSWER,
    480: Nobody.NO_ANSWER,
    487: Nobody.NO_ANSWER,
}
"""By the code with which whoever was called in place of us answered; any other one is a failure."""


def why_of_sip(code: str) -> Nobody:
    """Why a referral came to nothing. `code`: of the answer to the REFER, or of a NOTIFY behind it."""
    return OF_SIP.get(int(code), Nobody.FAILED) if code.isascii() and code.isdigit() else Nobody.FAILED


@dataclass(slots=True)
class InQueue(Dial):
    """An `<Enqueue>` that a call was given. `since`: when the call was to go there."""

    since: float = 0.0

    def verdict(self, form: Mapping[str, str], now: float) -> NobodyReached | PersonLeft | PeopleJoined:
        """What the core is told when the caller is out of the queue, and still there."""
        result, waited = form.get("QueueResult", ""), form.get("QueueTime", "")
        if result not in TALKED:
            return NobodyReached(OUT_OF_QUEUE.get(result, Nobody.NO_ANSWER), self.called.request_id)
        waited_s = float(waited) if waited.isascii() and waited.isdigit() else 0.0
        return PersonLeft("", min(max(0.0, now - self.since - waited_s), LONGEST_S))


@dataclass(slots=True)
class Referral(Dial):
    """A `<Refer>` that a call was given."""

    @staticmethod
    def is_done(form: Mapping[str, str]) -> bool:
        """Whether the caller's telephone talks elsewhere. One that takes a REFER need not report what came of it."""
        status = form.get("ReferCallStatus", "")
        return status in ("in-progress", "completed") or (
            not status and form.get("ReferSipResponseCode", "").startswith("2")
        )

    def verdict(self, form: Mapping[str, str], now: float) -> NobodyReached | PersonLeft | PeopleJoined:
        """What the core is told when it is known what came of it."""
        if self.is_done(form):
            return PeopleJoined("")
        status = form.get("ReferCallStatus", "")
        code = form.get("NotifySipResponseCode") or form.get("ReferSipResponseCode", "")
        why = WHY[status] if status in WHY and status != "failed" else why_of_sip(code)
        return NobodyReached(why, self.called.request_id)
