"""The addresses of hosts: look-ups in threads of their own, a race between addresses, and what worked last.

Happy Eyeballs (RFC 8305): the next address is tried when one has not answered within `ATTEMPT_DELAY_S`, or failed. The
addresses of a host are remembered: the one that worked comes first, and they are used where a look-up fails or is slow.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from aiohappyeyeballs import start_connection
from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from bridge.tools.threads import Threads

ATTEMPT_DELAY_S = 0.25
"""RFC 8305, section 5, recommends it; asyncio's `happy_eyeballs_delay`."""

REMEMBERED_S = 300.0
"""How long the addresses of a host are good without a look-up."""

SLOW_LOOKUP_S = 0.25
"""How long a look-up may take where the addresses are remembered."""

MOST_LOOKUPS = 16
"""Names that are looked up at a time, each in its thread. A resolver may take half a minute to give a name up."""

MOST_REMEMBERED = 256
"""Hosts whose addresses are remembered. The settings name them, so there are few."""

Name = tuple[str, int]
"""A host and a port."""

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
"""What `getaddrinfo` says of one address; the last item is the socket's."""

Resolve = Callable[[str, int], Sequence[Address]]
"""Looks a name up; blocks. Raises `OSError`."""


class Found(NamedTuple):
    """The addresses of a host, the best first. `lookup`: not finished yet where they are those that are remembered."""

    addresses: list[Address]
    lookup: asyncio.Task[list[Address]] | None = None


class KnownAddresses:
    """The addresses that hosts had last. No clock: `now` is in seconds."""

    def __init__(self) -> None:
        self._known: dict[Name, tuple[list[Address], float]] = {}  # the oldest first, with their expiry

    def of(self, name: Name, now: float) -> list[Address]:
        """The addresses of a host, the one that worked last first; empty where none is remembered."""
        addresses, expiry = self._known.get(name, ([], 0.0))
        return list(addresses) if now < expiry else []

    def looked_up(self, name: Name, found: Sequence[Address], now: float) -> list[Address]:
        """A look-up found these. Returns them with the one that worked last first, if it is still among them."""
        last = self.of(name, now)[:1]
        ordered = [*(one for one in last if one in found), *(one for one in found if one not in last)]
        self._remember(name, ordered, now)
        return ordered

    def worked(self, name: Name, address: Address, now: float) -> None:
        """A connection to this address was made."""
        others = (one for one in self.of(name, now) if one != address)
        self._remember(name, [address, *others], now)

    def _remember(self, name: Name, addresses: list[Address], now: float) -> None:
        self._known.pop(name, None)
        while len(self._known) >= MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[name] = addresses, now + REMEMBERED_S


def _resolve(host: str, port: int) -> Sequence[Address]:
    return cast("Sequence[Address]", socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Addresses:
    """Finds the addresses of hosts, and connects to them. It belongs to one event loop."""

    def __init__(self, resolve: Resolve = _resolve) -> None:
        self._resolve = resolve
        self._known = KnownAddresses()
        self._threads = Threads(MOST_LOOKUPS)
        self._lookups: dict[Name, asyncio.Task[list[Address]]] = {}

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket that is connected to the host. Raises `OSError`; the time is the caller's to limit."""
        found = await self.find(host, port)
        try:
            return await self._race((host, port), found.addresses)
        except OSError:
            if found.lookup is None:
                raise
            fresh = [one for one in await _result(found.lookup) if one not in found.addresses]
            if not fresh:
                raise
        return await self._race((host, port), fresh)

    async def find(self, host: str, port: int) -> Found:
        """Look a host up, unless it is an address. One host is looked up once at a time. Raises `OSError`."""
        if numeric := _numeric(host, port):
            return Found(numeric)
        lookup = self._lookup((host, port))
        known = self._known.of((host, port), _now())
        if not known:
            return Found(await _result(lookup))
        await asyncio.wait({lookup}, timeout=SLOW_LOOKUP_S)
        if not lookup.done():
            return Found(known, lookup)
        failed = lookup.cancelled() or lookup.exception() is not None
        return Found(known if failed else lookup.result())

    def connector(self, *, limit: int, keepalive_timeout: float = 15.0) -> TCPConnector:
        """A connector for aiohttp that looks up here, and races addresses. `limit`: of connections; 0: none."""
        return TCPConnector(
            resolver=_Resolver(self),
            happy_eyeballs_delay=ATTEMPT_DELAY_S,
            limit=limit,
            keepalive_timeout=keepalive_timeout,
        )

    async def aclose(self) -> None:
        """Stop waiting for look-ups. A thread cannot be stopped: it is left to end."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    def _lookup(self, name: Name) -> asyncio.Task[list[Address]]:
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = self._lookups[name] = asyncio.create_task(self._look_up(name), name=f"look-up {name[0]}")
            lookup.add_done_callback(partial(self._looked_up, name))
        return lookup

    async def _look_up(self, name: Name) -> list[Address]:
        found = await self._threads.run(f"look-up {name[0]}", partial(self._resolve, *name))
        addresses = list(dict.fromkeys(cast("Sequence[Address]", found)))
        if not addresses:
            raise OSError(f"{name[0]} has no address")
        return self._known.looked_up(name, addresses, _now())

    def _looked_up(self, name: Name, lookup: asyncio.Task[list[Address]]) -> None:
        del self._lookups[name]
        if not lookup.cancelled():
            lookup.exception()  # nobody may wait for it any more

    async def _race(self, name: Name, addresses: Sequence[Address]) -> socket.socket:
        try:
            connected = await start_connection(addresses, happy_eyeballs_delay=ATTEMPT_DELAY_S)
        except RuntimeError as error:  # of uvloop, in place of an OSError
            raise OSError(str(error)) from error
        try:
            peer = connected.getpeername()
        except OSError:  # the peer has gone already
            connected.close()
            raise
        for address in addresses:
            if address[0] == connected.family and address[4] == peer:
                self._known.worked(name, address, _now())
        return connected


class _Resolver(AbstractResolver):
    """The look-ups of `Addresses` as aiohttp asks for them."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = (await self._addresses.find(host, port)).addresses
        return [
            ResolveResult(
                hostname=host,
                host=address[4][0],
                port=port,
                family=address[0],
                proto=address[2],
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
            if family in (socket.AF_UNSPEC, address[0])
        ]

    async def close(self) -> None:
        """Nothing: the look-ups are shared."""


def _numeric(host: str, port: int) -> list[Address]:
    """The address that `host` is already; empty if it is a name. This does not block."""
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror:
        return []
    return cast("list[Address]", found)


async def _result(lookup: asyncio.Task[list[Address]]) -> list[Address]:
    """Wait for a look-up, which goes on for others if whoever waits here is cancelled."""
    await asyncio.wait({lookup})
    return lookup.result()


def _now() -> float:
    return asyncio.get_running_loop().time()
