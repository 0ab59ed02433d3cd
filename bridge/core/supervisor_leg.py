"""The call of the leg of a supervisor whom the bridge mixes: it is in the room as soon as its stream has started.

No clock: `now` is seconds.
"""

from bridge.core.member_call import MemberCall
from bridge.vocabulary.commands import Command


class SupervisorLeg(MemberCall):
    """One leg. There is no briefing, and so nothing to report of one."""

    def _report(self, is_accepted: bool, why: str = "") -> list[Command]:
        return []
