"""The states of a call, and which of them may follow which.

waiting ──start──▶ opening ──ready──▶ talking ──▶ closing ──▶ ended
   │                │ ▲ └─────◀──lost────┘│ ▲
   │                ▼ │                   ▼ │
   │               holding ◀────────▶ with person ───────────▶ ended
   │                  │ ▲
   │                  ▼ │
   │                in room ◀── opening, talking ────────────▶ ended
   └──start, one way──▶ listening ───────────────────────────▶ ended
"""

from enum import StrEnum


class State(StrEnum):
    """The state of a call."""

    WAITING = "waiting"
    OPENING = "opening"
    TALKING = "talking"
    LISTENING = "listening"
    HOLDING = "holding"
    """The caller waits for a person, or leaves a message for one; no assistant hears them."""
    WITH_PERSON = "with person"
    """The carrier has joined the caller with a person; there is no stream, and no assistant but one that listens."""
    IN_ROOM = "in room"
    """The bridge mixes the caller and a person, and an assistant that takes part; or this is the call of a member's leg."""
    CLOSING = "closing"
    ENDED = "ended"


MOVES: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.OPENING, State.LISTENING, State.ENDED}),
    State.OPENING: frozenset({State.TALKING, State.HOLDING, State.IN_ROOM, State.CLOSING, State.ENDED}),
    State.LISTENING: frozenset({State.ENDED}),
    State.TALKING: frozenset({State.OPENING, State.HOLDING, State.IN_ROOM, State.CLOSING, State.ENDED}),
    State.HOLDING: frozenset(
        {State.TALKING, State.OPENING, State.WITH_PERSON, State.IN_ROOM, State.CLOSING, State.ENDED}
    ),
    State.IN_ROOM: frozenset({State.HOLDING, State.TALKING, State.OPENING, State.CLOSING, State.ENDED}),
    State.WITH_PERSON: frozenset({State.HOLDING, State.TALKING, State.OPENING, State.CLOSING, State.ENDED}),
    State.CLOSING: frozenset({State.ENDED}),
    State.ENDED: frozenset(),
}

SPOKEN_INTO = frozenset(
    {State.OPENING, State.TALKING, State.HOLDING, State.WITH_PERSON, State.IN_ROOM, State.CLOSING}
)
"""The states in which there is a dialogue between the caller and an assistant."""
