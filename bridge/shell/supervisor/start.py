"""Starts a server with worker processes: what they share is loaded, then the fork server, the supervisor and the workers."""

import gc
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from bridge.config.settings import Settings
from bridge.shell.memory import limit_malloc
from bridge.shell.server import Server
from bridge.shell.supervisor.channel import pair
from bridge.shell.supervisor.fork_server import ForkServer
from bridge.shell.supervisor.messages import Fork
from bridge.shell.supervisor.supervisor import supervise
from bridge.shell.supervisor.worker import run_worker

Run = Callable[[Coroutine[Any, Any, int]], int]


def serve_with_workers(
    settings: Settings,
    read: Callable[[], Settings],
    configure_log: Callable[..., None],
    set_log_level: Callable[[str], None],
    run: Run,
) -> int:
    """Serve until a signal has stopped all workers. Returns the exit code of the process, which may be a worker.

    `read`: reads and checks the settings again. `configure_log`: gets the level, and fields of each line. `set_log_level`:
    gets the level alone. `run`: runs the
    supervisor. Raises `ConfigurationError` where a server could not start.
    """
    limit_malloc()
    Server(settings)  # checks the settings, and imports what they need
    ours, theirs = pair()
    gc.collect()
    gc.freeze()  # a collection would write to each object, and so copy the pages that are shared
    if os.fork():
        theirs.close()
        return run(supervise(settings, ours, set_log_level))
    ours.close()
    configure_log(settings.log_level)  # a thread of the log's is not there after a fork

    def work(settings: Settings, end: socket.socket, fork: Fork) -> int:
        configure_log(settings.log_level, worker=fork.number)
        return run_worker(settings, end, fork)

    return ForkServer(theirs, settings, read, work).run()
