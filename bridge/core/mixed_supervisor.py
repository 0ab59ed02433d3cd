"""The supervisor of one call whom the bridge mixes with it: whom to call, on which leg they are, and what they do in the room.

No clock: the call bounds how long the carrier may take.
"""

from bridge.core.supervision import Supervisor
from bridge.vocabulary.room import Member, Role
from bridge.vocabulary.supervision import CallSupervisor, SuperviseRequested, SupervisorRole
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
        self._one = one
        self._group = -1

    @property
    def ring_s(self) -> float:
        """How long a group rings."""
        return self._one.ring_s

    @property
    def has_next(self) -> bool:
        """Whether there is a group that was not called yet."""
        return self._group + 1 < len(self._one.groups)

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
