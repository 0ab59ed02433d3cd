"""Serves HTTP and media sockets on one port: reads the head of a request, and picks the protocol by its path.

The bytes that were read so far are given to the protocol that takes the connection over. A connection carries one
request: if it were kept open, a proxy could send a request for a media path to the HTTP server.
"""

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import unquote_to_bytes

from bridge.shell.pending_connections import Released

HEAD_TIMEOUT_S = 5.0
"""Time limit from the connection to a complete request head."""

HEAD_BYTES = 16_384
"""The longest request head. A connection that sends a longer one is dropped."""


class FrontDoor(asyncio.Protocol):
    """One connection. `media` makes the protocol for paths that start with any of `media_paths`, `http` for others.

    `released` is called when the connection is lost, here or by one of these protocols, or has become a call.
    """

    def __init__(
        self,
        media_paths: tuple[bytes, ...],
        media: Callable[[Released], asyncio.Protocol],
        http: Callable[[Released], asyncio.Protocol],
        released: Released,
    ) -> None:
        self._media_paths = media_paths
        self._media = media
        self._http = http
        self._released = released
        self._read = b""
        self._read_bytes = 0
        self._transport: asyncio.Transport
        self._timeout: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls this when a connection was accepted."""
        self._transport = cast(asyncio.Transport, transport)
        self._timeout = asyncio.get_running_loop().call_later(HEAD_TIMEOUT_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """asyncio calls this with the next bytes of the request."""
        self._read_bytes += len(data)
        self._read = (self._read + data).lstrip(
            b"\r\n"
        )  # empty lines before a request mean nothing (RFC 9112, 2.2)
        if b"\r\n\r\n" not in self._read:
            if self._read_bytes > HEAD_BYTES:
                self._transport.abort()
            return
        self._timeout.cancel()
        words = self._read.partition(b"\r\n")[0].split(b" ")
        path = unquote_to_bytes(words[1]) if len(words) > 1 else b""
        make = self._media if path.startswith(self._media_paths) else self._http
        protocol = make(self._released)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._read)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio calls this when the connection was lost before the request head was complete."""
        self._timeout.cancel()
        self._released()
