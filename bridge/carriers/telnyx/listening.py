"""The stream of what a caller and a person say, in one phone call under Call Control: when it is opened, and when it ends.

Telnyx has one stream of a call at a time: the one before has to have ended, and this one before the next. No clock.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class StartListening:
    """Have Telnyx open a stream of what the caller and the person say."""


@dataclass(frozen=True, slots=True)
class StopListening:
    """End that stream; the call goes on."""


class _State(StrEnum):
    NONE = "none"
    WANTED = "wanted"
    """As soon as the stream before it has ended."""
    OPEN = "open"
    """Asked for, and not known to have ended."""
    ENDING = "ending"
    """We end it; then the caller's own stream is opened."""


class ListeningStream:
    """That of one phone call."""

    def __init__(self) -> None:
        self._state = _State.NONE

    @property
    def is_open(self) -> bool:
        """Whether it was asked for, and is not known to have ended."""
        return self._state in (_State.OPEN, _State.ENDING)

    @property
    def is_ending(self) -> bool:
        """Whether we end it."""
        return self._state is _State.ENDING

    def begin(self, *, waits: bool) -> list[StartListening]:
        """It is wanted. `waits`: the stream before it has not ended."""
        if self._state is not _State.NONE:
            return []
        self._state = _State.WANTED
        return [] if waits else self.free()

    def free(self) -> list[StartListening]:
        """The stream before it has ended."""
        if self._state is not _State.WANTED:
            return []
        self._state = _State.OPEN
        return [StartListening()]

    def end(self) -> list[StopListening]:
        """It is not wanted any more."""
        was, self._state = self._state, _State.ENDING if self.is_open else _State.NONE
        return [StopListening()] if was is _State.OPEN else []

    def over(self) -> bool:
        """It has ended, or was not opened. Returns whether we wanted that."""
        was, self._state = self._state, _State.NONE
        return was is _State.ENDING
