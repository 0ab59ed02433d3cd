"""The supervisor: has the port open, passes each connection to a worker, and sees to it that there are workers.

It carries no audio. Signals: SIGTERM and SIGINT stop all workers, each as such a signal stops a server without workers;
SIGHUP replaces them one after the other by workers with the settings as they are now.
"""

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog

from bridge.config.checks import doubts
from bridge.config.settings import Settings, service_manager
from bridge.shell.listener import bind
from bridge.shell.metrics.port import PATH as METRICS_PATH
from bridge.shell.metrics.port import MetricsAnswers, MetricsPort
from bridge.shell.metrics.route import access_of
from bridge.shell.page.address import page_address
from bridge.shell.supervisor.control import FleetControl, serves
from bridge.shell.supervisor.entrance import Entrance
from bridge.shell.supervisor.health import health_answer, no_worker
from bridge.shell.supervisor.messages import HandedConnection, NewTokens, SettingsRead, encode
from bridge.shell.supervisor.pool import Pool
from bridge.shell.supervisor.processes import Processes, Worker
from bridge.shell.supervisor.request import Request, destination
from bridge.shell.systemd import Notifier

READY_S = 30.0
"""How long a new worker may take until it takes connections, when it is to replace another one."""

LEAVES_S = 5.0
"""How long a worker may take to end after the third signal, before it is killed."""

LEAVING_STOPS = 3

STATUS_S = 5.0
"""From one message to systemd to the next, while the server stops."""

BACKLOG = 1_024
"""Connections that wait for the supervisor to accept them, at most."""

log = structlog.get_logger()


class Supervisor:
    """The supervisor of one server."""

    def __init__(
        self,
        settings: Settings,
        fork_server: socket.socket,
        set_log_level: Callable[[str], None],
        notifier: Notifier,
    ) -> None:
        self._settings = settings
        self._set_log_level = set_log_level
        self._notifier = notifier
        self._pool = Pool()
        self._processes = Processes(fork_server, settings.workers, self._pool, self._fork_server_lost)
        self._control = FleetControl(settings, self._processes.calls)
        self._metrics_access = access_of(settings.metrics)
        self._metrics = MetricsAnswers(
            self._processes.metrics.scrape,
            self._metrics_access,
            lambda address, headers: self._control.may(address, headers, "metrics"),
        )
        self._exit_code = 0
        self._replacing: asyncio.Task[None] | None = None
        self._is_asked_again = False

    async def run(self) -> int:
        """Serve until all workers have ended after a signal to stop. Returns the exit code."""
        listeners = bind(self._settings.host, self._settings.port, BACKLOG)
        metrics_port = MetricsPort(self._settings.metrics, self._processes.metrics.scrape)
        metrics_port.open()
        port = self._processes.port = listeners[0].getsockname()[1]
        control_listeners, control_port = self._bind_control()
        self._handle_signals()
        self._notifier.start_watchdog()
        for place in range(self._settings.workers):
            self._processes.start(place)
        for doubt in doubts(self._settings):
            log.warning("= doubtful settings", reason=doubt)
        await self._until(lambda: bool(self._pool.ready or self._processes.deaths))
        entrances = [Entrance(listeners, self._pass)]
        if control_listeners:
            entrances.append(Entrance(control_listeners, partial(self._pass, is_control_port=True)))
        serving = AsyncExitStack()
        try:
            await serving.enter_async_context(self._control.running())
            await self._until(lambda: len(self._pool.ready) >= self._settings.workers)
            if not self._processes.stops:
                workers, host = self._settings.workers, self._settings.host
                log.info(
                    "= serving", host=host, port=port, assistant=self._settings.assistant, workers=workers
                )
                log.info("= the page is open", address=page_address(self._settings, control_port or port))
                self._notifier.ready("serving")
            await self._until(lambda: False)
            await self._until_gone()
        finally:
            for entrance in entrances:
                entrance.close()
            await serving.aclose()
            await metrics_port.aclose()
            await self._metrics.aclose()
            self._processes.close()
            self._notifier.close()
        return self._exit_code

    def _handle_signals(self) -> None:
        handle = asyncio.get_running_loop().add_signal_handler
        for number in (signal.SIGTERM, signal.SIGINT):
            handle(number, self._stop)
        handle(signal.SIGHUP, self._replace)
        handle(signal.SIGUSR1, partial(log.debug, "= SIGUSR1: nothing to do, the log has no file of its own"))

    def _bind_control(self) -> tuple[list[socket.socket], int | None]:
        """The port of [control], if it has one. Raises `ConfigurationError` if it cannot be opened."""
        control = self._settings.control
        if control.port is None:
            return [], None
        listeners = bind(control.host, control.port, BACKLOG)
        port: int = listeners[0].getsockname()[1]
        log.info("= the control API has a port of its own", host=control.host, port=port)
        return listeners, port

    # Connections

    def _pass(self, connection: socket.socket, request: Request, *, is_control_port: bool = False) -> None:
        try:
            address = connection.getpeername()[0]
        except OSError:  # the peer is gone
            connection.close()
            return
        if request.path == METRICS_PATH and not is_control_port:
            self._metrics.take(connection, request)
            return
        has_control = is_control_port or self._settings.control.port is None
        if has_control and serves(request):
            self._control.take(connection, request, address)
            return
        answer = self._control.refusal(request, address) if has_control else None
        if answer is None and not is_control_port:
            answer = health_answer(
                request,
                address,
                self._pool,
                self._settings.workers,
                is_stopping=self._processes.stops > 0,
                tells_more=self._control.may(address, request.headers, "see"),
            )
        if answer is None and self._passed(connection, request, is_control_port):
            return
        _answer(connection, answer or no_worker())

    def _passed(self, connection: socket.socket, request: Request, is_control_port: bool) -> bool:
        """Pass a connection on. Returns False if no worker can take it."""
        where, tried = destination(request), set[int]()
        if is_control_port:
            where = where._replace(may_begin_call=False)
        while (choice := self._pool.choose(where, tried)) is not None:
            number, is_new = choice
            message = encode(
                HandedConnection(request.read, is_new, self._pool.load_beside(number), is_control_port)
            )
            if self._processes.running[number].channel.send(message, connection):
                return True
            self._pool.not_passed(number, is_new)
            tried.add(number)
        return False

    # The end

    def _stop(self) -> None:
        if self._processes.stops >= LEAVING_STOPS:
            return
        self._processes.stop_all()
        log.info("= stopping", signals=self._processes.stops, calls=self._pool.calls)
        if self._processes.stops == 1:
            self._notifier.stopping(self._status())
        if self._processes.stops == LEAVING_STOPS:
            asyncio.get_running_loop().call_later(LEAVES_S, self._kill_all)

    def _kill_all(self) -> None:
        for worker in [*self._processes.running.values()]:
            self._processes.kill(worker)

    def _fork_server_lost(self) -> None:
        """Whoever started this server has to start another one; the calls end by themselves."""
        self._exit_code = 1
        if not self._processes.stops:
            self._stop()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, or the first signal to stop."""
        while not (is_so() or self._processes.stops):
            self._processes.changed.clear()
            await self._processes.changed.wait()

    async def _until_gone(self) -> None:
        """Wait until the last worker has ended."""
        while self._processes.running:
            self._processes.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_S):
                    await self._processes.changed.wait()
            self._notifier.still_stopping(self._status())

    def _status(self) -> str:
        return f"stopping: {self._pool.calls} calls"

    # Replacement

    def _replace(self) -> None:
        """Replace all workers. Asked again meanwhile, once more after that."""
        if self._processes.stops:
            log.warning("= not reloaded: the server is stopping")
        elif self._replacing is not None and not self._replacing.done():
            self._is_asked_again = True
        else:
            self._replacing = asyncio.create_task(self._replace_all())

    async def _replace_all(self) -> None:
        while True:
            self._is_asked_again = False
            self._notifier.reloading()
            read = await self._processes.read_settings()
            if read.faults:
                why = "= not reloaded: the settings have faults, those before stay in force"
                log.error(why, faults=read.faults)
            else:
                self._set_log_level(read.log_level)
                self._use_tokens(read)
                if read.ignored:
                    why = "= these settings need a restart, and stay as they were"
                    log.warning(why, settings=read.ignored)
                await self._replace_each()
            if not self._processes.stops:
                self._notifier.ready("serving")
            if not self._is_asked_again or self._processes.stops:
                return

    def _use_tokens(self, read: SettingsRead) -> None:
        """Also in workers that are replaced, as long as they have calls."""
        self._control.access.replace(read.tokens)
        self._metrics_access.replace([read.metrics_token] if read.metrics_token else [])
        self._processes.tell_tokens(NewTokens(read.tokens, read.metrics_token))

    async def _replace_each(self) -> None:
        """One after the other: the new worker is ready before the old one takes no more calls."""
        before = [worker for worker in self._processes.running.values() if not worker.is_replaced]
        for old in before:
            new = self._processes.start(old.place)
            if not await self._is_ready(new):
                self._processes.kill(new)
                log.error("= not replaced: the new worker does not start", worker=old.number, new=new.number)
                return
            self._processes.retire(old)
        log.info("= replaced", workers=len(before))

    async def _is_ready(self, worker: Worker) -> bool:
        waits = [asyncio.create_task(event.wait()) for event in (worker.ready, worker.gone)]
        try:
            await asyncio.wait(waits, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return worker.ready.is_set()


def _answer(connection: socket.socket, answer: bytes) -> None:
    """Send a short answer and close the connection. The socket's buffer is empty, so it takes all of it."""
    with suppress(OSError):
        connection.send(answer)
        connection.shutdown(socket.SHUT_WR)
    connection.close()


async def supervise(
    settings: Settings, fork_server: socket.socket, set_log_level: Callable[[str], None]
) -> int:
    """Serve with workers that the process at the other side of `fork_server` starts. Returns the exit code."""
    return await Supervisor(settings, fork_server, set_log_level, Notifier(service_manager())).run()
