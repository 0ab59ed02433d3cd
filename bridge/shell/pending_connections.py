"""Connections that are not calls: a bound in total and for each address; the oldest one is dropped for a newer one.

An honest request is over in milliseconds, so the oldest are those that say nothing, or little at a time.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from bridge.shell.sampled_log import SampledLog

MOST = 1_000

SHARE = 4
"""They may have one in so many file descriptors: the others are for calls."""

V6_NETWORK_BYTES = 8
"""Whoever has one IPv6 address has 2^64 of them (RFC 6177)."""

Released = Callable[[], None]
"""Called when a connection has become a call, or is closed; as often as one likes."""


class PendingConnections:
    """Those of one server. `most_per_address`: 0 for no bound; there is none for loopback, where a proxy may be."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._all: OrderedDict[object, tuple[bytes, Released]] = OrderedDict()
        """The address and how to drop it, the oldest first."""
        self._by_address: dict[bytes, OrderedDict[object, None]] = {}
        self._log = SampledLog()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, address: str, drop: Callable[[], None]) -> Released:
        """A connection was accepted. `drop` closes it. Returns what to call when it is no longer pending."""
        origin = _origin(address)
        if origin and len(self._by_address.get(origin, ())) >= self._most_per_address > 0:
            self._drop(
                next(iter(self._by_address[origin])),
                "too many of its address, limits.connections_per_address",
            )
        if len(self._all) >= self._most:
            self.drop_oldest("too many in all, a part of the limit of file descriptors (ulimit -n)")
        key = object()
        self._all[key] = origin, drop
        self._by_address.setdefault(origin, OrderedDict())[key] = None
        return lambda: self._forget(key)

    def drop_oldest(self, why: str) -> None:
        """Drop the one that has been pending for longest, if there is one."""
        if self._all:
            self._drop(next(iter(self._all)), why)

    def _drop(self, key: object, why: str) -> None:
        self._log.write("warning", why, "= connection dropped", reason=why)
        _, drop = self._all[key]
        self._forget(key)
        drop()

    def _forget(self, key: object) -> None:
        if key not in self._all:
            return
        origin, _ = self._all.pop(key)
        others = self._by_address[origin]
        del others[key]
        if not others:
            del self._by_address[origin]


def most_pending(descriptor_limit: float) -> int:
    """The bound for a process that may have so many file descriptors."""
    return int(max(1, min(MOST, descriptor_limit / SHARE)))


def _origin(address: str) -> bytes:
    """What is counted together; empty for loopback, and where the address is not known."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return b""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return b"" if ip.is_loopback else ip.packed[:V6_NETWORK_BYTES]
        ip = ip.ipv4_mapped
    return b"" if ip.is_loopback else ip.packed
