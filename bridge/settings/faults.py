"""The faults of a table of settings, in words for the person who wrote it.

pydantic names a fault by a path that also holds the names of its own types, and reports every type that a value might
have been. Here a fault has the keys that were written, and the type that was most likely meant.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge.redaction import is_private_key, is_secret, without_credentials

Key = tuple[str, ...]

NO_TABLE = ("dict_type", "model_type", "model_attributes_type")
"""Types of fault that pydantic describes in terms of Python."""

LONGEST_SHOWN = 80
"""The longest text of a value in a message, in characters."""


class Fault(NamedTuple):
    """One fault. `type`: pydantic's name for it, or "no_such_setting"; `value`: the value that was found."""

    key: Key
    type: str
    message: str
    value: Any


class _Branch(NamedTuple):
    """One of the types that the value at the key `above` might have been."""

    above: Key
    type: str


def with_nearest(error: ValidationError, known: Sequence[str]) -> ValidationError:
    """Return the error with the nearest known name for each key that the table does not know. `known`: its keys."""
    details = []
    for found in error.errors(include_url=False, include_context=False):
        type_, message = found["type"], found["msg"].removeprefix("Value error, ")
        if type_ == "extra_forbidden" and len(found["loc"]) == 1:
            near = difflib.get_close_matches(str(found["loc"][0]), known, n=1)
            type_ = "no_such_setting"
            message = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        details.append(
            InitErrorDetails(type=PydanticCustomError(type_, message), loc=found["loc"], input=found["input"])
        )
    return ValidationError.from_exception_data(error.title, details)


def faults_in(error: ValidationError, table: Any) -> list[Fault]:
    """Return the faults of `table`, one for each key."""
    branches: dict[_Branch | None, list[Fault]] = {}
    for found in error.errors(include_url=False, include_context=False):
        key, branch = _own_keys(found["loc"], found["type"], table)
        message = (
            "should be a table" if found["type"] in NO_TABLE else found["msg"].removeprefix("Value error, ")
        )
        branches.setdefault(branch, []).append(Fault(key, found["type"], message, found["input"]))
    by_key: dict[Key, Fault] = {}
    for fault in _likeliest(branches):
        before = by_key.setdefault(fault.key, fault)
        if fault.message not in before.message:
            by_key[fault.key] = before._replace(message=f"{before.message}; {fault.message}")
    return list(by_key.values())


def _own_keys(path: Sequence[str | int], type_: str, table: Any) -> tuple[Key, _Branch | None]:
    """Return those steps of pydantic's path that are keys of the table, and the first type of a union on the way."""
    keys: list[str] = []
    branch = None
    at = table
    for number, step in enumerate(path):
        here = isinstance(at, Mapping) and step in at
        if here or (isinstance(at, list) and isinstance(step, int)):
            at = at[step]
        elif isinstance(at, Mapping) and type_ == "missing" and number == len(path) - 1:
            at = None
        else:
            branch = branch or _Branch(tuple(keys), str(step))
            continue
        keys.append(str(step))
    return tuple(keys), branch


def _likeliest(branches: Mapping[_Branch | None, list[Fault]]) -> Iterator[Fault]:
    """Where a value might have been of several types, keep the faults of the type that it comes nearest to."""
    ranks = {branch: _rank(branch, faults) for branch, faults in branches.items() if branch}
    for branch, faults in branches.items():
        if branch is None or ranks[branch] == min(
            rank for other, rank in ranks.items() if other.above == branch.above
        ):
            yield from faults


def _rank(branch: _Branch, faults: Sequence[Fault]) -> tuple[bool, bool, int]:
    keys = {fault.key for fault in faults}
    return branch.above in keys, (*branch.above, "type") in keys, len(faults)


def describe(fault: Fault) -> str:
    """Return a fault in words for a person: the key, what is wrong, what was expected."""
    name = ".".join(fault.key)
    match fault.type:
        case "no_such_setting":
            return f"there is no setting {name}; {fault.message}"
        case "missing":
            return f"{name} is missing" + ("" if fault.message == "Field required" else f": {fault.message}")
        case _ if fault.key:
            return f"{shown(fault.key, fault.value)}: {fault.message}"
        case _:
            return fault.message


def shown(key: Key, value: Any) -> str:
    """Return `key = value` for a person, or the key alone if the value is a table, a list or a secret."""
    name = ".".join(key)
    is_shown = not isinstance(value, (Mapping, list, tuple)) and not is_private_key(value)
    if not is_shown or any(is_secret(word) or word == "query" for word in key):
        return name
    text = repr(without_credentials(value) if isinstance(value, str) else value)
    return f"{name} = {text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + '…'}"
