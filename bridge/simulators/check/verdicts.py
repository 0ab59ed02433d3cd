"""Collects what a check found about each rule: what came, and what was expected."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """Whether a rule was kept."""

    OK = "ok"
    WRONG = "WRONG"
    NOT_TRIED = "not tried"


class Verdict(NamedTuple):
    """The result for one rule. `came`: what was observed. `right`: what was expected, if something is wrong."""

    rule: str
    outcome: Outcome
    came: str
    right: str = ""


class Verdicts:
    """The results for these rules, in their order; results for other rules are ignored.

    The first result for a rule is kept, unless a later one finds it broken.
    """

    def __init__(self, rules: Iterable[str]) -> None:
        self._found: dict[str, Verdict | None] = dict.fromkeys(rules)

    def __contains__(self, rule: str) -> bool:
        """Whether this rule is checked."""
        return rule in self._found

    def ok(self, rule: str, came: str) -> None:
        """The rule was kept."""
        self._note(Verdict(rule, Outcome.OK, came))

    def wrong(self, rule: str, came: str, right: str) -> None:
        """The rule was broken. `right`: what was expected."""
        self._note(Verdict(rule, Outcome.WRONG, came, right))

    def not_tried(self, rule: str, why: str) -> None:
        """The rule could not be tried."""
        self._note(Verdict(rule, Outcome.NOT_TRIED, why))

    def _note(self, verdict: Verdict) -> None:
        if verdict.rule not in self:
            return
        before = self._found[verdict.rule]
        if before is None or (verdict.outcome is Outcome.WRONG and before.outcome is not Outcome.WRONG):
            self._found[verdict.rule] = verdict

    def all(self, unheard_of: str) -> list[Verdict]:
        """A verdict for each rule. `unheard_of`: why the rules without a result were not tried."""
        return [
            verdict or Verdict(rule, Outcome.NOT_TRIED, unheard_of) for rule, verdict in self._found.items()
        ]
