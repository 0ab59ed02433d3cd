"""What a check found, for each rule: what came, and what would be right."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """How a rule was kept."""

    OK = "ok"
    WRONG = "WRONG"
    NOT_TRIED = "not tried"


class Verdict(NamedTuple):
    """On one rule. `right`: what would be right, where something is wrong."""

    rule: str
    outcome: Outcome
    came: str
    right: str = ""


class Verdicts:
    """On the `rules`, in their order; others are not for this assistant.

    The first word on a rule stands, unless something is wrong: that tells more.
    """

    def __init__(self, rules: Iterable[str]) -> None:
        self._found: dict[str, Verdict | None] = dict.fromkeys(rules)

    def __contains__(self, rule: str) -> bool:
        """Whether this assistant is judged by it."""
        return rule in self._found

    def ok(self, rule: str, came: str) -> None:
        """It was kept."""
        self._note(Verdict(rule, Outcome.OK, came))

    def wrong(self, rule: str, came: str, right: str) -> None:
        """It was broken."""
        self._note(Verdict(rule, Outcome.WRONG, came, right))

    def not_tried(self, rule: str, why: str) -> None:
        """There was no occasion."""
        self._note(Verdict(rule, Outcome.NOT_TRIED, why))

    def _note(self, verdict: Verdict) -> None:
        if verdict.rule not in self:
            return
        before = self._found[verdict.rule]
        if before is None or (verdict.outcome is Outcome.WRONG and before.outcome is not Outcome.WRONG):
            self._found[verdict.rule] = verdict

    def all(self, unheard_of: str) -> list[Verdict]:
        """One on each rule. `unheard_of`: why nothing is known of the others."""
        return [
            verdict or Verdict(rule, Outcome.NOT_TRIED, unheard_of) for rule, verdict in self._found.items()
        ]
