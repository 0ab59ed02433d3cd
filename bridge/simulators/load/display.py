"""Shows a load test to people: a line for each second while it goes on, and a table at the end.

On a terminal the line is drawn anew each second; elsewhere, a line is written after the first second and
then every five seconds.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.simulators.load.results import Distribution, RunResults, Second
from bridge.simulators.load.verdict import in_words

PLAIN_EVERY_S = 5
SHOWN_FAILURES = 5

COLOURS = {"held": "green", "not held": "red", "tool was the limit": "yellow", "interrupted": "yellow"}


@contextmanager
def live_progress(title: str) -> Iterator[Callable[[Second], None]]:
    """While the block runs, seconds that are given are shown on standard error."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:

        def write(second: Second) -> None:
            if second.at_s == 0 or second.at_s % PLAIN_EVERY_S == PLAIN_EVERY_S - 1:
                sys.stderr.write(f"{title}: {second_in_words(second)}\n")
                sys.stderr.flush()

        yield write
        return
    with console.status(f"{title}: begins …") as status:
        yield lambda second: status.update(escape(f"{title}: {second_in_words(second)}"))


def second_in_words(second: Second) -> str:
    """One second on one line: "12 s, 40 calls, added p99 1.9 ms, 0 failed"."""
    words = [f"{second.at_s + 1} s", f"{second.held} calls"]
    if second.added_latency is not None:
        words.append(f"added p99 {second.added_latency.p99_ms:.1f} ms")
    if second.turn_wait is not None:
        words.append(f"waits p50 {second.turn_wait.p50_ms:.0f} ms, longest {second.turn_wait.max_ms:.0f} ms")
    words += [f"{second.failed} failed", f"{second.underruns} underruns"]
    if second.server_cpu_share is not None:
        words.append(f"server {second.server_cpu_share:.0%} of a core")
    words.append(f"tool {second.own_cpu_share:.0%} of a core")
    if second.own_lag is not None:
        words.append(f"its own lag p99 {second.own_lag.p99_ms:.1f} ms")
    return ", ".join(words)


def show(results: RunResults, files: list[str]) -> None:
    """Print the table to standard output. `files`: those that were written."""
    console = Console(highlight=False)
    verdict = results.verdict
    console.print(f"[bold {COLOURS[verdict.outcome]}]{escape(_headline(results))}", soft_wrap=True)
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    for name, text in _rows(results):
        table.add_row(name, escape(text))
    for bar in verdict.bars:
        table.add_row(
            "[green]held" if bar.held else "[red]not held", escape(f"{in_words(bar)} ({bar.option})")
        )
    for file in files:
        table.add_row("wrote", escape(file))
    console.print(table)
    for note in results.notes:
        console.print(note, markup=False, soft_wrap=True)


def _headline(results: RunResults) -> str:
    capacity = results.capacity
    return capacity.sentence if capacity is not None else results.verdict.sentence


def _rows(results: RunResults) -> Iterator[tuple[str, str]]:
    totals = results.totals
    yield "length", f"{results.length_s:.1f} s, {totals.call_seconds:.0f} call-seconds"
    if results.capacity is not None:
        for step in results.capacity.steps:
            yield f"{step.calls} calls", f"{step.outcome}{f': {step.broke}' if step.broke else ''}"
    yield (
        "calls",
        f"{totals.placed} placed, {totals.started} started, {totals.completed} completed, {totals.failed} failed, "
        f"{totals.cut_short} under way at the end; at most {totals.most_held} at once",
    )
    if results.measure == "echo":
        yield from _row("added latency", results.added_latency)
        yield (
            "frames",
            f"{totals.frames_timed} timed, {totals.frames_late} later than {results.options.late_ms:g} ms, "
            f"{totals.frames_lost} lost, {totals.frames_discarded} not sent (the server read too slowly)",
        )
    else:
        yield from _row("waits for replies", results.turn_wait)
        yield "turns", f"{totals.turns} answered, {totals.turns_unanswered} without a reply"
        yield from _row("barge-in to silence", results.barge_in)
        if totals.barge_ins_ignored:
            yield "barge-ins", f"{totals.barge_ins_ignored} were not followed by silence"
    yield (
        "underruns",
        f"{totals.underruns} in {totals.calls_with_underruns} calls, {totals.underrun_ms:.0f} ms together",
    )
    yield "marks", f"{totals.marks_returned} returned, {totals.marks_never_played} never played"
    yield from _row("set-up", results.set_up)
    if totals.messages_refused:
        yield "refused", f"{totals.messages_refused} messages of the server that the carrier would refuse"
    for failure in results.failures[:SHOWN_FAILURES]:
        when = f"{failure.first_at_s:.1f} to {failure.last_at_s:.1f} s"
        yield (
            "failed",
            f"{failure.count} ×: {failure.reason} ({when}){f'; {failure.heard}' if failure.heard else ''}",
        )
    if results.outage is not None:
        yield "outage", results.outage.sentence
    if results.server_cpu_share is not None:
        yield "server", f"{results.server_cpu_share:.0%} of a core, at most {results.server_rss_mib:.0f} MiB"
    yield "the tool", _tool(results)


def _row(name: str, found: Distribution | None) -> Iterator[tuple[str, str]]:
    if found is not None:
        yield (
            name,
            f"p50 {found.p50_ms:.1f} ms, p95 {found.p95_ms:.1f} ms, p99 {found.p99_ms:.1f} ms, longest {found.max_ms:.1f} ms "
            f"({found.count})",
        )


def _tool(results: RunResults) -> str:
    lag = f", its frames p99 {results.own_lag.p99_ms:.1f} ms late" if results.own_lag is not None else ""
    return f"{results.own_cpu_share:.0%} of a core{lag}"
