"""Writes figures as the tables of docs/numbers.md, between two comments of that page."""

import re
from collections.abc import Iterator, Sequence
from statistics import median

from measured.figures import Capacity, Cost, Numbers, Percentiles

BEGIN = "<!-- Written by scripts/measure --document: do not edit. -->"
END = "<!-- The end of what scripts/measure writes. -->"

KINDS = {
    "echo": "each frame comes back through the simulated Realtime server",
    "turns": "a word of the caller every 4 s, and a reply of 2 s",
}


def put_into(page: str, numbers: Numbers) -> str:
    """The page with these figures between its two comments. Raises ValueError if they are not there."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page: expected one line {BEGIN!r} and, below it, one line {END!r}")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{markdown(numbers)}{END}{after}"


def markdown(numbers: Numbers) -> str:
    """All figures that there are, as tables."""
    return "\n".join(line for part in PARTS for line in part(numbers)) + "\n"


def _setting(numbers: Numbers) -> Iterator[str]:
    yield ""
    yield f"Measured on {numbers.began_at[:10]} with {numbers.versions}, on {numbers.machine}; {numbers.busy}."
    yield ""
    yield "```sh"
    yield "# Needs a quiet machine for 12 minutes."
    yield numbers.command
    yield "```"


def _costs(numbers: Numbers) -> Iterator[str]:
    if not numbers.costs:
        return
    yield from ("", "### CPU of a call, compared with the barest relay", "")
    yield "Milliseconds of one core for a second of one call; the median of the rounds. The ratio is the median of those within a"
    yield "round, with the smallest and the largest."
    yield ""
    yield from (f"- `{kind}`: {what}" for kind, what in KINDS.items())
    yield ""
    heads = ("", "calls", "relay", "`serve`", "ratio")
    yield from _table(heads, [_cost_row(cost) for cost in numbers.costs])


def _cost_row(cost: Cost) -> Sequence[str]:
    ratios = [ours / barest for ours, barest in zip(cost.server_ms, cost.relay_ms, strict=True)]
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    relay_ms, server_ms = median(cost.relay_ms), median(cost.server_ms)
    return cost.kind, f"{cost.calls}", f"{relay_ms:.2f}", f"{server_ms:.2f}", f"{median(ratios):.2f}{spread}"


def _capacities(numbers: Numbers) -> Iterator[str]:
    if not numbers.capacities:
        return
    yield from ("", "### Calls on one core", "")
    yield "The most calls at once of which no call fails, at most one in a hundred has an underrun, and 99 % of the frames of an"
    yield "echo are back within 20 ms; with turns, 99 % of the waits for a reply are at most 60 ms longer than usual. Callers and"
    yield "simulated model share the other core: where they end the search, the answer is *at least*."
    yield ""
    heads = ("", "calls", "CPU ms per call-second", "ended by")
    yield from _table(heads, [_capacity_row(one) for one in numbers.capacities])


def _capacity_row(one: Capacity) -> Sequence[str]:
    calls = f"{one.calls}" if one.is_exact else f"at least {one.calls}" if one.calls else "not known"
    return one.what, calls, f"{one.server_ms:.2f}" if one.calls else "", one.ended_by.replace("|", "\\|")


def _delays(numbers: Numbers) -> Iterator[str]:
    found = [numbers.half_load] if numbers.half_load else []
    found += numbers.barge_ins
    found += [numbers.storm.set_up] if numbers.storm else []
    if not found:
        return
    yield from ("", "### Delays, ms", "")
    yield (
        "The added latency and the barge-ins at half of the capacity. A set-up is webhook, connection and upgrade"
        + (
            f", at\n{numbers.storm.calls_per_second} new calls a second, of which {numbers.storm.failed} failed."
            if numbers.storm
            else "."
        )
    )
    yield ""
    yield from _table(("", "calls", "p50", "p99", "longest", "measured"), [_delay_row(one) for one in found])


def _delay_row(one: Percentiles) -> Sequence[str]:
    return (
        *(one.name, f"{one.calls}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}"),
        *(f"{one.max_ms:.1f}", f"{one.count}"),
    )


def _memory(numbers: Numbers) -> Iterator[str]:
    if numbers.memory is None:
        return
    yield from ("", "### Memory", "")
    yield f"An idle server holds {numbers.memory.idle_mib:.0f} MiB; a call adds {numbers.memory.call_kib:.0f} KiB."


def _tool(numbers: Numbers) -> Iterator[str]:
    tool = numbers.tool
    if tool is None:
        return
    yield from ("", "### The load test itself", "")
    yield (
        f"Against the least that can be an echo, one process of `voicebridge load` carries {tool.calls} calls with "
        f"{tool.core_share:.0%} of\na core, {tool.call_ms:.2f} ms for a call-second. It sends its frames {tool.lag_p99_ms:.1f} ms "
        f"late (p99), and an echo takes {tool.echo.p50_ms:.1f} ms\n(median; p99 {tool.echo.p99_ms:.1f} ms)."
    )


PARTS = (_setting, _costs, _capacities, _delays, _memory, _tool)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (heads, ["---"] * len(heads), *rows):
        yield re.sub(r" +\|", " |", "| " + " | ".join(row) + " |")
