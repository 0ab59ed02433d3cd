"""Where a carrier takes the caller by itself: a queue of its own, or a referral to another line. The core's terms for it.

Nobody there is a leg of ours: the caller's stream ends, and the carrier says what became of the caller.
"""

from dataclasses import dataclass
from typing import Literal

from bridge.vocabulary.commands import Command
from bridge.vocabulary.people import EnterQueue, JoinPerson, PutThrough, ReferCaller

REFER_S = 60.0
"""For the carrier to say what became of a referral: as long as another telephone may ring."""

NEED_STREAM = PutThrough | EnterQueue | ReferCaller | JoinPerson
"""The commands for which the caller's stream is closed, where that is in the carrier's way."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One of them. `to`: the name of a queue, or a SIP address. `carrier`: whose queue it is; empty: any carrier can."""

    kind: Literal["queue", "refer"]
    to: str
    carrier: str = ""

    @property
    def needs(self) -> type[EnterQueue | ReferCaller]:
        """The command that the carrier has to perform."""
        return EnterQueue if self.kind == "queue" else ReferCaller

    def command(self, person: str, request_id: str) -> Command:
        """Take the caller there, for the person of this name."""
        return self.needs(person, self.to, request_id)

    def until(self, now: float) -> float | None:
        """When a word of it should have come, in seconds; None: whoever has a queue says how long callers wait there."""
        return None if self.kind == "queue" else now + REFER_S


Group = tuple[str, ...] | Elsewhere
"""Whom to call, all at the same time; or where the carrier takes the caller by itself."""
