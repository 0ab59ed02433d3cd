"""Makes picows's protocol of one connection, opened or accepted. Only this module uses picows's protocol class.

picows parses the frames and hands each to a `SocketLeg`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import picows
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # the compiled class has no stub

from bridge.settings.assistants import Pings
from bridge.shell.websocket import SocketLeg

READ_BUFFER_BYTES = 4_096
"""The first size; the buffer grows if needed. A hundred calls should not hold megabytes for frames of 300 bytes."""

PICOWS_LOG = logging.getLogger("picows")
PICOWS_LOG.setLevel(logging.ERROR)  # the bridge logs connections itself


class TurnsProtocol(WSProtocol):  # type: ignore[misc]  # the compiled class has no stub
    """picows's protocol, which can be told to read little at a time.

    picows handles all that was read in one go, and doubles its buffer whenever it is full. In a flood that would be megabytes.
    """

    def read_little(self) -> None:
        """Read at most `READ_BUFFER_BYTES` at a time from now on. A frame may still be longer."""
        self.get_buffer = self._get_little_buffer

    def read_freely(self) -> None:
        """Read as much as comes; then this class costs no call for a frame."""
        self.__dict__.pop("get_buffer", None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport calls this once, at the end."""
        self.read_freely()  # the method that `read_little` keeps refers to this object
        super().connection_lost(exc)

    def _get_little_buffer(self, size_hint: int) -> memoryview:
        return memoryview(WSProtocol.get_buffer(self, size_hint))[:READ_BUFFER_BYTES]


def client_protocol(
    leg: SocketLeg,
    host: str,
    target: str,
    headers: Mapping[str, str],
    max_message_bytes: int,
    pings: Pings | None,
) -> Any:
    """Make picows's protocol of one connection that is opened. It sends the upgrade when the connection is made."""
    return _protocol(lambda: leg, max_message_bytes, pings, host, target, headers)


def server_protocol(leg: SocketLeg, max_message_bytes: int) -> Any:
    """Make picows's protocol of one connection that is accepted. The leg says when its peer is pinged."""
    return _protocol(lambda _request: leg, max_message_bytes, leg.pings)


def hand_over(transport: asyncio.Transport, protocol: asyncio.BufferedProtocol, read: bytes) -> None:
    """Make `protocol` the transport's, and give it what was read already."""
    transport.set_protocol(protocol)
    feed(protocol, read, lambda: not transport.is_closing())


def feed(protocol: asyncio.BufferedProtocol, read: bytes, takes_more: Callable[[], bool]) -> None:
    """Give a protocol what was read, as long as it takes more."""
    rest = memoryview(read)
    while rest and takes_more():
        space = memoryview(protocol.get_buffer(len(rest)))
        taken = min(len(space), len(rest))
        space[:taken] = rest[:taken]
        protocol.buffer_updated(taken)
        rest = rest[taken:]


def _protocol(
    listener: Callable[..., Any],
    max_message_bytes: int,
    pings: Pings | None = None,
    host: str | None = None,  # set for a client, None for a server; `path` and `headers` too
    path: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    return TurnsProtocol(
        host,
        path,
        host is not None,
        listener,
        PICOWS_LOG,
        True,  # an exception in a callback closes the leg
        None,  # whoever opens or accepts the connection has a time limit of its own
        pings is not None,
        *(pings or (1.0, 1.0)),
        picows.WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # the leg answers pings
        max_message_bytes,
        headers,
        READ_BUFFER_BYTES,
    )
