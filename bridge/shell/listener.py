"""Opens the port and accepts connections, also while there are no file descriptors left.

The transports are aiofastnet's, as in picows: a frame costs about a quarter less than with the event loop's own. Its
own accept loop is not used: of version 1.2.0 it fails without descriptors, over and over.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import aiofastnet
import structlog

from bridge.config.addresses import bind_fault
from bridge.shell.pending_connections import PendingConnections, Released
from bridge.shell.sampled_log import SampledLog
from bridge.vocabulary.errors import ConfigurationError

BACKLOG = 256
"""Connections that wait to be accepted, at most; the system may bound them further."""

ACCEPTS_A_TURN = 4
"""Connections accepted before the event loop turns to the calls again."""

PAUSE_S = 0.25
"""After an accept that failed, as it does without file descriptors."""

HANDSHAKE_TIMEOUT_S = 5.0
"""For TLS, from the connection on."""

SHUTDOWN_TIMEOUT_S = 2.0
"""How long the peer may take to close TLS."""

log = structlog.get_logger()

MakeProtocol = Callable[[Released], asyncio.BaseProtocol]
"""Makes the protocol of one connection, and gets what the protocol calls when it is a call, or closed."""


async def open_port(
    protocol: MakeProtocol,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    pending: PendingConnections,
) -> "Listener":
    """Open a port. Raises `ConfigurationError` if it cannot be opened."""
    sockets = await asyncio.to_thread(bind, host, port, BACKLOG)  # a host's name is looked up
    return Listener(sockets, protocol, tls, pending)


def bind(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Open a port at each address of a host. Raises `ConfigurationError` if one cannot be opened."""
    opened: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            opened.append(listening := socket.socket(family, kind, protocol))
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(backlog)
    except OSError as error:
        for listening in opened:
            listening.close()
        raise ConfigurationError(bind_fault(host, port, error)) from error
    return opened


class Listener:
    """Accepts connections until it is closed. `sockets`: those that listen."""

    def __init__(
        self,
        sockets: list[socket.socket],
        protocol: MakeProtocol,
        tls: ssl.SSLContext | None,
        pending: PendingConnections,
    ) -> None:
        self.sockets = sockets
        self._protocol = protocol
        self._tls = tls
        self._pending = pending
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self._log = SampledLog()
        for listening in sockets:
            self._listen(listening)

    def close(self) -> None:
        """Accept no more. Connections that were made stay; those whose TLS is not ready are closed."""
        for listening in self.sockets:
            self._loop.remove_reader(listening)
            listening.close()
        for pause in self._pauses.values():
            pause.cancel()
        for task in self._connecting:
            task.cancel()

    def _listen(self, listening: socket.socket) -> None:
        self._pauses.pop(listening, None)
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._pause(listening, error)
                return
            self._take(accepted, str(peer[0]))

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """The system would report the waiting connection again at once, for ever."""
        self._log.write("warning", "accept", "= no connection can be accepted", reason=error.strerror)
        self._pending.drop_oldest("no file descriptor was left for another one")
        self._loop.remove_reader(listening)
        self._pauses[listening] = self._loop.call_later(PAUSE_S, self._listen, listening)

    def _take(self, accepted: socket.socket, address: str) -> None:
        accepted.setblocking(False)
        released = self._pending.add(address, partial(shut_down, accepted))
        task = self._loop.create_task(self._connect(accepted, released))
        self._connecting.add(task)

        def end(ended: asyncio.Task[None]) -> None:
            self._connecting.discard(ended)
            if ended.cancelled():  # perhaps before it began
                accepted.close()
                released()

        task.add_done_callback(end)

    async def _connect(self, accepted: socket.socket, released: Released) -> None:
        is_connected = False
        try:
            await aiofastnet.connect_accepted_socket(
                self._loop,
                lambda: self._protocol(released),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if self._tls else None,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S if self._tls else None,
            )
            is_connected = True
        except (OSError, asyncio.IncompleteReadError) as error:  # TLS and time limits are OSErrors, too
            self._log.write(
                "debug", "connect", "= no connection was made", reason=str(error) or type(error).__name__
            )
        finally:
            if not is_connected:
                accepted.close()
                released()


def shut_down(accepted: socket.socket) -> None:
    """End a connection whoever has it: its transport sees the end of the stream, and closes it."""
    with suppress(OSError):  # it is closed
        accepted.shutdown(socket.SHUT_RDWR)
