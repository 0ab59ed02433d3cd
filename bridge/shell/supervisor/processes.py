"""The worker processes of one server: starts them, passes them messages, replaces those that end, and counts stops."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
from msgspec import msgpack

from bridge.observers.metrics.snapshot import Family
from bridge.shell.control.fleet import FleetCalls
from bridge.shell.metrics.fleet import FleetMetrics, supervisor_families
from bridge.shell.session import clock
from bridge.shell.supervisor.back_off import BackOff
from bridge.shell.supervisor.channel import Channel, closed, pair
from bridge.shell.supervisor.messages import (
    Alive,
    Exited,
    Fork,
    Forked,
    FromForkServer,
    FromWorker,
    KnowsCall,
    Load,
    NewTokens,
    ReadSettings,
    Ready,
    SettingsRead,
    Stop,
    TellCalls,
    TellMetrics,
    ToldCalls,
    ToldMetrics,
    ToWorker,
    WatchCalls,
    encode,
)
from bridge.shell.supervisor.pool import Pool

SETTLES_S = 10.0
"""From when a worker takes no new calls until it is told to stop: a call that it has answered has its stream by then."""

HANGS_S = 30.0
"""A worker of which nothing was heard for so long hangs, with all its calls: it is killed, and another one takes its place.

It says something every second. What counts is how often the supervisor has looked, so that a machine that stood still
for a while kills nobody.
"""

LOOK_S = 1.0

log = structlog.get_logger()

_from_worker = msgpack.Decoder(FromWorker)
_from_fork_server = msgpack.Decoder(FromForkServer)


@dataclass(slots=True)
class Worker:
    """One worker process. `place`: which of the server's workers it is, from 0 on; its successor has the same."""

    number: int
    place: int
    channel: Channel
    started_at: float
    pid: int | None = None
    stops: int = 0
    """How often it was told to stop."""
    is_replaced: bool = False
    """Another one has its place."""
    silent_looks: int | None = None
    """How often the supervisor has looked without having heard of it; None where it need not say anything."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Processes:
    """Starts workers through the fork server at the other side of `fork_server`.

    `lost`: called once, when the fork server has ended: no worker can be started any more.
    """

    def __init__(self, fork_server: socket.socket, places: int, pool: Pool, lost: Callable[[], None]) -> None:
        self.port = 0
        self.running: dict[int, Worker] = {}
        """The workers that have not ended, by their numbers."""
        self.stops = 0
        """How often the server was told to stop."""
        self.changed = asyncio.Event()
        """Set when a worker becomes ready, or has ended."""
        self.deaths = 0
        """Workers that have ended without being told to."""
        self.metrics = FleetMetrics(partial(self._ask, TellMetrics()), self._own_metrics)
        """The figures of all workers."""
        self.calls = FleetCalls(partial(self._ask, TellCalls()), self._watch_calls)
        """The calls of all workers."""
        self._pool = pool
        self._places = places
        self._lost = lost
        self._has_fork_server = True
        self._back_offs = [BackOff() for _ in range(places)]
        self._restarts: dict[int, asyncio.TimerHandle] = {}
        self._numbers = 0
        self._fork_server = Channel(fork_server, self._fork_server_said, self._fork_server_ended)
        self._settings_read: asyncio.Future[SettingsRead] | None = None
        self._look = asyncio.get_running_loop().call_later(LOOK_S, self._look_for_hangs)

    def start(self, place: int) -> Worker:
        """Start a worker."""
        self._numbers += 1
        number = self._numbers
        ours, theirs = pair()
        channel = Channel(ours, partial(self._worker_said, number), partial(self._left, number))
        worker = self.running[number] = Worker(number, place, channel, clock())
        self._pool.add(number)
        if not self._fork_server.send(encode(Fork(number, place, self.port)), theirs):
            theirs.close()
        return worker

    def stop(self, worker: Worker, stops: int) -> None:
        """Have a worker stop as if it had got so many signals in all."""
        self._pool.stop(worker.number)
        while worker.stops < stops:
            worker.stops += 1
            worker.channel.send(encode(Stop()))

    def retire(self, worker: Worker) -> None:
        """Another worker has the place of this one: it takes no new calls, and soon stops."""
        worker.is_replaced = True
        self._pool.stop(worker.number)
        asyncio.get_running_loop().call_later(SETTLES_S, self.stop, worker, 1)

    def stop_all(self) -> None:
        """One more signal for all workers; those that end are not replaced any more."""
        self.stops += 1
        for restart in self._restarts.values():
            restart.cancel()
        self._restarts.clear()
        for worker in self.running.values():
            self.stop(worker, self.stops)
        self.changed.set()

    def kill(self, worker: Worker) -> None:
        """End a worker at once."""
        if worker.pid is not None:
            os.kill(worker.pid, signal.SIGKILL)

    async def read_settings(self) -> SettingsRead:
        """Have the settings read again, for workers to come."""
        self._settings_read = asyncio.get_running_loop().create_future()
        self._fork_server.send(encode(ReadSettings()))
        return await self._settings_read

    def close(self) -> None:
        """Leave the fork server, which then ends, and the workers."""
        self._look.cancel()
        self._fork_server.close()
        for worker in self.running.values():
            worker.channel.close()

    def tell_tokens(self, tokens: NewTokens) -> None:
        """Have the workers use these tokens from now on."""
        self._ask(tokens)

    def _ask(self, asked: ToWorker) -> list[int]:
        """Send all workers a message. Returns the numbers of those that got it."""
        ready = [worker for worker in self.running.values() if worker.ready.is_set()]
        return [worker.number for worker in ready if worker.channel.send(encode(asked))]

    def _watch_calls(self, on: bool) -> None:
        self._ask(WatchCalls(on, 1 / self._places))

    def _own_metrics(self) -> list[Family]:
        return supervisor_families(len(self._pool.ready), self._places, self.deaths)

    def _worker_said(self, number: int, message: bytes, descriptor: int | None) -> None:
        closed(descriptor)
        worker = self.running[number]
        worker.silent_looks = 0
        match _from_worker.decode(message):
            case Ready(owner=owner):
                self._pool.ready_as(number, owner)
                if self.stops:
                    self.stop(worker, self.stops)
                worker.ready.set()
                self.changed.set()
                if self.calls.is_watched:
                    worker.channel.send(encode(WatchCalls(on=True, share=1 / self._places)))
                log.info("= a worker is ready", worker=number, pid=worker.pid)
            case Load() as load:
                self._pool.report(number, load)
            case KnowsCall(carrier=carrier, call_id=call_id, is_placed=is_placed):
                self._pool.knows(number, (carrier, call_id), is_placed=is_placed)
            case ToldMetrics(families=families, is_last=is_last):
                self.metrics.told(number, families, is_last=is_last)
            case ToldCalls(events=events, is_last=is_last):
                self.calls.told(number, events, is_last=is_last)
            case Alive():
                pass

    def _look_for_hangs(self) -> None:
        self._look = asyncio.get_running_loop().call_later(LOOK_S, self._look_for_hangs)
        for worker in self.running.values():
            if worker.silent_looks is None:
                continue
            worker.silent_looks += 1
            if worker.silent_looks * LOOK_S > HANGS_S:
                why = "= a worker hangs: nothing was heard of it, it is killed"
                log.error(why, worker=worker.number, pid=worker.pid, silent_s=HANGS_S)
                worker.silent_looks = None
                self.kill(worker)

    def _fork_server_said(self, message: bytes, descriptor: int | None) -> None:
        closed(descriptor)
        match _from_fork_server.decode(message):
            case Forked(number=number, pid=pid):
                self.running[number].pid = pid
            case Exited(number=number, status=status):
                self._ended(self.running.pop(number), status)
            case SettingsRead() as settings_read:
                if self._settings_read is not None and not self._settings_read.done():
                    self._settings_read.set_result(settings_read)

    def _fork_server_ended(self) -> None:
        log.error("= the process that starts workers has ended")
        self._has_fork_server = False
        self._lost()

    def _left(self, number: int) -> None:
        """A worker has closed its end: it ends. How it ended is the fork server's to tell."""
        self._pool.leave(number)
        if number in self.running:
            self.running[number].silent_looks = None
        if not self._has_fork_server and number in self.running:
            self._ended(self.running.pop(number), None)

    def _ended(self, worker: Worker, status: int | None) -> None:
        calls = self._pool.remove(worker.number)
        self.metrics.ended(worker.number)
        self.calls.ended(worker.number)
        worker.channel.close()
        worker.gone.set()
        facts = {"worker": worker.number, "pid": worker.pid, "status": in_words(status)}
        if worker.stops:
            log.info("= a worker has ended", **facts)
        else:
            self.deaths += 1
            log.error("= a worker has died", calls=calls, **facts, **self._replace(worker))
        self.changed.set()

    def _replace(self, worker: Worker) -> dict[str, float]:
        """Have another worker take the place of one that has died. Returns what the log says of it."""
        if worker.is_replaced or any(
            other.place == worker.place and not other.is_replaced for other in self.running.values()
        ):
            return {}
        wait_s = self._back_offs[worker.place].wait_s(clock() - worker.started_at)
        start_again = asyncio.get_running_loop().call_later(wait_s, self._start_again, worker.place)
        self._restarts[worker.place] = start_again
        return {"restarts_in_s": wait_s}

    def _start_again(self, place: int) -> None:
        del self._restarts[place]
        self.start(place)


def in_words(status: int | None) -> str:
    """How a process ended, from `os.waitstatus_to_exitcode`; None: nobody has told."""
    if status is None:
        return "unknown"
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"
