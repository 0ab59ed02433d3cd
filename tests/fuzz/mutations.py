"""Changes a message in ways that know its structure: values, fields and kinds of other messages, and then its text."""

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**40, 0.5, -0.0, 1e308),
    *(
        "",
        " ",
        "0",
        "-1",
        "NaN",
        "a" * 300,
        "ü€😀",
        "\x00",
        "\ud800",
        "../../etc/passwd",
        "AAAA",
        "A",
        "===",
        "%00",
    ),
    *([], {}, [[]], [None], {"": None}, {"name": "a", "value": "b"}, [1, "2", {"a": []}]),
)
"""Values that a reader may not expect."""

DEEP = 200


def mutated(value: Any, corpus: list[Any], chance: Random) -> Any:
    """A copy with one to three changes; the corpus is not changed."""
    copy = deepcopy(value)
    for _ in range(chance.choice((1, 1, 2, 3))):
        copy = chance.choice(CHANGES)(copy, corpus, chance)
    return copy


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Each container in it with each of its keys or positions."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        found += [(one, key) for key in keys]
        waiting += [one[key] for key in keys]
    return found


def _replace(value: Any, _corpus: list[Any], chance: Random) -> Any:
    if places := _places(value):
        within, key = chance.choice(places)
        within[key] = deepcopy(chance.choice(ODD))
    return value


def _remove(value: Any, _corpus: list[Any], chance: Random) -> Any:
    if places := _places(value):
        within, key = chance.choice(places)
        del within[key]
    return value


def _wrap(value: Any, _corpus: list[Any], chance: Random) -> Any:
    """A value becomes a list, an object, a text of itself, or something deep."""
    if places := _places(value):
        within, key = chance.choice(places)
        inner = within[key]
        deep = json.loads("[" * DEEP + "]" * DEEP)
        within[key] = chance.choice(([inner], {"value": inner}, json.dumps(inner), deep))
    return value


def _graft(value: Any, corpus: list[Any], chance: Random) -> Any:
    """A value of one message in the place of another one's."""
    places, others = _places(value), _places(chance.choice(corpus))
    if places and others:
        within, key = chance.choice(places)
        other, other_key = chance.choice(others)
        within[key] = deepcopy(other[other_key])
    return value


def _stretch(value: Any, _corpus: list[Any], chance: Random) -> Any:
    """A text or a list many times as long."""
    places = [(within, key) for within, key in _places(value) if isinstance(within[key], str | list)]
    if places:
        within, key = chance.choice(places)
        within[key] = within[key] * chance.choice((2, 3, 50))
    return value


def _nudge(value: Any, _corpus: list[Any], chance: Random) -> Any:
    """A number, or a text of digits, a little or far off."""
    places = [(within, key) for within, key in _places(value) if str(within[key]).isdigit()]
    if places:
        within, key = chance.choice(places)
        moved = int(within[key]) + chance.choice((-1, 1, 1000, -1000, 2**32))
        within[key] = str(moved) if isinstance(within[key], str) else moved
    return value


CHANGES: tuple[Callable[[Any, list[Any], Random], Any], ...] = (
    _replace,
    _remove,
    _wrap,
    _graft,
    _stretch,
    _nudge,
)


def as_text(value: Any, chance: Random) -> str | bytes:
    """The message on the wire; now and then with a fault in its text, or as bytes."""
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace").decode()
    match chance.randrange(20):
        case 0:
            return text[: chance.randrange(len(text) + 1)]
        case 1:
            at = chance.randrange(len(text) + 1)
            return text[:at] + chance.choice('{}[]",:\\\x000e-') + text[at:]
        case 2:
            return text.encode()
        case 3:
            return chance.choice(("", "{}", "null", "[]", "1e999", '"', "[" * 2000, '{"event":"media"' * 2))
        case _:
            return text
