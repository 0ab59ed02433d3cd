"""The supervisor of one call whom the bridge mixes with it: whom to call, on which leg they are, and what they do in the room.

No clock: the call bounds how long the carrier may take.
"""

from bridge.core.supervision import Supervisor
from bridge.vocabulary.commands import Command
from bridge.vocabulary.room import DismissMember, Member, Role
from bridge.vocabulary.supervision import (
    CallSupervisor,
    EndSupervision,
    SuperviseRequested,
    SupervisionRefused,
    SupervisorRole,
)
from telecodecs.format import AudioFormat

ROLES = {
    SupervisorRole.LISTEN: Role.LISTENS,
    SupervisorRole.WHISPER: Role.WHISPERS,
    SupervisorRole.BARGE: Role.TALKS,
}
"""In the words of a room."""


class MixedSupervisor:
    """One supervisor, called `name`, from the request until they are gone. `one`: what the settings say of them."""

    def __init__(self, name: str, one: Supervisor) -> None:
        self.name = name
        self.leg = ""
        """The leg of who answered; empty before."""
        self.line: AudioFormat | None = None
        """The format of the frames of this leg, while its stream is there."""
        self.role = Role.LISTENS
        self.to: Member | None = None
        """Who hears a whisper."""
        self.calls_in = False
        """Whether they call us: they are waited for, or have called."""
        self.waits_since = 0.0
        """Since when their call is waited for."""
        self._one = one
        self._group = -1

    @property
    def ring_s(self) -> float:
        """How long a group rings."""
        return self._one.ring_s

    @property
    def has_next(self) -> bool:
        """Whether there is a group that was not called yet."""
        return not self.calls_in and self._group + 1 < len(self._one.groups)

    @property
    def waits(self) -> bool:
        """Whether their call is waited for."""
        return self.calls_in and not self.leg

    def end(self, why: str) -> Command:
        """Hang up on them; of a call that did not come the journal is told."""
        if not self.calls_in:
            return EndSupervision(self.name, why)
        return DismissMember(self.leg, why) if self.leg else SupervisionRefused(self.name, why)

    def does(self, event: SuperviseRequested, to: Member) -> None:
        """The supervisor is to have another role. `to`: who hears a whisper."""
        self.role = ROLES[event.role]
        self.to = to if self.role is Role.WHISPERS else None

    def call_next(self) -> CallSupervisor | None:
        """Call the next group; None: there is none."""
        self._group += 1
        self.leg = ""
        one = self._one
        if self._group >= len(one.groups):
            return None
        return CallSupervisor(self.name, one.groups[self._group], one.from_, one.ring_s)
