"""Spreads the requests that may set a call up, so that a crowd of them does not take the loop from the calls under way.

While there are calls, the loop begins one request at a time and has `GAP_S` for everything else before the next one. No
clock and no loop of its own: `call_later` is passed in.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

GAP_S = 0.002
"""From the beginning of a request to the next one's, in seconds: a webhook, or an upgrade, takes the loop for a millisecond."""

Withdraw = Callable[[], None]
"""Takes a request back that has not begun; does nothing to one that has."""

Enter = Callable[[Callable[[], None]], Withdraw]
"""Gets what begins a request, and has it done now or soon, in order."""


class SetupPace:
    """The requests of one server. `calls`: how many are under way. `call_later` is the loop's."""

    def __init__(
        self, calls: Callable[[], int], call_later: Callable[[float, Callable[[], None]], Any]
    ) -> None:
        self._calls = calls
        self._call_later = call_later
        self._waiting: OrderedDict[object, Callable[[], None]] = OrderedDict()
        self._is_resting = False

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def enter(self, begin: Callable[[], None]) -> Withdraw:
        """See `Enter`."""
        if not self._is_resting:
            self._rest()
            begin()
            return _nothing
        key = object()
        self._waiting[key] = begin
        return lambda: self._withdraw(key)

    def _withdraw(self, key: object) -> None:
        self._waiting.pop(key, None)

    def _rest(self) -> None:
        self._is_resting = True
        self._call_later(GAP_S if self._calls() else 0.0, self._next)

    def _next(self) -> None:
        self._is_resting = False
        if self._waiting:
            self._rest()
            _, begin = self._waiting.popitem(last=False)
            begin()


def at_once(begin: Callable[[], None]) -> Withdraw:
    """An `Enter` that spreads nothing."""
    begin()
    return _nothing


def _nothing() -> None:
    """It has begun."""
