"""The fork server: a process without an event loop and without threads, which starts the workers by fork.

What was imported and read before the fork is shared by all workers. The supervisor cannot fork itself: a copy of a
running event loop would share the kernel's state of it. The fork server is the parent of the workers, so it tells with
which status one has ended.
"""

import gc
import os
import select
import signal
import socket
from collections.abc import Callable

from msgspec import msgpack

from bridge.config.settings import Settings
from bridge.shell.control.access import known_tokens
from bridge.shell.metrics.route import tokens_of
from bridge.shell.supervisor.channel import closed, receive
from bridge.shell.supervisor.messages import (
    Exited,
    Fork,
    Forked,
    FromForkServer,
    ReadSettings,
    SettingsRead,
    ToForkServer,
    encode,
)
from bridge.vocabulary.errors import ConfigurationError

NEED_RESTART = ("host", "port", "workers", "ssl_certfile", "ssl_keyfile")
"""Settings of the supervisor, which does not change while it runs."""

NEED_RESTART_IN = {"control": ("port", "host", "requests_per_s"), "metrics": ("port", "host")}
"""Those in tables."""

Work = Callable[[Settings, socket.socket, Fork], int]
"""What a worker does from its settings, its end of the pair of sockets and the request for it. Returns its exit code."""

_decoder = msgpack.Decoder(ToForkServer)


class ForkServer:
    """Serves the supervisor at the other side of `end`. `read`: reads and checks the settings."""

    def __init__(
        self, end: socket.socket, settings: Settings, read: Callable[[], Settings], work: Work
    ) -> None:
        self._end = end
        self._settings = settings
        self._read = read
        self._work = work
        self._numbers: dict[int, int] = {}  # of the workers, by their pids

    def run(self) -> int:
        """Serve until the supervisor closes its end. Returns an exit code: this process's, or that of a worker in it."""
        wake, woken = os.pipe()
        for descriptor in (wake, woken):
            os.set_blocking(descriptor, False)
        ignore_signals()
        signal.signal(signal.SIGCHLD, _do_nothing)
        while True:
            signal.set_wakeup_fd(woken, warn_on_full_buffer=False)  # reading the settings may have changed it
            ready, _, _ = select.select([self._end.fileno(), wake], [], [])
            if wake in ready:
                os.read(wake, 4096)
                self._collect()
            if self._end.fileno() not in ready:
                continue
            found = receive(self._end)
            if found is None:
                return 0
            match _decoder.decode(found[0]):
                case Fork() as fork:
                    if (worker := self._fork(fork, found[1], (wake, woken))) is not None:
                        return worker
                case ReadSettings():
                    closed(found[1])
                    self._tell(self._read_settings())

    def _fork(self, fork: Fork, descriptor: int | None, own: tuple[int, int]) -> int | None:
        """Start a worker. Returns None in this process, and in the worker's own one its exit code."""
        assert descriptor is not None, "a worker is reached by its end of a pair of sockets"
        gc.collect()
        gc.freeze()
        pid = os.fork()
        if pid:
            self._numbers[pid] = fork.number
            os.close(descriptor)
            self._tell(Forked(fork.number, pid))
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._end.close()
        for inherited in own:
            os.close(inherited)
        return self._work(self._settings, socket.socket(fileno=descriptor), fork)

    def _collect(self) -> None:
        """Tell of all workers that have ended."""
        while self._numbers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if (number := self._numbers.pop(pid, None)) is not None:
                self._tell(Exited(number, os.waitstatus_to_exitcode(status)))

    def _read_settings(self) -> SettingsRead:
        before = self._settings
        try:
            settings = self._read()
        except ConfigurationError as error:
            return SettingsRead(str(error).splitlines(), [], before.log_level)
        except Exception as error:  # noqa: BLE001  # in a module of a tool, for example
            return SettingsRead([f"{type(error).__name__}: {error}"], [], before.log_level)
        kept: dict[str, object] = {name: getattr(before, name) for name in NEED_RESTART}
        ignored = [name for name, value in kept.items() if getattr(settings, name) != value]
        for table, names in NEED_RESTART_IN.items():
            was, now = getattr(before, table), getattr(settings, table)
            ignored += [f"{table}.{name}" for name in names if getattr(was, name) != getattr(now, name)]
            kept[table] = now.model_copy(update={name: getattr(was, name) for name in names})
        self._settings = settings.model_copy(update=kept)
        tokens = known_tokens(settings.control.tokens)
        return SettingsRead([], ignored, settings.log_level, tokens, "".join(tokens_of(settings.metrics)))

    def _tell(self, message: FromForkServer) -> None:
        try:
            self._end.send(encode(message))
        except ConnectionError:  # the supervisor has ended, which `run` sees
            return


def ignore_signals() -> None:
    """Signals that a terminal, or a service manager, sends to all processes are for the supervisor.

    They are not ignored by the system, or the programs that this process starts would ignore them as well.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, _do_nothing)


def _do_nothing(*_: object) -> None:
    pass
