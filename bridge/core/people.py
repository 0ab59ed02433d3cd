"""Whom a call can be put through to, and how: what the settings say of people, in the core's terms."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from bridge.vocabulary.commands import Command
from bridge.vocabulary.events import History
from bridge.vocabulary.people import (
    BriefPerson,
    CallPeople,
    JoinPerson,
    Outcome,
    PutThrough,
    TransferRequested,
)
from telecodecs.format import PCMU_8K, AudioFormat

From = Literal["caller", "ours"]
"""The number that a person is shown, where the settings name none: the caller's, or the one that the caller called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person, or one team: `groups` are called one after the other, the addresses of a group at the same time."""

    groups: tuple[tuple[str, ...], ...]
    from_: str = "ours"
    """What they are shown: a `From`, or a number."""
    ring_s: float = 25.0
    is_warm: bool = False
    """They are briefed before they are joined with the caller."""
    accept: Literal["word", "key", "none"] = "word"
    """How they take the call after the briefing: the assistant understands it, the key 1, or by not hanging up."""
    instructions: str = ""
    """For the assistant that briefs; empty: those that the bridge has."""
    briefer: str = ""
    """The assistant that briefs, by name; empty: the one that has the call."""
    spoken_briefing: bytes = b""
    """A recording that is played in place of a briefing assistant, in the format of `People.spoken`."""
    hold: bytes = b""
    """What the caller hears, over and over, in the format of `People.spoken`; empty: nothing."""
    listens: bool = False
    """The assistant stays while the two talk: it hears both, and is not heard."""
    comes_back: bool = True
    """When the person has left, the caller goes on with the assistant; otherwise the call ends."""
    nobody: Literal["back", "message", "hang_up"] = "back"
    """Where nobody is reached: the assistant goes on, the caller leaves a message, or the call ends."""
    message_s: float = 120.0
    """How long a message may be."""


@dataclass(frozen=True, slots=True)
class People:
    """All of them by name. `allowed`: for each assistant the names of those to whom it may put callers through."""

    persons: Mapping[str, Person] = field(default_factory=dict)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spoken: AudioFormat = PCMU_8K
    held: bytes = b""
    """What the caller hears while an operator holds the call, in the format `spoken`; empty: nothing."""

    def why_not(self, person: str, assistant: str, can: Collection[type[Command]]) -> str:
        """Why this assistant cannot have callers put through to this person, in words for a model; empty if it can.

        `can`: the commands that the carrier performs for this call.
        """
        allowed = self.allowed.get(assistant, ())
        if not allowed:
            return "there is nobody whom you can put the caller through to"
        if person not in allowed:
            known = ", ".join(allowed)
            return f"there is no person {person[:40]!r}; person should be one of {known}, and never a number"
        return self.why_not_at_once(person, can)

    def why_not_at_once(self, person: str, can: Collection[type[Command]]) -> str:
        """Why a call cannot be put through to this person, whoever asks for it; empty if it can."""
        if person not in self.persons:
            return f"there is no person {person[:40]!r}"
        if not _NEEDED[self.persons[person].is_warm] <= set(can):
            return "callers cannot be put through on this telephone line"
        return ""


class BriefingNotes(NamedTuple):
    """What the call of a briefing is made from."""

    request: TransferRequested
    person: Person
    history: History
    assistant: str
    """Who has the call of the caller."""


_NEEDED: dict[bool, frozenset[type[Command]]] = {
    True: frozenset({CallPeople, BriefPerson, JoinPerson}),
    False: frozenset({PutThrough}),
}
"""What the carrier must be able to do for a person, by whether they are briefed."""

WHY_NOBODY: Mapping[Outcome, str] = {
    Outcome.BUSY: "the line is busy",
    Outcome.NO_ANSWER: "nobody answers",
    Outcome.MACHINE: "a machine answered",
    Outcome.FAILED: "the call could not be made",
    Outcome.REFUSED: "the call was refused",
    Outcome.DECLINED: "they do not take the call",
}


def in_words(person: str, outcome: Outcome, why: str, talked_s: float) -> str:
    """What became of a handover, for a model. `why`: in the words of whoever said so; empty where nobody did."""
    if outcome is Outcome.TALKED:
        return (
            f"{person} talked with the caller for {round(talked_s)} s and has left. The caller is with you again: do not "
            "greet them, ask what else you can do."
        )
    told = WHY_NOBODY.get(outcome, "it was not possible")
    reason = f" ({why})" if why else ""
    return f"{person} was not reached: {told}{reason}. The caller is with you again: tell them so, and go on with them."
