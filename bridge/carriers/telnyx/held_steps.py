"""The steps of phone calls that wait while the address of [before_call] is asked what is to become of the call.

To answer the call and to start its stream wait; to hang up, or to reject the call, does not.
"""

from collections.abc import Sequence

from bridge.carriers.telnyx.phone_call import Answer, StartStreaming, Step


class HeldSteps:
    """The steps that wait, by call."""

    def __init__(self) -> None:
        self._held: dict[str, list[Step]] = {}

    def hold(self, call_id: str) -> None:
        """From now on the call's steps wait."""
        self._held.setdefault(call_id, [])

    def pass_on(self, call_id: str, steps: Sequence[Step]) -> Sequence[Step]:
        """Those of a call's steps that are to be done now; the others wait for `release`."""
        held = self._held.get(call_id)
        if held is None:
            return steps
        held += [step for step in steps if isinstance(step, Answer | StartStreaming)]
        return [step for step in steps if not isinstance(step, Answer | StartStreaming)]

    def release(self, call_id: str) -> list[Step]:
        """The steps that have waited; from now on none of the call's waits."""
        return self._held.pop(call_id, [])
