"""What is wrong with a table of settings, told by its keys; and what must not be shown of it.

pydantic names a fault by a path that also holds the names of its own types, and tells of every type that a value
might have been. Here a fault has the keys that a person wrote, and the type that the person most likely meant.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Key = tuple[str, ...]

NO_TABLE = ("dict_type", "model_type", "model_attributes_type")
"""Types of fault that pydantic tells in Python's words."""

HIDDEN = "**********"
_KEY = re.compile(
    r"\b(sk|ek|sess|xai)[-_][\w*.-]+|\bKEY[0-9A-F]{8}\w*|\bBearer +[\w.~+/=*-]+|\b[A-Za-z0-9]{32,}\b"
)
_ADDRESS = re.compile(r"\w+://\S+")
_NUMBER = re.compile(r"(?:\+|%2[Bb])?\d(?:[\s()./-]{0,3}\d){4,}[\s()./-]{0,3}(\d)[\s()./-]{0,3}(\d)")
_USER = re.compile(
    r"(?<=//)[^/?#]*@"
    r"|(?<=//)[^/?#]*:(?!\d*([/?#]|$)).*@"  # a password with a slash in it
    r"|^(?!\s*[\w+.-]+://)[^\s/?#@]+:.*@",  # the scheme was forgotten
    re.DOTALL,
)
_QUERY = re.compile(r"^([^?#]*://[^?#]*[?#]|[^\s?#]+[?#](?=\S*=)).+", re.DOTALL)
SECRET_WORDS = ("secret", "password", "authorization", "headers", "api_key", "apikey")
SECRET_ENDS = ("token", "key")
"""`auth_token` and `api-key`, but neither `token_limits` nor `ssl_keyfile`."""

LONGEST_SHOWN = 80


class Fault(NamedTuple):
    """One fault. `type`: pydantic's name for it, or "no_such_setting"; `value`: what was found there."""

    key: Key
    type: str
    message: str
    value: Any


class _Branch(NamedTuple):
    """One of the types that a value might have been."""

    above: Key
    type: str


def with_nearest(error: ValidationError, known: Sequence[str]) -> ValidationError:
    """The same, told with the nearest right name where a table does not know a key; it knows `known`."""
    told = []
    for found in error.errors(include_url=False, include_context=False):
        type_, message = found["type"], found["msg"].removeprefix("Value error, ")
        if type_ == "extra_forbidden" and len(found["loc"]) == 1:
            near = difflib.get_close_matches(str(found["loc"][0]), known, n=1)
            type_ = "no_such_setting"
            message = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        told.append(
            InitErrorDetails(type=PydanticCustomError(type_, message), loc=found["loc"], input=found["input"])
        )
    return ValidationError.from_exception_data(error.title, told)


def faults_in(error: ValidationError, table: Any) -> list[Fault]:
    """The faults of `table`, one for each key."""
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
    """Of pydantic's path what stands in the table, and the first type of a union on the way."""
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
    """Where a value might have been of several types, the one that it comes nearest to."""
    ranks = {branch: _rank(branch, faults) for branch, faults in branches.items() if branch}
    for branch, faults in branches.items():
        if branch is None or ranks[branch] == min(
            rank for other, rank in ranks.items() if other.above == branch.above
        ):
            yield from faults


def _rank(branch: _Branch, faults: Sequence[Fault]) -> tuple[bool, bool, int]:
    keys = {fault.key for fault in faults}
    return branch.above in keys, (*branch.above, "type") in keys, len(faults)


def told(fault: Fault) -> str:
    """A fault for a person: key, what was wrong, what would be right."""
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
    """`key = value` for a person, or the key alone where the value is long, a table, or nobody's business."""
    name = ".".join(key)
    if isinstance(value, (Mapping, list, tuple)) or any(is_secret(word) or word == "query" for word in key):
        return name
    text = repr(without_credentials(value) if isinstance(value, str) else value)
    return f"{name} = {text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + '…'}"


def is_secret(name: str) -> bool:
    """Whether what bears this name is not to be shown."""
    name = name.lower()
    return name.endswith(SECRET_ENDS) or any(word in name for word in SECRET_WORDS)


def masked(value: Any) -> Any:
    """The same table with its secrets hidden, however deep they lie."""
    match value:
        case Mapping():
            return {name: HIDDEN if is_secret(name) else masked(inner) for name, inner in value.items()}
        case list():
            return [masked(inner) for inner in value]
        case str():
            return without_credentials(value)
        case _:
            return value


def without_credentials(text: str) -> str:
    """An address without user, password, query and fragment, also one that is badly written; else the same text."""
    return _QUERY.sub(r"\1***", _USER.sub("***@", text))


def without_keys(text: str) -> str:
    """What a peer said, with everything that looks like a key masked."""
    return _KEY.sub("***", text)


def without_addresses(text: str) -> str:
    """What a carrier said, without addresses: that of a media socket holds its token."""
    return _ADDRESS.sub("(address)", text)


def without_numbers(text: str) -> str:
    """Telephone numbers, however they are written, without all but their last two digits. Seven digits make one."""
    return _NUMBER.sub(r"***\1\2", text)
