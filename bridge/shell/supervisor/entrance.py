"""Accepts connections, and reads the request of each until it is known which worker gets it.

A connection that does not send its request in time, or sends too much, is dropped. Without descriptors nothing is
accepted for a moment.
"""

import asyncio
import socket
from collections.abc import Callable
from resource import RLIMIT_NOFILE, getrlimit

from bridge.shell.front_door import HEAD_TIMEOUT_S
from bridge.shell.sampled_log import SampledLog
from bridge.shell.supervisor.request import Request, RequestReader, TooLong

MOST_IN_A_TURN = 64
"""Connections that are accepted before the event loop has its turn."""

MOST_READ_BYTES = 65_536
"""Bytes that are read from a connection in a turn of the loop."""

PAUSE_S = 0.2
"""How long nothing is accepted where descriptors or memory are short."""

MOST_READING = 1_024
"""Connections whose request is being read; fewer where the limit of descriptors is low. Then the oldest is dropped."""

Handed = Callable[[socket.socket, Request], None]
"""Called with each connection whose request was read. It is the callee's from then on."""


class Entrance:
    """The connections of these listening sockets until each is handed on."""

    def __init__(self, listeners: list[socket.socket], handed: Handed) -> None:
        self._listeners = listeners
        self._handed = handed
        self._loop = asyncio.get_running_loop()
        self._reading: dict[_Reading, None] = {}
        self._most = min(MOST_READING, getrlimit(RLIMIT_NOFILE)[0] // 2)
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self._log = SampledLog()
        for listener in listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def close(self) -> None:
        """Accept nothing more, and drop what was not handed on."""
        for pause in self._pauses.values():
            pause.cancel()
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        for reading in [*self._reading]:
            reading.drop()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(MOST_IN_A_TURN):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listener, error)
                return
            connection.setblocking(False)
            if len(self._reading) >= self._most:
                next(iter(self._reading)).drop()
            self._reading[_Reading(connection, self._loop, self._read)] = None

    def _read(self, reading: "_Reading", request: Request | None) -> None:
        del self._reading[reading]
        if request is not None:
            self._handed(reading.connection, request)

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        self._log.write(
            "error", "accept", "= no connection can be accepted for a moment", reason=error.strerror
        )
        self._loop.remove_reader(listener)
        self._pauses[listener] = self._loop.call_later(PAUSE_S, self._go_on, listener)

    def _go_on(self, listener: socket.socket) -> None:
        del self._pauses[listener]
        self._loop.add_reader(listener, self._accept, listener)


class _Reading:
    """A connection whose request is being read. `ended` is called once: with the request, or None if it was dropped."""

    def __init__(
        self,
        connection: socket.socket,
        loop: asyncio.AbstractEventLoop,
        ended: Callable[["_Reading", Request | None], None],
    ) -> None:
        self.connection = connection
        self._loop = loop
        self._ended = ended
        self._reader = RequestReader()
        self._timeout = loop.call_later(HEAD_TIMEOUT_S, self.drop)
        loop.add_reader(connection, self._read)

    def drop(self) -> None:
        """Close the connection."""
        self._stop()
        self.connection.close()
        self._ended(self, None)

    def _read(self) -> None:
        try:
            data = self.connection.recv(MOST_READ_BYTES)
            request = self._reader.feed(data)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, TooLong):
            self.drop()
            return
        if request is not None:
            self._stop()
            self._ended(self, request)
        elif not data:  # the peer sends no more
            self.drop()

    def _stop(self) -> None:
        self._timeout.cancel()
        self._loop.remove_reader(self.connection)
