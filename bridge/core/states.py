"""Where a call can be, and what may come after what.

waiting ──start──▶ opening ──ready──▶ talking ──▶ closing ──▶ ended
   │                  └─────◀──lost─────┘
   └──start, one way──▶ listening ───────────────────────────▶ ended
"""

from enum import StrEnum


class State(StrEnum):
    """Where the call is."""

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
