"""What can be looked up of an account at a carrier: whether it is good, and where the calls of its numbers go."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bridge.carriers.shared.rest import ApiRequest


class Number(NamedTuple):
    """A number of the account. `goes_to`: the address of its voice webhook, or in words what else has its calls."""

    number: str
    goes_to: str
    method: str = "POST"


class Account(NamedTuple):
    """An account. `fault`: why it carries no calls, in words; empty if it does."""

    fault: str
    numbers: Sequence[Number]


class AccountLook(NamedTuple):
    """The requests that look an account up, and what their answers say, in the same order. They change nothing."""

    requests: Sequence[ApiRequest]
    read: Callable[[Sequence[Mapping[str, Any]]], Account]
