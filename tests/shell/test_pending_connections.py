"""Connections that are not calls: which one is dropped for which, without a socket."""

from collections.abc import Callable
from functools import partial
from math import inf

import pytest
from structlog.testing import capture_logs

from bridge.shell.pending_connections import MOST, PendingConnections, Released, most_pending


class Door:
    """A bounded number of connections, each by a name, and those that were dropped."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self.pending = PendingConnections(most, most_per_address)
        self.dropped: list[str] = []
        self.released: dict[str, Released] = {}

    def come(self, *names: str, address: str = "203.0.113.7") -> None:
        for name in names:
            drop: Callable[[], None] = partial(self.dropped.append, name)
            self.released[name] = self.pending.add(address, drop)


def test_the_oldest_makes_way_for_a_newer_one() -> None:
    door = Door(3, 0)
    door.come("a", "b", "c")
    door.come("d", address="198.51.100.1")
    assert (door.dropped, len(door.pending)) == (["a"], 3)


def test_of_one_address_there_are_so_many() -> None:
    door = Door(100, 2)
    door.come("a", "b", address="198.51.100.1")
    door.come("c", "d", "e")
    assert door.dropped == ["c"], "others are left alone"


def test_a_call_and_a_connection_that_was_closed_are_not_counted() -> None:
    door = Door(2, 2)
    door.come("a", "b")
    door.released["a"]()
    door.released["a"]()
    door.come("c")
    assert (door.dropped, len(door.pending)) == ([], 2)
    door.come("d")
    assert door.dropped == ["b"]
    for name in "bcd":
        door.released[name]()
    assert len(door.pending) == len(door.pending._by_address) == 0


ADDRESSES = {
    "loopback is a proxy's": (["127.0.0.1"] * 3, []),
    "loopback of IPv6": (["::1"] * 3, []),
    "loopback in IPv6's clothes": (["::ffff:127.0.0.1"] * 3, []),
    "an address in IPv6's clothes": (["::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7"], ["0"]),
    "a network of IPv6 is one": (["2001:db8::1", "2001:db8::2", "2001:db8::3"], ["0"]),
    "two networks of IPv6": (["2001:db8::1", "2001:db8:0:1::2", "2001:db8:0:1::3"], []),
    "an address with its interface": (["fe80::1%eth0", "fe80::2%eth0", "fe80::3%eth1"], ["0"]),
    "no address": (["", "", ""], []),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_who_is_counted_together(name: str) -> None:
    addresses, dropped = ADDRESSES[name]
    door = Door(100, 2)
    for number, address in enumerate(addresses):
        door.come(str(number), address=address)
    assert door.dropped == dropped


def test_no_bound_for_an_address() -> None:
    door = Door(100, 0)
    door.come(*map(str, range(50)))
    assert door.dropped == []


def test_a_flood_is_one_line_a_second() -> None:
    door = Door(1, 0)
    with capture_logs() as log:
        door.come(*map(str, range(100)))
    assert len(door.dropped) == 99
    assert [line["event"] for line in log] == ["= connection dropped"]


@pytest.mark.parametrize(("limit", "most"), [(256, 64), (1024, 256), (1_048_576, MOST), (inf, MOST), (2, 1)])
def test_the_bound_is_well_under_the_limit_of_files(limit: float, most: int) -> None:
    assert most_pending(limit) == most
