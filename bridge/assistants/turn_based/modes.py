"""The states of a conversation by turns, and the transitions between them.

connecting ──opened──▶ sending ──utterance over, or a reply──▶ waiting ──heard, or nothing to hear──▶ sending
     └──opened with a request for a greeting──▶ waiting               any ──▶ closed
"""

from enum import StrEnum


class Mode(StrEnum):
    """Whose turn it is, which decides what happens to the caller's audio."""

    CONNECTING = "connecting"
    """The connection is not open: the audio is dropped."""
    SENDING = "sending"
    """The caller's turn: the audio goes to the assistant."""
    WAITING = "waiting"
    """The assistant's turn: the audio is dropped."""
    CLOSED = "closed"
    """The conversation is over."""


MOVES: dict[Mode, frozenset[Mode]] = {
    Mode.CONNECTING: frozenset({Mode.SENDING, Mode.WAITING, Mode.CLOSED}),
    Mode.SENDING: frozenset({Mode.SENDING, Mode.WAITING, Mode.CLOSED}),  # to itself: the turn begins again
    Mode.WAITING: frozenset({Mode.SENDING, Mode.CLOSED}),
    Mode.CLOSED: frozenset(),
}
