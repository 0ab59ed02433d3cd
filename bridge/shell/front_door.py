"""Serves HTTP and media sockets on one port: reads the head of a request, and picks the protocol by its path.

The bytes that were read so far are given to the protocol that takes the connection over. A connection carries one
request: if it were kept open, a proxy could send a request for a media path to the HTTP server.
"""

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import unquote_to_bytes

from bridge.shell.http_server import MOST_BODY_BYTES
from bridge.shell.pending_connections import Released
from bridge.shell.setup_pace import Enter, Withdraw, at_once

HEAD_TIMEOUT_S = 5.0
"""Time limit from the connection to a complete request head."""

HEAD_BYTES = 16_384
"""The longest request head. A connection that sends a longer one is dropped."""


class FrontDoor(asyncio.Protocol):
    """One connection. `media` makes the protocol for paths that start with any of `media_paths`, `http` for others.

    `released` is called when the connection is lost, here or by one of these protocols, or has become a call.
    `read`: what was read from it before it came here. `enter`: when a request whose head is complete begins.
    """

    def __init__(
        self,
        media_paths: tuple[bytes, ...],
        media: Callable[[Released], asyncio.Protocol],
        http: Callable[[Released], asyncio.Protocol],
        released: Released,
        read: bytes = b"",
        enter: Enter = at_once,
    ) -> None:
        self._media_paths = media_paths
        self._media = media
        self._http = http
        self._released = released
        self._read = read
        self._read_bytes = len(read)
        self._enter = enter
        self._withdraw: Withdraw | None = None  # set while the request waits for its turn
        self._transport: asyncio.Transport
        self._timeout: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls this when a connection was accepted."""
        self._transport = cast(asyncio.Transport, transport)
        self._timeout = asyncio.get_running_loop().call_later(HEAD_TIMEOUT_S, self._transport.abort)
        if self._read:
            self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        """asyncio calls this with the next bytes of the request."""
        self._read_bytes += len(data)
        if self._withdraw is not None:
            self._read += data
            if self._read_bytes > HEAD_BYTES + MOST_BODY_BYTES:
                self._transport.abort()
            return
        self._read = (self._read + data).lstrip(
            b"\r\n"
        )  # empty lines before a request mean nothing (RFC 9112, 2.2)
        if b"\r\n\r\n" not in self._read:
            if self._read_bytes > HEAD_BYTES:
                self._transport.abort()
            return
        self._timeout.cancel()
        self._withdraw = self._enter(self._begin)

    def _begin(self) -> None:
        """Give the connection to the protocol that serves its request."""
        words = self._read.partition(b"\r\n")[0].split(b" ")
        path = unquote_to_bytes(words[1]) if len(words) > 1 else b""
        make = self._media if path.startswith(self._media_paths) else self._http
        protocol = make(self._released)
        self._transport.set_protocol(protocol)
        try:
            protocol.connection_made(self._transport)
            protocol.data_received(self._read)
        except BaseException:
            self._transport.abort()
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio calls this when the connection was lost before the request head was complete."""
        self._timeout.cancel()
        if self._withdraw is not None:
            self._withdraw()
        self._released()
