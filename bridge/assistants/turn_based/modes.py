"""Whose turn it is, and what may come after what.

connecting ──opened──▶ sending ──utterance over, or a reply──▶ waiting ──heard, or nothing to hear──▶ sending
     └──opened with a request for a greeting──▶ waiting               any ──▶ closed
"""

from enum import StrEnum


class Mode(StrEnum):
    """What becomes of the caller's audio."""

    CONNECTING = "connecting"
    """Dropped: the assistant is not open."""
    SENDING = "sending"
    """The caller's turn: it goes to the assistant."""
    WAITING = "waiting"
    """The assistant's turn: it is dropped."""
    CLOSED = "closed"
    """The conversation is over."""


MOVES: dict[Mode, frozenset[Mode]] = {
    Mode.CONNECTING: frozenset({Mode.SENDING, Mode.WAITING, Mode.CLOSED}),
    Mode.SENDING: frozenset({Mode.SENDING, Mode.WAITING, Mode.CLOSED}),  # itself: the turn begins anew
    Mode.WAITING: frozenset({Mode.SENDING, Mode.CLOSED}),
    Mode.CLOSED: frozenset(),
}
