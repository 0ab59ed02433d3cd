"""Checks the names of people in the settings: each that a tool `transfer` lists must exist, and each supervisor of a route.

It reads the tables as they are written, too, so that a fault in one key does not hide the faults of others.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge.vocabulary.people_tools import TRANSFER


def faults(settings: Any) -> Iterator[InitErrorDetails]:
    """Names of people and of supervisors who are not in the settings."""
    known = list(_tables(settings, "people"))
    yield from _unknown_supervisors(settings)
    for assistant, table in _tables(settings, "assistants").items():
        transfer = _tables(table, "tools").get(TRANSFER.name)
        names = transfer.get("people") if isinstance(transfer, Mapping) else None
        for number, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and name not in known:
                place = ("assistants", assistant, "tools", TRANSFER.name, "people", number)
                yield _unknown(place, name, known, "[people.NAME]")


def _unknown_supervisors(settings: Any) -> Iterator[InitErrorDetails]:
    known = list(_tables(settings, "supervisors"))
    routes = settings.get("routes") if isinstance(settings, Mapping) else None
    for number, route in enumerate(routes if isinstance(routes, list) else ()):
        name = route.get("supervisor") if isinstance(route, Mapping) else None
        if isinstance(name, str) and name not in known:
            yield _unknown(("routes", number, "supervisor"), name, known, "[supervisors.NAME]")


def _unknown(place: tuple[str | int, ...], name: str, known: list[str], table: str) -> InitErrorDetails:
    near = get_close_matches(name, known, n=1)
    expected = f"should be one of {', '.join(known)}" if known else f"should be in {table}; there is nobody"
    message = expected + (f"; did you mean {near[0]}?" if near else "")
    error = PydanticCustomError("refused", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=place, input=name)


def _tables(table: Any, key: str) -> Mapping[str, Any]:
    found = table.get(key) if isinstance(table, Mapping) else None
    return found if isinstance(found, Mapping) else {}
