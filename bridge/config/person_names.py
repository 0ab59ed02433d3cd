"""Checks the names of people in the settings: each that a tool `transfer` lists must exist.

It reads the tables as they are written, too, so that a fault in one key does not hide the faults of others.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge.vocabulary.people_tools import TRANSFER


def faults(settings: Any) -> Iterator[InitErrorDetails]:
    """Names of people who are not in the settings."""
    known = list(_tables(settings, "people"))
    for assistant, table in _tables(settings, "assistants").items():
        transfer = _tables(table, "tools").get(TRANSFER.name)
        names = transfer.get("people") if isinstance(transfer, Mapping) else None
        for number, name in enumerate(names if isinstance(names, list) else ()):
            if not isinstance(name, str) or name in known:
                continue
            near = get_close_matches(name, known, n=1)
            expected = (
                f"should be one of {', '.join(known)}"
                if known
                else "should be in [people.NAME]; there is nobody"
            )
            message = expected + (f"; did you mean {near[0]}?" if near else "")
            place = ("assistants", assistant, "tools", TRANSFER.name, "people", number)
            yield InitErrorDetails(
                type=PydanticCustomError("refused", "{message}", {"message": message}), loc=place, input=name
            )


def _tables(table: Any, key: str) -> Mapping[str, Any]:
    found = table.get(key) if isinstance(table, Mapping) else None
    return found if isinstance(found, Mapping) else {}
