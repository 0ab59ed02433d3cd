"""Addresses of hosts: which comes first, what is remembered, and that neither a dead address nor a slow name holds a call."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager

import aiohttp
import pytest
from aiohttp import web

from bridge.shell import addresses as module
from bridge.shell.addresses import REMEMBERED_S, Address, Addresses, KnownAddresses

DEAD, LIVE, OTHER = "127.0.0.2", "127.0.0.1", "127.0.0.3"
NAME = ("host.example", 443)

AT_ONCE_S = 2.0
"""A dead address costs a quarter of a second, and the machine may be busy; without a race it costs minutes."""


def address(host: str, port: int = 443) -> Address:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    where = (host, port, 0, 0) if ":" in host else (host, port)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where


A, B, C = address("192.0.2.1"), address("192.0.2.2"), address("2001:db8::3")

# What is remembered, without I/O


def test_the_address_that_worked_comes_first_while_a_look_up_still_finds_it() -> None:
    known = KnownAddresses()
    assert known.of(NAME, 0.0) == []
    assert known.looked_up(NAME, [A, B, C], 0.0) == [A, B, C]
    known.worked(NAME, B, 1.0)
    assert known.of(NAME, 2.0) == [B, A, C]
    assert known.looked_up(NAME, [C, B, A], 3.0) == [B, C, A]
    assert known.looked_up(NAME, [A, C], 4.0) == [A, C], "the host has moved"
    assert known.looked_up(NAME, [B, A], 5.0) == [A, B]
    assert known.of(("host.example", 80), 5.0) == [], "another port may be another server"


def test_addresses_are_remembered_for_five_minutes() -> None:
    known = KnownAddresses()
    known.looked_up(NAME, [A, B], 0.0)
    known.worked(NAME, B, 10.0)
    assert known.of(NAME, 10.0 + REMEMBERED_S - 0.001) == [B, A]
    assert known.of(NAME, 10.0 + REMEMBERED_S) == []
    assert known.looked_up(NAME, [A, B], 10.0 + REMEMBERED_S) == [A, B]


def test_so_many_hosts_are_remembered_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 2)
    known = KnownAddresses()
    for port in (1, 2, 1, 3):
        known.looked_up(("host.example", port), [A], 0.0)
    assert [port for port in (1, 2, 3) if known.of(("host.example", port), 0.0)] == [1, 3]


# Connections


@contextmanager
def dead(host: str, port: int) -> Iterator[None]:
    """An address that does not answer: its queue is full, and the kernel drops what comes."""
    with ExitStack() as open_:
        full = open_.enter_context(socket.socket())
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind((host, port))
        full.listen(0)
        for _ in range(4):
            waiting = open_.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


class Names:
    """Look-ups by a table. `slow`: names that take until `release` is called, as a resolver does that is out of reach."""

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        self.table = dict(table)
        self.slow: set[str] = set()
        self.asked: list[str] = []
        self._released = threading.Event()

    def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        if host in self.slow:
            self._released.wait()
        if host not in self.table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [address(one, port) for one in self.table[host]]

    def release(self) -> None:
        self._released.set()


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names({"two.example": [DEAD, LIVE], "one.example": [LIVE], "gone.example": []})
    yield names
    names.release()


@asynccontextmanager
async def finding(names: Names) -> AsyncIterator[Addresses]:
    addresses = Addresses(names)
    try:
        yield addresses
    finally:
        await addresses.aclose()


@contextmanager
def serving(host: str = LIVE, port: int = 0) -> Iterator[int]:
    with socket.create_server((host, port)) as server:
        yield server.getsockname()[1]


@contextmanager
def at_once() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < AT_ONCE_S


async def reached(addresses: Addresses, host: str, port: int) -> str:
    """The address that a host is reached at."""
    with await addresses.connect(host, port) as connected:
        return str(connected.getpeername()[0])


async def test_a_dead_first_address_costs_a_quarter_of_a_second_and_nothing_the_next_time(
    names: Names,
) -> None:
    async with finding(names) as addresses:
        with serving() as port, dead(DEAD, port):
            began = time.monotonic()
            assert await reached(addresses, "two.example", port) == LIVE
            assert module.ATTEMPT_DELAY_S - 0.01 <= time.monotonic() - began < AT_ONCE_S
            assert (await addresses.find("two.example", port)).addresses[0][4][0] == LIVE
            began = time.monotonic()
            assert await reached(addresses, "two.example", port) == LIVE
            assert time.monotonic() - began < module.ATTEMPT_DELAY_S


async def test_a_refused_first_address_costs_nothing(names: Names) -> None:
    async with finding(names) as addresses:
        with serving() as port, at_once():
            assert await reached(addresses, "two.example", port) == LIVE


async def test_no_address_that_answers_is_an_error(names: Names) -> None:
    async with finding(names) as addresses:
        with pytest.raises(ConnectionRefusedError):
            await addresses.connect("two.example", 1)
        with pytest.raises(socket.gaierror, match="not known"):
            await addresses.connect("nobody.example", 1)
        with pytest.raises(OSError, match=r"gone\.example has no address"):
            await addresses.connect("gone.example", 1)


async def test_an_address_is_not_looked_up(names: Names) -> None:
    async with finding(names) as addresses:
        with serving() as port:
            assert await reached(addresses, LIVE, port) == LIVE
        assert (await addresses.find("::1", 80)).addresses[0][4][0] == "::1"
    assert names.asked == []


async def test_slow_names_do_not_hold_another_up(names: Names) -> None:
    """uvloop's own look-ups have four threads for all names."""
    slow = [f"slow{number}.example" for number in range(module.MOST_LOOKUPS - 1)]
    names.slow.update(slow)
    async with finding(names) as addresses:
        waiting = [asyncio.create_task(addresses.connect(name, 80)) for name in slow]
        await asyncio.sleep(0)
        with serving() as port, at_once():
            assert await reached(addresses, "one.example", port) == LIVE
        names.release()
        for task in waiting:
            with pytest.raises(socket.gaierror):
                await task


async def test_a_name_is_looked_up_once_at_a_time(names: Names) -> None:
    names.slow.add("one.example")
    async with finding(names) as addresses:
        with serving() as port:
            both = [asyncio.create_task(reached(addresses, "one.example", port)) for _ in range(2)]
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):  # whoever gives up does not stop it for the others
                        await addresses.connect("one.example", port)
            names.release()
            assert await asyncio.gather(*both) == [LIVE, LIVE]
    assert names.asked == ["one.example"]


@pytest.mark.parametrize("fault", ["slow", "failed"])
async def test_a_look_up_that_is_slow_or_fails_is_done_without(names: Names, fault: str) -> None:
    async with finding(names) as addresses:
        with serving() as port:
            await reached(addresses, "one.example", port)
            if fault == "slow":
                names.slow.add("one.example")
            else:
                del names.table["one.example"]
            with at_once():
                assert await reached(addresses, "one.example", port) == LIVE
        names.release()
    assert names.asked == ["one.example"] * 2


async def test_remembered_addresses_that_fail_wait_for_the_slow_look_up(names: Names) -> None:
    async with finding(names) as addresses:
        with serving() as port:
            await reached(addresses, "one.example", port)
        with serving(OTHER, port):
            names.slow.add("one.example")
            names.table["one.example"] = [OTHER]  # the host has moved, and nobody listens where it was
            again = asyncio.create_task(reached(addresses, "one.example", port))
            asyncio.get_running_loop().call_later(module.SLOW_LOOKUP_S + 0.05, names.release)
            assert await again == OTHER


async def test_a_connection_that_is_given_up_leaves_no_socket(names: Names) -> None:
    async with finding(names) as addresses:
        with serving() as port, dead(DEAD, port), dead(OTHER, port):
            names.table["two.example"] = [DEAD, OTHER]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await addresses.connect("two.example", port)


@asynccontextmanager
async def web_server() -> AsyncIterator[int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.add_routes([web.get("/", hello)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LIVE, 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("fault", [lambda names: None, lambda names: names.table.clear()], ids=["", "failed"])
async def test_http_has_the_same_addresses(names: Names, fault: Callable[[Names], None]) -> None:
    async with finding(names) as addresses, web_server() as port:
        with dead(DEAD, port), at_once():
            async with aiohttp.ClientSession(connector=addresses.connector(limit=1)) as http:
                async with http.get(f"http://two.example:{port}/") as answer:
                    assert await answer.text() == "hello"
            fault(names)
            async with aiohttp.ClientSession(connector=addresses.connector(limit=1)) as http:
                async with http.get(f"http://two.example:{port}/") as answer:
                    assert await answer.text() == "hello"
    assert names.asked == ["two.example"] * 2


async def test_http_that_finds_no_host_says_so(names: Names) -> None:
    async with finding(names) as addresses:
        async with aiohttp.ClientSession(connector=addresses.connector(limit=1)) as http:
            with pytest.raises(aiohttp.ClientConnectorDNSError):
                await http.get("http://nobody.example/")
