"""An observer that finds out how the carrier's stream of a call ended, so that the phone call can be ended too."""

from bridge.core.timers import REASONS, Timer
from bridge.vocabulary.commands import HangUp
from bridge.vocabulary.contracts import Account, StreamEnd
from bridge.vocabulary.events import CallEnded, CallStarted, LegLost, LegName, Word

ABNORMAL_CLOSURE = 1006
"""The connection ended without a close frame (RFC 6455, 7.1.5)."""


class StreamEndObserver:
    """Keeps in `end` how the stream ended; None while it is open.

    The first sign of an end counts. When the stream starts again, `end` is None again.
    """

    sees: frozenset[type[Word]] = frozenset({CallStarted, CallEnded, LegLost, HangUp})

    def __init__(self) -> None:
        self.end: StreamEnd | None = None

    def saw(self, word: Word, now: float) -> None:
        """Take note of a start or an end of the stream."""
        if isinstance(word, CallStarted):
            self.end = None
        elif self.end is None:
            self.end = _end(word)

    def close(self, now: float, account: Account) -> None:
        """Do nothing."""


def _end(word: Word) -> StreamEnd | None:
    match word:
        case CallEnded():
            return StreamEnd.BY_CARRIER
        case LegLost(leg=LegName.CARRIER, code=code):
            return StreamEnd.BROKEN if code == ABNORMAL_CLOSURE else StreamEnd.BY_CARRIER
        case HangUp(why=why):
            return StreamEnd.BROKEN if why == REASONS[Timer.SILENT] else StreamEnd.BY_BRIDGE
    return None
