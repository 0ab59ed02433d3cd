"""Prints calls under way, and what happens in them, for people. What comes from outside cannot steer the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.control_client import Event

COLUMNS = ("id", "state", "for", "from", "to", "assistant", "wait", "")

FILE_WIDTH = 250
"""Where the output is no terminal: a call has one line."""


def plain(value: object) -> str:
    """A value of the server's as text without control characters."""
    return "".join(letter if letter.isprintable() else "·" for letter in str(value))


def show_calls(calls: Sequence[Mapping[str, Any]]) -> None:
    """A row for each call."""
    if not calls:
        Console().print("No calls are under way.")
        return
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column == "id", overflow="fold")
    for call in calls:
        table.add_row(*(Text(cell) for cell in _cells(call)))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    console.print(table)


def _cells(call: Mapping[str, Any]) -> Iterator[str]:
    yield plain(call.get("id", ""))
    yield plain(call.get("state", ""))
    yield _duration(call.get("duration_s"))
    yield plain(call.get("from", ""))
    yield plain(call.get("to", ""))
    yield plain(call.get("assistant", ""))
    wait = call.get("last_wait_ms")
    yield "" if wait is None else f"{plain(wait)} ms"
    yield ", ".join(_marks(call))


def _marks(call: Mapping[str, Any]) -> Iterator[str]:
    if call.get("held"):
        yield "held"
    for party in call.get("muted") or ():
        yield f"{plain(party)} muted"
    if call.get("digits"):
        yield f"typing {plain(call['digits'])}"


def _duration(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return ""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def show_call(call: Mapping[str, Any]) -> None:
    """One call: its facts, who hears whom, and what was said."""
    console = Console(highlight=False)
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name in ("id", "carrier", "direction", "route", "assistant", "state", "began_at", "from", "to"):
        if call.get(name):
            facts.add_row(name.replace("_", " "), Text(plain(call[name])))
    facts.add_row("for", _duration(call.get("duration_s")))
    if marks := ", ".join(_marks(call)):
        facts.add_row("now", Text(marks))
    console.print(facts)
    for party in call.get("parties") or ():
        hears = ", ".join(plain(one) for one in party.get("hears") or ()) or "nobody"
        console.print(Text(f"{plain(party.get('name'))} {plain(party.get('role'))} and hears {hears}"))
    for line in call.get("transcript") or ():
        console.print(Text(f"{_at(line)} {plain(line.get('speaker'))}: {plain(line.get('text'))}"))


def _at(line: Mapping[str, Any]) -> str:
    at_ms = line.get("at_ms")
    return f"{at_ms / 1000:7.1f} s" if isinstance(at_ms, int | float) else " " * 9


def event_lines(event: Event) -> Iterator[str]:
    """An event as lines for people. Levels have none."""
    data = event.data
    match event.name:
        case "snapshot":
            calls = data.get("calls") or ()
            yield f"{len(calls)} calls are under way."
            for call in calls:
                yield _call_line(call)
        case "call":
            yield _call_line(data)
        case "ended":
            yield f"{plain(data.get('id'))} has ended: {plain(data.get('reason') or 'no reason was given')}"
        case "text":
            yield f"{plain(data.get('id'))} {plain(data.get('speaker'))}: {plain(data.get('text'))}"
        case "word":
            rest = " ".join(
                f"{key}={plain(value)}" for key, value in data.items() if key not in ("at_ms", "what")
            )
            yield f"{_at(data)} {plain(data.get('what'))} {rest}".rstrip()


def _call_line(call: Mapping[str, Any]) -> str:
    return "  ".join(cell for cell in _cells(call) if cell)
