"""The legs of people that a call has released: each is hung up on once, and once more if it answers after that. No clock."""

from bridge.vocabulary.commands import Command
from bridge.vocabulary.people import ReleasePerson

MOST_RELEASED = 100
"""Legs of which it is remembered that they were released; then the oldest are forgotten."""


class Released:
    """The legs that a call has released, and those who answered too late: nobody is left on the line."""

    def __init__(self) -> None:
        self._legs: dict[str, bool] = {}  # whether somebody had answered

    def release(self, person_leg: str, why: str, *, has_answered: bool = False) -> list[Command]:
        """Hang up on this leg, once; and once more if it answers after that."""
        if person_leg in self._legs and (self._legs[person_leg] or not has_answered):
            return []
        self._legs[person_leg] = has_answered
        if len(self._legs) > MOST_RELEASED:
            del self._legs[next(iter(self._legs))]
        return [ReleasePerson(person_leg, why)]

    def __contains__(self, person_leg: str) -> bool:
        return person_leg in self._legs
