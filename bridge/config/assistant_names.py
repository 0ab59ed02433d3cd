"""Checks the names of assistants in the settings: each must exist, and no chain of fallbacks may be a circle.

It reads the tables as they are written, too, so that a fault in one key does not hide the faults of others.
"""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, LiteralString, NamedTuple

from pydantic_core import InitErrorDetails, PydanticCustomError

Place = tuple[str | int, ...]


class Named(NamedTuple):
    """The name of an assistant, and the setting whose value it is."""

    place: Place
    name: str


def names_used(settings: Any) -> Iterator[Named]:
    """Every name of an assistant that is the value of a setting. `settings`: an object, or the tables of the file."""
    if isinstance(name := _of(settings, "assistant"), str):
        yield Named(("assistant",), name)
    for assistant, table in _assistants(settings).items():
        if isinstance(name := _of(table, "fallback"), str):
            yield Named(("assistants", assistant, "fallback"), name)
    for person, table in _people(settings).items():
        if isinstance(name := _of(_of(table, "briefing"), "assistant"), str):
            yield Named(("people", person, "briefing", "assistant"), name)
    for number, route in enumerate(_routes(settings)):
        if isinstance(name := _of(route, "assistant"), str):
            yield Named(("routes", number, "assistant"), name)


def chain(settings: Any, name: str) -> list[str]:
    """An assistant, who takes its call if it is lost, and so on; ends where it comes to a name for the second time."""
    assistants = _assistants(settings)
    names = [name]
    while names[-1] in assistants and names[-1] not in names[:-1]:
        fallback = _of(assistants[names[-1]], "fallback")
        if not isinstance(fallback, str):
            break
        names.append(fallback)
    return names


def faults(settings: Any, built_in: Collection[str]) -> Iterator[InitErrorDetails]:
    """Names of no assistant, routes without one, and fallbacks that lead in a circle."""
    assistants = _assistants(settings)
    known = list(dict.fromkeys([*built_in, *assistants]))
    for place, name in names_used(settings):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            message = f"should be one of {', '.join(known)}"
            yield _fault(place, name, message + (f"; did you mean {near[0]}?" if near else ""))
    for number, route in enumerate(_routes(settings)):
        if isinstance(route, Mapping) and not {"assistant", "supervisor"} & route.keys():
            yield _fault(
                ("routes", number, "assistant"), None, f"should be one of {', '.join(known)}", "missing"
            )
    reported: set[str] = set()
    for name in assistants:
        *before, last = chain(settings, name)
        if last in before and last not in reported:
            reported.update(before)
            yield _fault(
                ("assistants", name, "fallback"),
                before[1] if len(before) > 1 else name,
                f"{' -> '.join([*before, last])} is a circle; "
                'should end with an assistant that has none, or with { play = "….wav" }',
            )


def _fault(place: Place, value: object, message: str, type_: LiteralString = "refused") -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(type_, message), loc=place, input=value)


def _of(table: Any, key: str) -> Any:
    return table.get(key) if isinstance(table, Mapping) else getattr(table, key, None)


def _assistants(settings: Any) -> Mapping[str, Any]:
    table = _of(settings, "assistants")
    return table if isinstance(table, Mapping) else {}


def _people(settings: Any) -> Mapping[str, Any]:
    table = _of(settings, "people")
    return table if isinstance(table, Mapping) else {}


def _routes(settings: Any) -> list[Any]:
    routes = _of(settings, "routes")
    return routes if isinstance(routes, list) else []
