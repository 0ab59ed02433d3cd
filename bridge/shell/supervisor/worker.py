"""A worker: serves the connections that the supervisor passes to it, and tells it how many calls it has."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import aiofastnet
import structlog
from msgspec import msgpack

from bridge.carriers.registry import CARRIERS
from bridge.config.settings import Settings
from bridge.shell.lifecycle import Stage
from bridge.shell.listener import shut_down
from bridge.shell.memory import settle
from bridge.shell.pending_connections import PendingConnections
from bridge.shell.server import Make, Server, pending_connections
from bridge.shell.supervisor.calls import CallsTeller
from bridge.shell.supervisor.channel import Channel, closed
from bridge.shell.supervisor.messages import (
    Alive,
    Fork,
    FromWorker,
    HandedConnection,
    KnowsCall,
    Load,
    NewTokens,
    Ready,
    Stop,
    TellCalls,
    TellMetrics,
    ToWorker,
    WatchCalls,
    encode,
)
from bridge.shell.supervisor.metrics import MetricsTeller

LOOK_S = 1.0
"""From one look whether the load has changed with time alone to the next. The supervisor hears of each: see `HANGS_S`."""

log = structlog.get_logger()

_decoder = msgpack.Decoder(ToWorker)


class PassedConnections:
    """What the supervisor passes to this server: a `ConnectionSource`. `port`: the one that the supervisor has open."""

    def __init__(self, server: Server, end: socket.socket, port: int, pending: PendingConnections) -> None:
        self._server = server
        self._end = end
        self._port = port
        self._pending = pending
        self._loop = asyncio.get_running_loop()
        self._make: Make
        self._make_control: Make
        self._channel: Channel
        self._tasks: set[asyncio.Task[None]] = set()
        self._received = 0
        self._undecided: dict[int, socket.socket] = {}  # may begin a call; by their descriptors
        self._told = Load(-1, 0, 0)
        self._will_tell = False
        self._look: asyncio.TimerHandle | None = None
        self._told_metrics = MetricsTeller(server.metrics, self._tell)
        self._told_calls = CallsTeller(server.admission.live, self._tell)

    async def open(self, make: Make, make_control: Make) -> int:
        """See `ConnectionSource`."""
        self._make, self._make_control = make, make_control
        self._channel = Channel(self._end, self._take, self._lost_supervisor)
        return self._port

    def ready(self) -> None:
        """The server runs: have the supervisor pass what comes."""
        self._server.admission.watch_calls(self._changed)
        self._server.watch_webhooks(self._answered)
        self._server.admission.placed.noted = lambda carrier, call_id: self._tell(
            KnowsCall(carrier, call_id, is_placed=True)
        )
        self._server.admission.live.began = lambda carrier, call_id: self._tell(KnowsCall(carrier, call_id))
        self._tell(Ready(self._server.admission.owner))
        self._look_again()

    def close(self) -> None:
        """See `ConnectionSource`."""
        if self._look is not None:
            self._look.cancel()
        self._told_metrics.tell_the_last()
        self._channel.close()

    # From the supervisor

    def _take(self, message: bytes, descriptor: int | None) -> None:
        match _decoder.decode(message):
            case HandedConnection() as handed:
                assert descriptor is not None, "a connection is passed as its descriptor"
                self._serve(handed, socket.socket(fileno=descriptor))
            case Stop():
                closed(descriptor)
                self._server.lifecycle.signal()
            case TellMetrics():
                closed(descriptor)
                self._told_metrics.ask()
            case WatchCalls() as asked:
                closed(descriptor)
                self._told_calls.watch(asked)
            case TellCalls():
                closed(descriptor)
                self._told_calls.ask()
            case NewTokens(tokens=tokens, metrics_token=metrics_token):
                closed(descriptor)
                self._server.use_tokens(tokens, [metrics_token] if metrics_token else [])

    def _serve(self, handed: HandedConnection, connection: socket.socket) -> None:
        connection.setblocking(False)
        if handed.is_new:
            self._server.admission.calls_elsewhere = handed.elsewhere
            self._received += 1
            self._undecided[connection.fileno()] = connection
        task = self._loop.create_task(self._connect(handed, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, handed: HandedConnection, connection: socket.socket) -> None:
        descriptor = connection.fileno()
        make = self._make_control if handed.is_control else self._make
        no_longer_pending = self._pending.add(_address_of(connection), partial(shut_down, connection))

        def released() -> None:
            """A media socket was let in, or refused; or any connection is gone."""
            no_longer_pending()
            if self._undecided.get(descriptor) is connection:
                self._decided(descriptor)

        try:
            await aiofastnet.connect_accepted_socket(
                self._loop, lambda: make(handed.read, released), connection
            )
        except OSError:  # the peer is gone
            connection.close()
            released()

    def _lost_supervisor(self) -> None:
        log.error("= the supervisor has ended; calls go on until they end, and no new ones come")
        if self._server.lifecycle.stage is Stage.SERVING:
            self._server.lifecycle.signal()

    # To the supervisor

    def _answered(self, carrier: str, body: bytes, transport: asyncio.BaseTransport | None) -> None:
        """A webhook was answered: whether it began a call is known now."""
        connection = None if transport is None else transport.get_extra_info("socket")
        if body and (call_id := CARRIERS[carrier].call_id_in(body)):
            self._tell(KnowsCall(carrier, call_id))
        if connection is not None:
            self._decided(connection.fileno())

    def _decided(self, descriptor: int) -> None:
        self._undecided.pop(descriptor, None)
        self._changed()

    def _changed(self) -> None:
        """Tell the load soon: once for all that happens in this turn of the loop."""
        if not self._will_tell:
            self._will_tell = True
            self._loop.call_soon(self._tell_load)

    def _look_again(self) -> None:
        self._look = self._loop.call_later(LOOK_S, self._look_again)
        self._tell(Alive())
        gone = [descriptor for descriptor, one in self._undecided.items() if one.fileno() < 0]
        for descriptor in gone:
            del self._undecided[descriptor]
        self._tell_load()

    def _tell_load(self) -> None:
        self._will_tell = False
        admission = self._server.admission
        health = admission.readiness
        circuits = {name: circuit.why for name, circuit in health.open_circuits().items()}
        load = Load(
            self._received,
            admission.calls,
            admission.promised + len(self._undecided),
            circuits | dict(health.faults),
        )
        if load != self._told:
            self._told = load
            self._tell(load)

    def _tell(self, message: FromWorker) -> None:
        self._channel.send(encode(message))


def _address_of(connection: socket.socket) -> str:
    try:
        return str(connection.getpeername()[0])
    except OSError:  # it is gone
        return ""


def run_worker(settings: Settings, end: socket.socket, fork: Fork) -> int:
    """Serve until the supervisor says stop, in a process of its own. Returns the exit code."""
    run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
    with suppress(ImportError):
        from uvloop import run
    run(_serve(settings, end, fork))
    return 0


def with_share(settings: Settings, place: int) -> Settings:
    """The settings of one of the workers: its part of the calls that the server may take in a second."""
    most, workers = settings.limits.max_calls_per_s, settings.workers
    if most is None:
        return settings
    share = most * (place + 1) // workers - most * place // workers
    limits = settings.limits.model_copy(update={"max_calls_per_s": share})
    return settings.model_copy(update={"limits": limits})


async def _serve(settings: Settings, end: socket.socket, fork: Fork) -> None:
    settings = with_share(settings, fork.place)
    server = Server(settings, keeps_files=fork.place == 0)
    passed = PassedConnections(server, end, fork.port, pending_connections(settings))
    async with server.running(passed):
        settle()
        passed.ready()
        await server.lifecycle.finished()
