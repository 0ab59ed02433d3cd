"""Prints the verdicts of a check, for people or as JSON."""

import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.simulators.check.verdicts import Outcome, Verdict

STYLES = {Outcome.OK: "green", Outcome.WRONG: "bold red", Outcome.NOT_TRIED: "yellow"}


def show(url: str, verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    """Print a line for each rule to standard output, and the verdict at the end."""
    if as_json:
        facts = {
            "url": url,
            "ok": all_is_well(verdicts),
            "rules": [verdict._asdict() for verdict in verdicts],
        }
        json.dump(facts, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(style="bold")
    table.add_column()
    for rule, outcome, came, right in verdicts:
        style = STYLES[outcome]
        table.add_row(f"[{style}]{outcome}[/]", rule, escape(came))
        if right:
            table.add_row("", "", f"expected: {escape(right)}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"[bold]{conclusion(verdicts)}", soft_wrap=True)


def conclusion(verdicts: Sequence[Verdict]) -> str:
    """The verdict in a sentence, with the exit code."""
    wrong, not_tried = (
        sum(verdict.outcome is outcome for verdict in verdicts)
        for outcome in (Outcome.WRONG, Outcome.NOT_TRIED)
    )
    untried = f", {not_tried} not tried" if not_tried else ""
    if wrong:
        return f"The assistant breaks {wrong} of {len(verdicts)} rules{untried}. Exit code 1."
    return f"The assistant keeps {len(verdicts) - not_tried} of {len(verdicts)} rules{untried}. Exit code 0."


def show_nobody(url: str, why: str) -> None:
    """Print as JSON that nobody listens there."""
    json.dump({"url": url, "ok": False, "why": why, "rules": []}, sys.stdout, indent=2)
    sys.stdout.write("\n")


def all_is_well(verdicts: Sequence[Verdict]) -> bool:
    """Whether nothing is wrong."""
    return all(verdict.outcome is not Outcome.WRONG for verdict in verdicts)
