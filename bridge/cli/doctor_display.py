"""Prints what an examination found, for people or as JSON."""

import json
import sys
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.simulators.doctor.findings import Finding, Level, exit_code

STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "bold red", Level.SKIPPED: "dim"}


def show(found: Sequence[Finding], *, as_json: bool) -> None:
    """Print the findings in their groups to standard output, and what they come to."""
    if as_json:
        facts = {
            "ok": exit_code(found) == 0,
            "exit_code": exit_code(found),
            "findings": [finding._asdict() for finding in found],
        }
        json.dump(facts, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    console = Console(highlight=False)
    for group, members in groupby(found, key=lambda finding: finding.group):
        console.print(f"[bold]{group}[/]")
        table = Table(show_header=False, box=None, padding=(0, 1))
        table.add_column(no_wrap=True, min_width=7)
        table.add_column(no_wrap=True)
        table.add_column()
        for finding in members:
            style = STYLES[finding.level]
            table.add_row(f"[{style}]{finding.level}[/]", escape(finding.name), escape(finding.found))
            if finding.remedy and finding.level is not Level.OK:
                table.add_row("", "", f"[bold]→[/] {escape(finding.remedy)}")
        console.print(table)
    console.print(f"[bold]{conclusion(found)}", soft_wrap=True)


def conclusion(found: Sequence[Finding]) -> str:
    """What it comes to, in a sentence, with the exit code."""
    faults, warnings, skipped = (
        sum(finding.level is level for finding in found)
        for level in (Level.FAULT, Level.WARNING, Level.SKIPPED)
    )
    parts = [f"{faults} faults"] * bool(faults) + [f"{warnings} warnings"] * bool(warnings)
    parts += [f"{skipped} not looked at"] * bool(skipped)
    told = ", ".join(parts) if parts else "all is well"
    return f"{len(found)} findings: {told}. Exit code {exit_code(found)}."
