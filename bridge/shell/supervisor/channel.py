"""One end of a pair of sockets between two processes: messages both ways, each perhaps with a descriptor.

A packet is one message (unix(7), SOCK_SEQPACKET). Sending never waits: what the socket does not take now is kept.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable

from bridge.shell.supervisor.messages import MOST_BYTES

MOST_IN_A_TURN = 16
"""Messages that are read before the event loop has its turn."""

MOST_WAITING = 1_000
"""Messages that are kept while the other process does not read."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends, for two processes."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def receive(end: socket.socket) -> tuple[bytes, int | None] | None:
    """The next message, and the descriptor that came with it; None when the other end is closed.

    Raises `BlockingIOError` where there is none, and the socket does not block.
    """
    try:
        message, descriptors, _, _ = socket.recv_fds(end, MOST_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return None
    return (message, descriptors[0] if descriptors else None) if message else None


class Channel:
    """An end in an event loop. `lost` is called once, when the other process has closed its end or has ended."""

    def __init__(
        self,
        end: socket.socket,
        received: Callable[[bytes, int | None], None],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._end = end
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, socket.socket | None]] = deque()
        self._is_open = True
        end.setblocking(False)
        self._loop.add_reader(end, self._read)

    def send(self, message: bytes, passed: socket.socket | None = None) -> bool:
        """Send a message, and with it a socket, which is closed here. Returns False if it cannot be sent.

        Then the socket stays the caller's.
        """
        if not self._is_open or len(self._waiting) >= MOST_WAITING:
            return False
        if not self._waiting:
            try:
                self._transmit(message, passed)
            except BlockingIOError:
                self._loop.add_writer(self._end, self._write)
            except OSError:  # the other process has ended, which `_read` sees
                return False
            else:
                return True
        self._waiting.append((message, passed))
        return True

    def close(self) -> None:
        """Close this end; what was not sent is dropped."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._drop()
        self._end.close()

    def _transmit(self, message: bytes, passed: socket.socket | None) -> None:
        socket.send_fds(self._end, [message], [] if passed is None else [passed.fileno()])
        if passed is not None:
            passed.close()

    def _write(self) -> None:
        try:
            while self._waiting:
                self._transmit(*self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._drop()
        self._loop.remove_writer(self._end)

    def _drop(self) -> None:
        for _, passed in self._waiting:
            if passed is not None:
                passed.close()
        self._waiting.clear()

    def _read(self) -> None:
        for _ in range(MOST_IN_A_TURN):
            try:
                found = receive(self._end)
            except BlockingIOError:
                return
            if found is None:
                self.close()
                self._lost()
                return
            self._received(*found)
            if not self._is_open:
                return


def closed(descriptor: int | None) -> None:
    """Close a descriptor that came with a message that has no use for it."""
    if descriptor is not None:
        os.close(descriptor)
