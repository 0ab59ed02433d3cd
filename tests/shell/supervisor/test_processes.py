"""The supervisor's workers, with a fork server that is played: who is started, told to stop, replaced, and when."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import msgpack
from structlog.testing import capture_logs

from bridge.shell.supervisor import back_off, processes
from bridge.shell.supervisor.channel import Channel, pair
from bridge.shell.supervisor.messages import (
    Alive,
    Exited,
    Fork,
    Forked,
    KnowsCall,
    Load,
    ReadSettings,
    Ready,
    SettingsRead,
    Stop,
    ToForkServer,
    ToWorker,
    encode,
)
from bridge.shell.supervisor.pool import Pool
from bridge.shell.supervisor.processes import Processes, in_words
from bridge.shell.supervisor.request import Destination


class WatchedPool(Pool):
    """Tells when a worker has reported."""

    def __init__(self) -> None:
        super().__init__()
        self.reported = asyncio.Event()

    def report(self, number: int, load: Load) -> None:
        super().report(number, load)
        self.reported.set()


class Played:
    """The fork server and its workers, as this test plays them, and the supervisor's side of them."""

    def __init__(self, places: int) -> None:
        ours, theirs = pair()
        self.pool = WatchedPool()
        self.lost = asyncio.Event()
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        self.told: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()
        self.workers: dict[int, Channel] = {}
        self.fork_server = Channel(theirs, self._asked)
        self.processes = Processes(ours, places, self.pool, self.lost.set)
        self.processes.port = 8080

    def _asked(self, message: bytes, descriptor: int | None) -> None:
        asked = msgpack.decode(message, type=ToForkServer)
        if isinstance(asked, Fork):
            assert descriptor is not None
            number = asked.number
            self.workers[number] = Channel(
                socket.socket(fileno=descriptor),
                lambda message, _: self.told.put_nowait((number, msgpack.decode(message, type=ToWorker))),
            )
        self.said.put_nowait(asked)

    async def started(self) -> int:
        fork = await self.said.get()
        assert isinstance(fork, Fork)
        assert fork.port == 8080
        self.fork_server.send(encode(Forked(fork.number, 4000 + fork.number)))
        self.workers[fork.number].send(encode(Ready(f"owner-{fork.number}")))
        await self.processes.running[fork.number].ready.wait()
        return fork.number

    async def dies(self, number: int, status: int = -9) -> None:
        worker = self.processes.running[number]
        self.workers.pop(number).close()
        self.fork_server.send(encode(Exited(number, status)))
        await worker.gone.wait()


@asynccontextmanager
async def playing(places: int = 2) -> AsyncIterator[Played]:
    played = Played(places)
    for place in range(places):
        played.processes.start(place)
        await played.started()
    yield played
    played.processes.close()
    played.fork_server.close()
    for worker in played.workers.values():
        worker.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back_off, "FIRST_S", 0.01)
    monkeypatch.setattr(processes, "SETTLES_S", 0.01)


async def test_a_worker_that_dies_is_replaced_in_its_place() -> None:
    async with playing() as played:
        played.workers[1].send(encode(KnowsCall("twilio", "CA1")))
        played.workers[1].send(encode(Load(received=3, calls=2, coming=1)))
        await played.pool.reported.wait()
        with capture_logs() as lines:
            await played.dies(1)
        (line,) = (line for line in lines if line["event"] == "= a worker has died")
        assert (line["worker"], line["pid"], line["calls"]) == (1, 4001, 2)
        assert line["status"] == "signal 9 (SIGKILL)"
        assert line["restarts_in_s"] == 0.01
        assert played.pool.choose(Destination(call=("twilio", "CA1"), may_begin_call=True)) == (2, True)
        assert await played.started() == 3
        assert {worker.place for worker in played.processes.running.values()} == {0, 1}
        assert len(played.pool.ready) == 2


async def test_after_a_signal_nobody_is_replaced() -> None:
    async with playing() as played:
        await played.dies(1)  # a new one is due
        played.processes.stop_all()
        assert await played.told.get() == (2, Stop())
        await played.dies(2, 0)
        await asyncio.sleep(0.03)
        assert played.said.empty()
        assert not played.processes.running


async def test_each_signal_is_told_once() -> None:
    async with playing() as played:
        played.processes.retire(played.processes.running[1])
        assert await played.told.get() == (1, Stop())  # because it is replaced
        for signals in (1, 2, 3):
            played.processes.stop_all()
            told = [await played.told.get() for _ in range(1 if signals == 1 else 2)]
            assert sorted(number for number, _ in told) == ([2] if signals == 1 else [1, 2])
        assert played.told.empty()


async def test_one_that_starts_while_the_server_stops_is_told_as_well() -> None:
    async with playing(1) as played:
        played.processes.stop_all()
        late = played.processes.start(0)
        assert await played.started() == late.number
        assert sorted([(await played.told.get())[0], (await played.told.get())[0]]) == [1, 2]


async def test_a_worker_that_was_replaced_has_no_successor_and_its_replacement_has() -> None:
    async with playing(1) as played:
        played.processes.start(0)
        assert await played.started() == 2
        played.processes.retire(played.processes.running[1])
        assert [member.number for member in played.pool.ready] == [2]
        await played.dies(2)  # while the one before has calls
        assert await played.started() == 3
        await played.dies(1)
        await asyncio.sleep(0.03)
        assert played.said.empty()


async def test_a_replacement_that_fails_leaves_the_one_before() -> None:
    async with playing(1) as played:
        new = played.processes.start(0)
        fork = await played.said.get()
        await played.dies(fork.number, 2)
        assert new.gone.is_set()
        assert not new.ready.is_set()
        await asyncio.sleep(0.03)
        assert played.said.empty()
        assert [member.number for member in played.pool.ready] == [1]


async def test_settings_are_read_by_the_fork_server() -> None:
    async with playing(1) as played:
        reading = asyncio.create_task(played.processes.read_settings())
        assert await played.said.get() == ReadSettings()
        answer = SettingsRead(["voicebridge.toml: wrong"], [], "info")
        played.fork_server.send(encode(answer))
        assert await reading == answer


async def test_without_its_fork_server_a_worker_has_ended_when_it_closes_its_end() -> None:
    async with playing(1) as played:
        worker = played.processes.running[1]
        played.fork_server.close()
        await played.lost.wait()
        played.processes.stop_all()
        played.workers[1].close()
        await worker.gone.wait()
        assert not played.processes.running


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exit code 0"),
        (-9, "signal 9 (SIGKILL)"),
        (-64, "signal 64 (SIGRTMAX)"),
        (-99, "signal 99"),
        (None, "unknown"),
    ],
)
def test_how_a_process_ended(status: int | None, words: str) -> None:
    assert in_words(status) == words


async def test_a_worker_of_which_nothing_is_heard_is_killed_and_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "LOOK_S", 0.01)
    monkeypatch.setattr(processes, "HANGS_S", 0.05)
    killed: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    monkeypatch.setattr("os.kill", lambda *what: killed.put_nowait(what))
    with capture_logs() as lines:
        async with playing() as played:

            async def live(number: int) -> None:
                while True:
                    played.workers[number].send(encode(Alive()))
                    await asyncio.sleep(0.01)

            living = asyncio.create_task(live(2))
            assert await killed.get() == (4001, signal.SIGKILL)
            await played.dies(1)
            assert await played.started() == 3
            living.cancel()
            assert await killed.get() in ((4002, signal.SIGKILL), (4003, signal.SIGKILL))
    hangs = [line for line in lines if line["event"].startswith("= a worker hangs")]
    assert hangs[0] == {
        "event": "= a worker hangs: nothing was heard of it, it is killed",
        "worker": 1,
        "pid": 4001,
        "silent_s": 0.05,
        "log_level": "error",
    }


async def test_a_worker_that_is_leaving_need_not_say_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOOK_S", 0.001)
    monkeypatch.setattr(processes, "HANGS_S", 0.005)
    monkeypatch.setattr("os.kill", lambda *_: pytest.fail("it is killed"))
    async with playing(1) as played:
        played.workers.pop(1).close()
        for _ in range(30):  # looks
            await asyncio.sleep(0.001)
        assert played.processes.running[1].silent_looks is None
