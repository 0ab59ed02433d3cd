"""The calls that webhooks have announced, by carrier, kind of stream and call id, until their media sockets come.

A token lets a socket in; what has to be found again for it, such as the call's control, is here. `now`: Unix time in
seconds, as the tokens have it.
"""

from collections import OrderedDict

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.shell.tokens import LIFE_S

MOST = 10_000
"""Calls kept at a time. Webhooks are signed, so only a carrier out of order reaches it; then the oldest go."""

_Key = tuple[str, StreamKind, str]


class ExpectedCalls:
    """The calls whose tokens may still be good, the oldest announcement first."""

    def __init__(self) -> None:
        self._calls: OrderedDict[_Key, tuple[ExpectedCall, float]] = OrderedDict()

    def add(self, carrier: str, kind: StreamKind, call: ExpectedCall, now: float) -> None:
        """A token was minted for this call; a call that is announced again is known as it was announced last."""
        key = carrier, kind, call.call_id
        self._calls.pop(key, None)
        while self._calls and (len(self._calls) >= MOST or self._oldest_expiry() <= now):
            self._calls.popitem(last=False)
        self._calls[key] = call, now + LIFE_S

    def find(self, carrier: str, kind: StreamKind, call_id: str) -> ExpectedCall | None:
        """The call as it was announced; None where it was not, or has ended."""
        call, _ = self._calls.get((carrier, kind, call_id), (None, 0.0))
        return call

    def forget(self, carrier: str, call_id: str) -> None:
        """This call is over: no stream of it comes in any more."""
        for key in [key for key in self._calls if (key[0], key[2]) == (carrier, call_id)]:
            del self._calls[key]

    def __len__(self) -> int:
        return len(self._calls)

    def _oldest_expiry(self) -> float:
        return next(iter(self._calls.values()))[1]
