"""The states of a call, and which of them may follow which.

waiting ──start──▶ opening ──ready──▶ talking ──▶ closing ──▶ ended
   │                  └─────◀──lost─────┘
   └──start, one way──▶ listening ───────────────────────────▶ ended
"""

from enum import StrEnum


class State(StrEnum):
    """The state of a call."""

    WAITING = "waiting"
    OPENING = "opening"
    TALKING = "talking"
    LISTENING = "listening"
    CLOSING = "closing"
    ENDED = "ended"


MOVES: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.OPENING, State.LISTENING, State.ENDED}),
    State.OPENING: frozenset({State.TALKING, State.CLOSING, State.ENDED}),
    State.LISTENING: frozenset({State.ENDED}),
    State.TALKING: frozenset({State.OPENING, State.CLOSING, State.ENDED}),
    State.CLOSING: frozenset({State.ENDED}),
    State.ENDED: frozenset(),
}

SPOKEN_INTO = frozenset({State.OPENING, State.TALKING, State.CLOSING})
"""The states in which there is a dialogue between the caller and an assistant."""
