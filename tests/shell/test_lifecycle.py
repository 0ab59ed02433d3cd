"""The stages in which a server stops: as tables, then with calls that are played."""

import asyncio
import socket
from pathlib import Path

import pytest

from bridge.config.systemd import ServiceManager
from bridge.shell.lifecycle import Lifecycle, Stage, Stages, StopRules
from bridge.shell.systemd import Notifier

RULES = StopRules(drain_s=300, goodbye_s=20, linger_s=5)

SIGNAL, LOOK = "signal", "look"

Row = tuple[float, str, int, int, Stage, bool]
"""When, what comes, calls, promised calls; the stage then, and whether it is over."""

STORIES: dict[str, tuple[StopRules, list[Row]]] = {
    "no signal": (RULES, [(9_000, LOOK, 0, 0, Stage.SERVING, False)]),
    "the calls end by themselves": (
        RULES,
        [
            (10, SIGNAL, 2, 0, Stage.DRAINING, False),
            (100, LOOK, 1, 0, Stage.DRAINING, False),
            (309, LOOK, 0, 0, Stage.DRAINING, True),
        ],
    ),
    "no call: the port stays open for balancers": (
        RULES,
        [
            (10, SIGNAL, 0, 0, Stage.DRAINING, False),
            (14.9, LOOK, 0, 0, Stage.DRAINING, False),
            (15, LOOK, 0, 0, Stage.DRAINING, True),
        ],
    ),
    "no call, and nothing to linger for": (
        RULES._replace(linger_s=0),
        [(10, SIGNAL, 0, 0, Stage.DRAINING, True)],
    ),
    "a call that goes on for longer than drain_s": (
        RULES,
        [
            (10, SIGNAL, 1, 0, Stage.DRAINING, False),
            (309.9, LOOK, 1, 0, Stage.DRAINING, False),
            (310, LOOK, 1, 0, Stage.GOODBYE, False),
            (320, LOOK, 0, 0, Stage.GOODBYE, True),
        ],
    ),
    "a call that does not end with the goodbye": (
        RULES,
        [
            (10, SIGNAL, 1, 0, Stage.DRAINING, False),
            (310, LOOK, 1, 0, Stage.GOODBYE, False),
            (330, LOOK, 1, 0, Stage.LEAVING, True),
        ],
    ),
    "a loop that was held up makes up for it": (
        RULES,
        [(10, SIGNAL, 1, 0, Stage.DRAINING, False), (1000, LOOK, 1, 0, Stage.LEAVING, True)],
    ),
    "drain_s = 0: goodbye at once, and the port stays open": (
        RULES._replace(drain_s=0),
        [
            (10, SIGNAL, 1, 0, Stage.DRAINING, False),
            (10, LOOK, 1, 0, Stage.GOODBYE, False),
            (12, LOOK, 0, 0, Stage.GOODBYE, False),
            (15, LOOK, 0, 0, Stage.GOODBYE, True),
        ],
    ),
    "a second signal": (
        RULES,
        [
            (10, SIGNAL, 1, 0, Stage.DRAINING, False),
            (11, SIGNAL, 1, 0, Stage.GOODBYE, False),
            (12, LOOK, 0, 0, Stage.GOODBYE, True),  # nobody waits for balancers any more
        ],
    ),
    "a third signal": (
        RULES,
        [
            (10, SIGNAL, 1, 0, Stage.DRAINING, False),
            (11, SIGNAL, 1, 0, Stage.GOODBYE, False),
            (12, SIGNAL, 1, 0, Stage.LEAVING, True),
            (13, SIGNAL, 1, 0, Stage.LEAVING, True),
        ],
    ),
    "a second signal after drain_s leaves": (
        RULES,
        [
            (10, SIGNAL, 1, 0, Stage.DRAINING, False),
            (310, LOOK, 1, 0, Stage.GOODBYE, False),
            (311, SIGNAL, 1, 0, Stage.LEAVING, True),
        ],
    ),
    "a call that was promised an assistant is waited for, for a while": (
        RULES,
        [
            (10, SIGNAL, 0, 1, Stage.DRAINING, False),
            (19.9, LOOK, 0, 1, Stage.DRAINING, False),
            (20, LOOK, 0, 1, Stage.DRAINING, True),
        ],
    ),
    "a promised call that comes": (
        RULES,
        [
            (10, SIGNAL, 0, 1, Stage.DRAINING, False),
            (16, LOOK, 1, 0, Stage.DRAINING, False),
            (200, LOOK, 0, 0, Stage.DRAINING, True),
        ],
    ),
    "a promised call is not waited for at the goodbye": (
        RULES,
        [
            (10, SIGNAL, 0, 1, Stage.DRAINING, False),
            (11, SIGNAL, 0, 1, Stage.GOODBYE, True),
        ],
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_stages(name: str) -> None:
    rules, rows = STORIES[name]
    stages = Stages(rules)
    for now, what, calls, promised, stage, is_over in rows:
        if what is SIGNAL:
            stages.signal(now)
        else:
            stages.look(now)
        assert (stages.stage, stages.is_over(calls, promised, now)) == (stage, is_over), f"at {now}"


class Calls:
    """Calls that end as they are asked to: `stays` until which stage."""

    def __init__(self, calls: int = 1, stays: Stage = Stage.LEAVING) -> None:
        self.calls = calls
        self.promised = 0
        self.asked: list[str] = []
        self._stays = stays

    def _ask(self, what: str, stage: Stage) -> None:
        self.asked.append(what)
        if stage >= self._stays:
            self.calls = 0

    def refuse_new_calls(self) -> None:
        self._ask("refuse", Stage.DRAINING)

    def say_goodbye(self) -> None:
        self._ask("goodbye", Stage.GOODBYE)

    def close(self) -> None:
        self._ask("close", Stage.GOODBYE)

    def break_off(self) -> None:
        self._ask("break off", Stage.LEAVING)


def lifecycle(
    calls: Calls, drain_s: float = 60, goodbye_s: float = 60, notifier: Notifier | None = None
) -> Lifecycle:
    return Lifecycle(calls, lambda: StopRules(drain_s, goodbye_s), notifier or Notifier())


async def test_signals_take_the_calls_through_the_stages() -> None:
    calls = Calls()
    stopping = lifecycle(calls)
    stopped = asyncio.create_task(stopping.finished())
    await asyncio.sleep(0)
    for asked in ("refuse", "goodbye"):
        stopping.signal()
        await asyncio.sleep(0)
        assert calls.asked[-1] == asked
        assert not stopped.done()
    stopping.signal()
    async with asyncio.timeout(5):
        await stopped
    assert calls.asked == ["refuse", "goodbye", "break off"]


async def test_time_takes_them_through_as_well() -> None:
    calls = Calls()
    stopping = lifecycle(calls, drain_s=0.01, goodbye_s=0.01)
    stopping.signal()
    async with asyncio.timeout(5):
        await stopping.finished()
    assert calls.asked == ["refuse", "goodbye", "break off"]


@pytest.mark.parametrize(
    ("signals", "stays", "asked"),
    [
        (0, Stage.GOODBYE, ["close", "break off"]),
        (1, Stage.GOODBYE, ["refuse", "close", "break off"]),
        (2, Stage.GOODBYE, ["refuse", "goodbye", "break off"]),
        (3, Stage.LEAVING, ["refuse", "goodbye", "break off"]),
    ],
)
async def test_a_server_that_is_closed_has_no_calls(signals: int, stays: Stage, asked: list[str]) -> None:
    calls = Calls(stays=stays)
    stopping = lifecycle(calls)
    for _ in range(signals):
        stopping.signal()
    async with asyncio.timeout(5):
        await stopping.close()
    assert (calls.calls, calls.asked, stopping.stage) == (0, asked, Stage.LEAVING)


async def test_systemd_is_told_that_the_service_stops_and_needs_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(str(tmp_path / "notify"))
        here.settimeout(1.0)
        notifier = Notifier(ServiceManager(str(tmp_path / "notify")))
        stopping = lifecycle(Calls(calls=2), drain_s=0.01, goodbye_s=0.01, notifier=notifier)
        stopping.signal()
        async with asyncio.timeout(5):
            await stopping.finished()
        first = here.recv(1000).decode().split("\n")
        assert first == ["STOPPING=1", "STATUS=draining: 2 calls", "EXTEND_TIMEOUT_USEC=20000000"]
        assert "EXTEND_TIMEOUT_USEC=20000000" in here.recv(1000).decode().split("\n")
        notifier.close()
