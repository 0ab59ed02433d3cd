"""A `SocketLeg` is one WebSocket to one peer. Only this module uses picows's protocol class.

`websocket_client` opens one, `websocket_server` accepts one. Callbacks are synchronous and run on the event loop: `receive` gets each whole message; `lost` is called once, with the
close code and the reason (1006 if the peer gave none). picows parses the frames. This module checks what picows does
not: UTF-8, reserved bits and the order of fragments.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import picows
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # the compiled class has no stub

from bridge.settings.assistants import Pings
from bridge.vocabulary.contracts import Lost, WireMessage

MAX_MESSAGE_BYTES = 65_536
"""A message of a carrier holds 20 ms of audio; a message far longer than that does not come from a carrier."""

READ_BUFFER_BYTES = 4_096
"""The first size; the buffer grows if needed. A hundred calls should not hold megabytes for frames of 300 bytes."""

CLOSE_REASON_BYTES = 123
"""The most that a close frame can hold beside its code (RFC 6455, 5.5)."""

CLOSE_TIMEOUT_S = 5.0
"""If the peer does not answer our close frame within this time, the connection is dropped."""

PARTING_S = 0.5
"""Time after the last close frame for the peer to read what is left; then the connection is dropped."""

STALL_TIMEOUT_S = 10.0
"""If the socket is full and the peer reads nothing for this long, the connection is dropped."""

MOST_UNREAD_BYTES = 4_194_304
"""If the socket is full and more than this waits, it is dropped at once. This is six minutes of a reply."""

SENDABLE_CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""The codes that a close frame may carry; the others are reserved (RFC 6455, 7.4)."""

PICOWS_LOG = logging.getLogger("picows")
PICOWS_LOG.setLevel(logging.ERROR)  # the bridge logs connections itself


TEXT, BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
CONTINUATION, CLOSE, PONG = picows.WSMsgType.CONTINUATION, picows.WSMsgType.CLOSE, picows.WSMsgType.PONG


class SocketLeg(picows.WSListener):
    """One WebSocket. A message longer than `max_message_bytes` closes it with 1009."""

    def __init__(
        self,
        receive: Callable[[WireMessage], None],
        lost: Lost,
        connected: Callable[["SocketLeg"], None] | None = None,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._receive = receive
        self._lost = lost
        self._connected = connected
        self._max_message_bytes = max_message_bytes
        self._fragments: list[bytes] = []
        self._fragments_weigh = 0
        self._fragmented_type = TEXT
        self._transport: picows.WSTransport | None = None
        self._cut_off: asyncio.TimerHandle | None = None
        self.stalled = False
        """Whether the peer reads too slowly, so that the socket is full."""
        self._pinged = False
        self._pong_due: asyncio.TimerHandle | None = None
        self.pong_s = 0.0
        self.is_busy: Callable[[], bool] = lambda: False
        """`is_busy` is asked when there is no answer `pong_s` after a ping: while it returns True, the connection stays."""

    @property
    def backlog(self) -> int:
        """The number of bytes that wait in this process for the peer to read."""
        return self._transport.underlying_transport.get_write_buffer_size() if self._transport else 0

    def send(self, message: WireMessage) -> None:
        """Write one message; after a close it is dropped. This never waits."""
        if self._transport is not None:
            self._transport.send(TEXT if isinstance(message, str) else BINARY, message)
            if self._cut_off is not None and self.backlog > MOST_UNREAD_BYTES:
                self.abort()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Start the closing handshake. `lost` is called when it is done, or after `CLOSE_TIMEOUT_S`."""
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return
        if not transport.is_close_frame_sent:
            transport.send_close(picows.WSCloseCode(code), _cut(reason))
            self._cut_off_in(CLOSE_TIMEOUT_S)
        elif self._cut_off is None:  # picows disconnects when the peer has read what is left
            self._cut_off_in(PARTING_S)

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    async def gone(self) -> None:
        """Wait until `lost` was called."""
        assert self._transport is not None, "the upgrade is done"
        with suppress(Exception):  # a protocol error or an exception that was logged
            await self._transport.wait_disconnected()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """picows calls this when the upgrade is done."""
        self._transport = transport
        if self._connected is not None:
            self._connected(self)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """picows calls this with one frame, which is valid only during the call."""
        kind = frame.msg_type
        if transport.is_close_frame_sent and kind is not CLOSE:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:  # RFC 6455, 5.2
            self._refuse(1002, "reserved bits are set: expected none without an extension")
        elif kind is TEXT and frame.fin and not self._fragments:
            try:
                text = frame.get_payload_as_utf8_text()
            except UnicodeDecodeError:  # RFC 6455, 8.1
                self._refuse(1007, "the text is not UTF-8")
            else:
                self._receive(text)
        elif kind is CLOSE:
            self._answer_close(transport, frame)
        elif kind is not PONG:  # picows answers pings
            self._assemble(kind, frame)

    def _assemble(self, kind: picows.WSMsgType, frame: picows.WSFrame) -> None:
        if (kind is CONTINUATION) is not bool(self._fragments):  # RFC 6455, 5.4
            self._refuse(1002, "the fragments are out of order")
            return
        if kind is not CONTINUATION:
            self._fragmented_type = kind
        self._fragments.append(frame.get_payload_as_bytes())
        self._fragments_weigh += max(1, frame.payload_size)  # an empty fragment takes memory too
        if self._fragments_weigh > self._max_message_bytes:
            self._refuse(1009, f"the message is too long: expected at most {self._max_message_bytes} bytes")
        elif frame.fin:
            whole = b"".join(self._fragments)
            self._fragments.clear()
            self._fragments_weigh = 0
            if self._fragmented_type is BINARY:
                self._receive(whole)
                return
            try:
                text = whole.decode()
            except UnicodeDecodeError:
                self._refuse(1007, "the text is not UTF-8")
            else:
                self._receive(text)

    def _refuse(self, code: int, reason: str) -> None:
        """Close the connection because the peer broke the protocol (RFC 6455, 7.1.7)."""
        assert self._transport is not None
        self._transport.send_close(picows.WSCloseCode(code), reason)
        self._part(self._transport)

    def _answer_close(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if not transport.is_close_frame_sent:
            code = frame.get_close_code()
            transport.send_close(code if code.value in SENDABLE_CLOSE_CODES else picows.WSCloseCode.OK)
        self._part(transport)

    def _part(self, transport: picows.WSTransport) -> None:
        self._cut_off_in(PARTING_S)
        transport.disconnect()

    def send_user_specific_ping(self, transport: picows.WSTransport) -> None:
        """picows calls this when the peer has sent nothing for `Pings.idle_s`."""
        self._pinged = True
        transport.send_ping()
        self._pong_due = asyncio.get_running_loop().call_later(
            self.pong_s, self._excuse
        )  # before picows's timer

    def _excuse(self) -> None:
        if self._pinged and self._transport is not None and self.is_busy():
            self._pinged = False
            self._transport.notify_user_specific_pong_received()  # the next ping follows

    def is_user_specific_pong(self, frame: picows.WSFrame) -> bool:
        """picows calls this for a frame after a ping. Any frame is an answer: a pong may queue behind much audio."""
        self._pinged = False
        if frame.msg_type is PONG:
            return True
        if self._transport is not None:
            self._transport.notify_user_specific_pong_received()
        return False

    def pause_writing(self) -> None:
        """picows calls this when the socket is full because the peer reads too slowly."""
        self.stalled = True
        if self._cut_off is None:
            self._cut_off_in(STALL_TIMEOUT_S)

    def resume_writing(self) -> None:
        """picows calls this when the peer reads again."""
        self.stalled = False
        if self._transport is not None and not self._transport.is_close_frame_sent:
            self._keep()

    def _cut_off_in(self, seconds: float) -> None:
        self._keep()
        self._cut_off = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _keep(self) -> None:
        if self._cut_off is not None:
            self._cut_off.cancel()
            self._cut_off = None

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """picows calls this when the connection is closed."""
        self._keep()
        if self._pong_due is not None:
            self._pong_due.cancel()
        handshake = transport.close_handshake
        received = handshake.recv if handshake else None
        if received is not None and received.code.value:
            self._lost(received.code.value, received.reason or "")
        elif self._pinged:
            self._lost(1006, "no answer to a ping")
        elif handshake is not None and handshake.sent is not None:
            self._lost(handshake.sent.code.value, handshake.sent.reason)
        else:
            self._lost(1006, "the connection broke")


def _cut(reason: str) -> str:
    return reason.encode()[:CLOSE_REASON_BYTES].decode(errors="ignore")


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
    """Make picows's protocol of one connection that is accepted. A carrier sends often enough without pings."""
    return _protocol(lambda _request: leg, max_message_bytes)


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
    return WSProtocol(
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
        True,  # pongs
        max_message_bytes,
        headers,
        READ_BUFFER_BYTES,
    )
