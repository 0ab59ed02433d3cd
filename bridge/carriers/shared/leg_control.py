"""The control of a person's leg in a briefing: nothing can be done to it but to hang up when the briefing is over."""

from collections.abc import Callable

from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import StreamEnd


class LegControl:
    """See `contracts.CallControl`. `over`: called when the session of the briefing has ended."""

    can: frozenset[type[ControlCommand]] = frozenset()

    def __init__(self, over: Callable[[], None]) -> None:
        self._over = over

    def perform(self, command: ControlCommand, _now: float) -> None:
        """Never called: it can do nothing."""
        raise AssertionError(
            f"{type(command).__name__}: the leg of a person is controlled by the caller's call"
        )

    def hang_up(self, _end: StreamEnd, _now: float) -> None:
        """Hang up, unless the person is joined with the caller."""
        self._over()
