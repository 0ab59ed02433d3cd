"""What Telnyx can do to a call under Call Control beside its stream; a call under TeXML has none of it.

A new command is one row in `_STEPS`, and what it means for a `PhoneCall`. No clock: `now` is seconds, passed in.
"""

from collections.abc import Callable, Sequence
from typing import Any

from bridge.carriers.telnyx.phone_call import PhoneCall, Step
from bridge.vocabulary.commands import ControlCommand, PressKeys
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.dispatch import on


def _press(phone_call: PhoneCall, command: PressKeys, _now: float) -> list[Step]:
    return phone_call.press(command.keys)


_STEPS: dict[type[ControlCommand], Callable[[PhoneCall, Any, float], list[Step]]] = dict(
    [on(PressKeys, _press)]
)
"""The steps of the phone call that each command becomes."""


class TelnyxCallControl:
    """The control of one call; see `contracts.CallControl`. `send` sends steps of the phone call."""

    def __init__(self, phone_call: PhoneCall, send: Callable[[Sequence[Step], float], None]) -> None:
        self.can: frozenset[type[ControlCommand]] = frozenset(_STEPS)
        self._phone_call = phone_call
        self._send = send

    def perform(self, command: ControlCommand, now: float) -> None:
        """Send the steps that this command becomes."""
        self._send(_STEPS[type(command)](self._phone_call, command, now), now)

    def hang_up(self, _end: StreamEnd, now: float) -> None:
        """End the call however its stream ended: Telnyx keeps a call whose stream is over (Telnyx, "Media streaming
        over WebSockets"), and the caller would hear nothing.
        """
        self._send(self._phone_call.stream_over(), now)
