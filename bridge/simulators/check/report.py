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
    """Print a line for each rule to standard output."""
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
    Console(highlight=False).print(table)


def all_is_well(verdicts: Sequence[Verdict]) -> bool:
    """Whether nothing is wrong."""
    return all(verdict.outcome is not Outcome.WRONG for verdict in verdicts)
