"""Finds durations that are hardly meant: milliseconds where seconds are expected."""

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.settings.table import Section

TOO_LONG = 300
"""So many times the default: nobody wants that, and who writes milliseconds writes a thousand times as much."""


def long_durations(table: Any, above: str = "") -> Iterator[str]:
    """A line for each setting in seconds, in this table and those in it, that is `TOO_LONG` times its default."""
    if isinstance(table, Mapping):
        for name, inner in table.items():
            yield from long_durations(inner, f"{above}.{name}" if above else str(name))
    if not isinstance(table, Section):
        return
    for name, field in type(table).model_fields.items():
        path, value = f"{above}.{name}" if above else name, getattr(table, name)
        default = field.default
        if not name.endswith("_s"):
            yield from long_durations(value, path)
        elif _is_number(value) and _is_number(default) and value >= TOO_LONG * default > 0:
            yield f"{path} = {value:g}: is in seconds, and {default:g} by default; did you mean {value / 1000:g}?"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
