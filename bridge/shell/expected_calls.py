"""The calls that webhooks have announced, by carrier, kind of stream and call id, until their media sockets come.

A token lets a socket in; what has to be found again for it, such as the call's control, is here. `now`: Unix time in
seconds, as the tokens have it.
"""

from collections import OrderedDict
from typing import NamedTuple

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.shell.recent_keys import RecentKeys
from bridge.shell.setups import Setup
from bridge.shell.tokens import LIFE_S

MOST = 10_000
"""Calls kept at a time. Webhooks are signed, so only a carrier out of order reaches it; then the oldest go."""

ENDED_S = 600.0
"""How long it is remembered that a call has ended: a webhook that announces it again is old, or was replayed."""

VALID_TOKENS: dict[StreamKind, int] = {"media": 1, "listen": 4}
"""How many of a call's tokens are good at a time, those minted last. A call has one stream that can be spoken into, and
up to four that are listened to: no carrier streams more tracks of one.
"""

_Key = tuple[str, StreamKind, str]


class _Announced(NamedTuple):
    call: ExpectedCall | None
    """None once nobody can come with one of its tokens."""
    setup: Setup | None
    expires: float
    nonces: tuple[bytes, ...]
    """Of the tokens that let a socket in."""
    times: int
    """How often the call was announced."""


class ExpectedCalls:
    """The calls whose tokens may still be good, the oldest announcement first; and those that have ended lately."""

    def __init__(self) -> None:
        self._calls: OrderedDict[_Key, _Announced] = OrderedDict()
        self._awaited: dict[_Key, float] = {}
        """The calls to an assistant with whose last token no socket has come, and until when one may."""
        self._ended = RecentKeys(MOST)

    def add(
        self,
        carrier: str,
        kind: StreamKind,
        call: ExpectedCall,
        now: float,
        *,
        nonce: bytes = b"",
        life_s: float = LIFE_S,
        setup: Setup | None = None,
    ) -> None:
        """A token with this nonce was minted for this call, and is good for `life_s`. `setup`: what the call gets.

        A call that is announced again is known as it was announced last, and tokens from before may be good no more.
        """
        key = carrier, kind, call.call_id
        before = self._calls.pop(key, None)
        while self._calls and (len(self._calls) >= MOST or self._oldest_expiry() <= now):
            self._awaited.pop(self._calls.popitem(last=False)[0], None)
        nonces = (*(before.nonces if before else ()), nonce)[-VALID_TOKENS[kind] :]
        self._calls[key] = _Announced(call, setup, now + life_s, nonces, before.times + 1 if before else 1)
        if kind == "media":
            self._awaited[key] = now + life_s

    def find(
        self, carrier: str, kind: StreamKind, call_id: str, nonce: bytes | None = None
    ) -> ExpectedCall | None:
        """The call as it was announced; None where it was not, or has ended, or was announced anew with another token."""
        announced = self._calls.get((carrier, kind, call_id))
        if announced is None or (nonce is not None and nonce not in announced.nonces):
            return None
        return announced.call

    def came(self, carrier: str, kind: StreamKind, call_id: str) -> Setup | None:
        """A socket of this call came. Returns what the call gets."""
        announced = self._calls.get((carrier, kind, call_id))
        self._awaited.pop((carrier, kind, call_id), None)
        return None if announced is None else announced.setup

    def spent(self, carrier: str, kind: StreamKind, call_id: str, nonce: bytes) -> None:
        """The token with this nonce was used. If no other one is good, only how often the call was announced is kept."""
        key = carrier, kind, call_id
        announced = self._calls.get(key)
        if announced is not None and VALID_TOKENS[kind] == 1 and announced.nonces == (nonce,):
            self._calls[key] = announced._replace(call=None, setup=None)

    def awaited(self, now: float) -> int:
        """Calls to an assistant whose socket has not come, and may."""
        for key in [key for key, expires in self._awaited.items() if expires <= now]:
            del self._awaited[key]
        return len(self._awaited)

    def has_setup(self, setup: Setup, now: float) -> bool:
        """Whether a call that would get this setup may still come."""
        return any(one.setup is setup and one.expires > now for one in self._calls.values())

    def times(self, carrier: str, call_id: str) -> int:
        """How often this call was announced, with any kind of stream."""
        found = (self._calls.get((carrier, kind, call_id)) for kind in VALID_TOKENS)
        return sum(announced.times for announced in found if announced is not None)

    def forget(self, carrier: str, call_id: str) -> None:
        """No stream of this call comes in any more."""
        for kind in VALID_TOKENS:
            self._calls.pop((carrier, kind, call_id), None)
            self._awaited.pop((carrier, kind, call_id), None)

    def ended(self, carrier: str, call_id: str, now: float) -> None:
        """This call is over: it is forgotten, and is not announced again."""
        self.forget(carrier, call_id)
        self._ended.add((carrier, call_id), now + ENDED_S)

    def has_ended(self, carrier: str, call_id: str, now: float) -> bool:
        """Whether this call has ended in the last `ENDED_S`."""
        return self._ended.has((carrier, call_id), now)

    def __len__(self) -> int:
        return len(self._calls)

    def _oldest_expiry(self) -> float:
        return next(iter(self._calls.values())).expires
