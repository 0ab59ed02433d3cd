"""On which loops the shell is tested, and the leak check.

A test that leaves a task, a socket or a thread behind fails, and the message names it.

Tasks are looked at while the test's loop still lives, for its end would cancel them in silence; sockets and threads
after it, when the loop's own are gone too. What a fixture of a wider scope opened is there before and may stay.
"""

import asyncio
import gc
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
import uvloop

from bridge.shell.loop_watch import LoopWatch
from tests.processes import free_port

hypothesis.settings.register_profile(
    "untimed", deadline=None, max_examples=60
)  # how fast a machine is, is no property of the code
hypothesis.settings.load_profile("untimed")

ON_BOTH_LOOPS = {
    "test_addresses",
    "test_network",
    "test_server",
    "test_websocket",
    "test_websocket_upgrade",
    "test_front_door",
    "test_listener",
    "test_session",
    "test_assistant_socket",
    "test_rest_client",
    "test_preconnect",
    "test_assistant_http",
}
"""What touches sockets and timers runs on the loop that serves, too."""


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem in ON_BOTH_LOOPS:
        loops["uvloop"] = uvloop.new_event_loop
    return loops


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay: a full collection that looks at each would stop a call for half a second."""
    gc.collect()
    gc.freeze()


GRACE_S = 5.0
"""For a thread or a task that was told to end and is about to. Only a test that leaks waits so long."""

LOOK_AGAIN_S = 0.01

OPEN_FILES = Path("/proc/self/fd")
"""Linux; elsewhere sockets go unchecked."""


def described(descriptor: int) -> str:
    with socket.socket(fileno=os.dup(descriptor)) as twin:
        return f"socket {descriptor} ({twin.family.name}, {twin.getsockname()!r})"


def open_sockets() -> dict[object, str]:
    """By their names in the kernel: a descriptor's number is used again."""
    found: dict[object, str] = {}
    for file in OPEN_FILES.iterdir() if OPEN_FILES.is_dir() else ():
        try:
            target = os.readlink(file)
            if target.startswith("socket:"):
                found[target] = described(int(file.name))
        except OSError:  # closed since the folder was listed, as is the descriptor that listed it
            continue
    return found


def sockets_and_threads() -> dict[object, str]:
    return open_sockets() | {thread: f"thread {thread.name}" for thread in threading.enumerate()}


def left_since(before: dict[object, str]) -> list[str]:
    return sorted(name for thing, name in sockets_and_threads().items() if thing not in before)


@pytest.fixture
def unused_tcp_port() -> int:
    """In place of pytest-asyncio's, which the system may give to another program before the test opens it."""
    return free_port()


LAG_S = LoopWatch.lag_s
LAG_IS_TESTED = ("test_loop_watch", "test_refused_calls")


@pytest.fixture(scope="session", autouse=True)
def loop_in_time() -> Iterator[None]:
    """Other programs take this machine's time as well: that refuses no call where the lag is not what is tested.

    Of the widest scope, because fixtures of wider scopes carry calls, too. Programs: see `NO_LAG_LIMIT`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoopWatch, "lag_s", 0.0)
        yield


@pytest.fixture(autouse=True)
def lag_is_tested(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.path.stem in LAG_IS_TESTED:
        monkeypatch.setattr(LoopWatch, "lag_s", LAG_S)


@pytest.fixture(autouse=True)
def no_socket_or_thread_left() -> Iterator[None]:
    before = sockets_and_threads()
    yield
    give_up = time.monotonic() + GRACE_S
    while left := left_since(before):
        if time.monotonic() > give_up:
            pytest.fail("left behind: " + ", ".join(left), pytrace=False)
        gc.collect()
        time.sleep(LOOK_AGAIN_S)


@pytest.fixture(autouse=True)
def log_as_before(no_socket_or_thread_left: None) -> Iterator[None]:
    """A command sets up the log of the whole process. Later tests would write to it, and each line start a thread."""
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture(autouse=True)
def no_task_left(no_socket_or_thread_left: None, request: pytest.FixtureRequest) -> None:
    # Only an asynchronous test has a loop, and only an asynchronous fixture can look into it.
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("no_task_left_in_the_loop")


@pytest.fixture
async def no_task_left_in_the_loop() -> AsyncIterator[None]:
    yield
    give_up = time.monotonic() + GRACE_S
    while left := asyncio.all_tasks() - {asyncio.current_task()}:
        if time.monotonic() > give_up:
            names = sorted(f"{task.get_name()} ({task.get_coro()!r})" for task in left)
            pytest.fail("left behind: task " + ", ".join(names), pytrace=False)
        await asyncio.sleep(LOOK_AGAIN_S)


@pytest.fixture
async def timers_left(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[asyncio.TimerHandle]]:
    """The timers that somebody set since, and that are still to fire."""
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    call_later = loop.call_later

    def note(
        delay: float, callback: Callable[..., object], *args: Any, **context: Any
    ) -> asyncio.TimerHandle:
        def fire() -> None:
            timers.remove(timer)  # its time does not tell: uvloop's clock stands during a round
            callback(*args)

        timer = call_later(delay, fire, **context)
        timers.append(timer)
        return timer

    monkeypatch.setattr(loop, "call_later", note)
    return lambda: [timer for timer in timers if not timer.cancelled()]
