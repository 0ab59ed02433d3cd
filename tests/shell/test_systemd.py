"""What systemd is told, read at the other end of its socket."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.config.systemd import ServiceManager, told_by
from bridge.shell.systemd import Notifier


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "a path" else f"@voicebridge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        here.settimeout(1.0)
        yield here, name


def received(here: socket.socket) -> dict[str, str]:
    lines = here.recv(4096).decode().split("\n")
    return dict(line.split("=", 1) for line in lines)


def test_each_state_is_one_datagram(manager: tuple[socket.socket, str]) -> None:
    here, name = manager
    notifier = Notifier(ServiceManager(name))
    notifier.ready("serving")
    assert received(here) == {"READY": "1", "STATUS": "serving"}
    notifier.reloading()
    reloading = received(here)
    assert reloading.pop("MONOTONIC_USEC").isdecimal()
    assert reloading == {"RELOADING": "1", "STATUS": "reading the settings"}
    notifier.stopping("draining: 2 calls")
    assert received(here) == {
        "STOPPING": "1",
        "STATUS": "draining: 2 calls",
        "EXTEND_TIMEOUT_USEC": "20000000",
    }
    notifier.still_stopping("draining: 2 calls")
    assert received(here) == {"EXTEND_TIMEOUT_USEC": "20000000"}
    notifier.still_stopping("draining: 1 call")
    assert received(here) == {"STATUS": "draining: 1 call", "EXTEND_TIMEOUT_USEC": "20000000"}
    notifier.close()


def test_nothing_is_sent_without_a_manager_and_one_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    for manager in (None, ServiceManager(str(tmp_path / "gone")), ServiceManager("/" + "x" * 200)):
        notifier = Notifier(manager)
        notifier.ready("serving")
        notifier.stopping("draining")
        notifier.close()


async def test_the_event_loop_feeds_the_watchdog(manager: tuple[socket.socket, str]) -> None:
    here, name = manager
    here.setblocking(False)
    loop = asyncio.get_running_loop()
    notifier = Notifier(ServiceManager(name, watchdog_s=0.02))
    async with asyncio.timeout(5):
        notifier.start_watchdog()
        assert [await loop.sock_recv(here, 100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    notifier.close()


async def test_no_watchdog_is_fed_that_nobody_waits_for(manager: tuple[socket.socket, str]) -> None:
    here, name = manager
    here.setblocking(False)
    notifier = Notifier(ServiceManager(name))
    notifier.start_watchdog()
    with pytest.raises(BlockingIOError):
        here.recv(100)
    notifier.close()


ENVIRONMENTS: dict[str, tuple[dict[str, str], ServiceManager | None]] = {
    "not systemd": ({}, None),
    "a path": ({"NOTIFY_SOCKET": "/run/n"}, ServiceManager("/run/n")),
    "an abstract name": ({"NOTIFY_SOCKET": "@n"}, ServiceManager("@n")),
    "an address of another family": ({"NOTIFY_SOCKET": "vsock:2:1"}, None),
    "a watchdog": ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000"}, ServiceManager("@n", 30.0)),
    "our watchdog": (
        {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())},
        ServiceManager("@n", 30.0),
    ),
    "the watchdog of another process": (
        {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
        ServiceManager("@n"),
    ),
    "no time": ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "soon"}, ServiceManager("@n")),
    "time zero": ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "0"}, ServiceManager("@n")),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_the_environment_says(name: str) -> None:
    environment, manager = ENVIRONMENTS[name]
    assert told_by(environment, os.getpid()) == manager
