"""A `SocketLeg` is one WebSocket to one peer.

`websocket_client` opens one, `websocket_server` accepts one. Callbacks are synchronous and run on the event loop:
`receive` gets each whole message; `lost` is called once, with the close code and the reason (1006 if the peer gave none).
picows parses the frames. This module checks what picows does not: UTF-8, reserved bits and the order of fragments; and it
limits how much of one peer is handled in one turn of the event loop, so that a flood delays the other calls by little.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import picows
import structlog

from bridge.settings.assistants import Pings
from bridge.shell.close_frames import SENDABLE_CLOSE_CODES, cut_reason
from bridge.shell.fragments import BrokenProtocol, Fragments
from bridge.shell.network import limit_unconfirmed
from bridge.vocabulary.contracts import Lost, WireMessage
from bridge.vocabulary.message_rate import MessageRate, Unread

MAX_MESSAGE_BYTES = 65_536
"""A message of a carrier holds 20 ms of audio; a message far longer than that does not come from a carrier."""

CLOSE_TIMEOUT_S = 5.0
"""If the peer does not answer our close frame within this time, the connection is dropped."""

PARTING_S = 0.5
"""Time after the last close frame for the peer to read what is left; then the connection is dropped."""

STALL_TIMEOUT_S = 10.0
"""If something waits for the peer and it reads nothing for this long, the connection is dropped. So it is if the socket is
full for as long, or if the peer's system does not confirm what it was sent (TCP_USER_TIMEOUT, where the platform has it).
"""

UNREAD_CHECKS = 5
"""How often that is looked at within `STALL_TIMEOUT_S`."""

MOST_UNREAD_BYTES = 4_194_304
"""If the socket is full and more than this waits, it is dropped at once. This is six minutes of a reply."""

TURN_MESSAGES = 16
"""The most messages of one peer that are handled in one turn of the event loop, about a millisecond's work; the others wait
for the next turns, and meanwhile nothing is read. A message counts once more for each 4 KiB."""

CALM_S = 0.05
"""If `TURN_MESSAGES` took longer than this to come, they came in several turns."""

PINGS_PER_S, PINGS_AT_ONCE = 5.0, 50
"""The most pings of a peer; see `MessageRate`."""

TEXT, BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
CONTINUATION, CLOSE = picows.WSMsgType.CONTINUATION, picows.WSMsgType.CLOSE
PING, PONG = picows.WSMsgType.PING, picows.WSMsgType.PONG

log = structlog.get_logger()


class SocketLeg(picows.WSListener):
    """One WebSocket. A message longer than `max_message_bytes` closes it with 1009, more messages than `rate` allows with 1008."""

    def __init__(
        self,
        receive: Callable[[WireMessage], None],
        lost: Lost,
        connected: Callable[["SocketLeg"], None] | None = None,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        rate: MessageRate | None = None,
        pings: Pings | None = None,
    ) -> None:
        self._receive = receive
        self._lost = lost
        self._connected = connected
        self._fragments = Fragments(max_message_bytes)
        self._rate = rate
        self._left = TURN_MESSAGES  # that may be handled in this turn
        self._counted_at = 0.0  # when that was set
        self._held: deque[tuple[picows.WSMsgType, bool, bool, bytes]] = deque()  # for the next turns: frames
        self._next_turn: asyncio.Handle | None = None  # set while nothing is read until the next turn
        self._is_read = True  # as `set_reading` has it
        self._pings_received = MessageRate(PINGS_PER_S, PINGS_AT_ONCE)
        self._unanswered_ping: bytes | None = None
        self._transport: picows.WSTransport | None = None
        self._written = 0  # bytes of messages
        self._unread = Unread()
        self._unread_check: asyncio.TimerHandle | None = None
        self._dropped_for = ""
        self._cut_off: asyncio.TimerHandle | None = None
        self.stalled = False
        """Whether the peer reads too slowly, so that the socket is full. `on_stalled` is told when that changes."""
        self.on_stalled: Callable[[bool], None] = lambda _: None
        self._pinged = False
        self._pong_due: asyncio.TimerHandle | None = None
        self.pings = pings
        self.pong_s = pings.answer_s if pings else 0.0
        self.is_busy: Callable[[], bool] = lambda: False
        """`is_busy` is asked when there is no answer `pong_s` after a ping: while it returns True, the connection stays."""

    @property
    def backlog(self) -> int:
        """The number of bytes that wait in this process for the peer to read."""
        return self._transport.underlying_transport.get_write_buffer_size() if self._transport else 0

    def send(self, message: WireMessage) -> None:
        """Write one message; after a close it is dropped. This never waits."""
        if self._transport is not None:
            self._written += len(message)
            self._transport.send(TEXT if isinstance(message, str) else BINARY, message)
            if self._cut_off is not None and self.backlog > MOST_UNREAD_BYTES:
                self.abort()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Start the closing handshake. `lost` is called when it is done, or after `CLOSE_TIMEOUT_S`."""
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return
        if not transport.is_close_frame_sent:
            transport.send_close(picows.WSCloseCode(code), cut_reason(reason))
            self._cut_off_in(CLOSE_TIMEOUT_S)
        elif self._cut_off is None:  # picows disconnects when the peer has read what is left
            self._cut_off_in(PARTING_S)

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self._held.clear()
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def set_reading(self, reads: bool) -> None:  # a callback
        """Pause or resume reading: meanwhile what the peer sends waits, in its own process when the socket is full."""
        self._is_read = reads
        if self._transport is None:
            return
        if not reads:
            self._transport.underlying_transport.pause_reading()
        elif self._next_turn is None:
            self._resume_reading()

    async def gone(self) -> None:
        """Wait until `lost` was called."""
        assert self._transport is not None, "the upgrade is done"
        with suppress(Exception):  # a protocol error or an exception that was logged
            await self._transport.wait_disconnected()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """picows calls this when the upgrade is done."""
        self._transport = transport
        limit_unconfirmed(transport.underlying_transport.get_extra_info("socket"), STALL_TIMEOUT_S)
        self._check_unread()
        if self._connected is not None:
            self._connected(self)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """picows calls this with one frame, which is valid only during the call."""
        if self._left <= 0 and not self._has_room():
            self._hold(transport, frame)
            return
        self._left -= 1 + (frame.payload_size >> 12)
        kind = frame.msg_type
        if transport.is_close_frame_sent and kind is not CLOSE:
            return
        rsv = frame.rsv1 or frame.rsv2 or frame.rsv3
        if kind is TEXT and frame.fin and not self._fragments.parts and not rsv:
            try:
                text = frame.get_payload_as_utf8_text()
            except UnicodeDecodeError:  # RFC 6455, 8.1
                self._refuse(1007, "the text is not UTF-8")
            else:
                receive = self._receive  # a function in an attribute is called much faster by a local name
                receive(text)
        else:
            self._take(kind, frame.fin, rsv, frame.get_payload_as_bytes())

    def _take(self, kind: picows.WSMsgType, fin: bool, rsv: bool, payload: bytes) -> None:
        if rsv:  # RFC 6455, 5.2
            self._refuse(1002, "reserved bits are set: expected none without an extension")
        elif kind is CLOSE:
            self._answer_close()
        elif kind is PING:
            self._answer_ping(payload)
        elif kind is not PONG:
            self._assemble(kind, fin, payload)

    def _assemble(self, kind: picows.WSMsgType, fin: bool, payload: bytes) -> None:
        try:
            message = self._fragments.add(
                payload, continues=kind is CONTINUATION, is_text=kind is TEXT, fin=fin
            )
        except BrokenProtocol as fault:
            self._refuse(fault.code, str(fault))
        else:
            if message is not None:
                self._receive(message)

    # Turns of the event loop

    def _has_room(self) -> bool:
        """Whether one more frame may be handled now: the last ones came slowly. If not, reading pauses until the next turn."""
        if self._next_turn is not None:
            return False
        assert self._transport is not None
        underlying, now = self._transport.underlying_transport, time.monotonic()
        protocol: Any = underlying.get_protocol()  # see `websocket_protocol.TurnsProtocol`
        if now - self._counted_at > CALM_S:
            protocol.read_freely()
            self._count(now)
            return True
        protocol.read_little()
        underlying.pause_reading()
        self._next_turn = asyncio.get_running_loop().call_soon(self._read_on)
        return False

    def _count(self, now: float) -> bool:
        """Begin to count anew. Returns False if the peer sends too much, and closes the connection then."""
        came, self._left, self._counted_at = TURN_MESSAGES - self._left, TURN_MESSAGES, now
        if self._rate is None or self._rate.take(came, now):
            return True
        self._refuse(1008, "too many messages: expected those of one call")
        return False

    def _hold(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind is CLOSE or not transport.is_close_frame_sent:
            rsv = frame.rsv1 or frame.rsv2 or frame.rsv3
            self._held.append((kind, frame.fin, rsv, frame.get_payload_as_bytes()))
            if self._rate is not None and len(self._held) > self._rate.at_once:
                self._refuse(1008, "too many messages: expected those of one call")
        else:  # it is dropped, and counted
            self._left -= 1

    def _read_on(self) -> None:
        """A turn has passed: handle what was held, as much as a turn allows, then read on."""
        self._next_turn = None
        if not self._count(time.monotonic()):
            return
        while self._held and self._left > 0:
            self._take_held()
        if self._held:
            self._next_turn = asyncio.get_running_loop().call_soon(self._read_on)
        elif self._left <= TURN_MESSAGES and self._is_read:  # else it was refused
            self._resume_reading()

    def _resume_reading(self) -> None:
        assert self._transport is not None
        underlying = self._transport.underlying_transport
        underlying.resume_reading()
        read_decrypted = getattr(underlying, "_do_read", None)
        if read_decrypted is not None and underlying.is_reading():
            read_decrypted()  # aiofastnet 1.2 would leave what it has decrypted until more arrives

    def _take_held(self) -> None:
        """Handle the first frame that was held, with faults ending as they do where picows calls."""
        kind, fin, rsv, payload = self._held.popleft()
        self._left -= 1 + (len(payload) >> 12)
        assert self._transport is not None
        if self._transport.is_close_frame_sent and kind is not CLOSE:
            return
        try:
            self._take(kind, fin, rsv, payload)
        except Exception:
            log.exception("a fault in handling a message")
            self._refuse(1011, "")

    # The end, and pings

    def _refuse(self, code: int, reason: str) -> None:
        """Close the connection because the peer broke the protocol (RFC 6455, 7.1.7). Nothing more is read."""
        assert self._transport is not None
        self._held.clear()
        self._left = 1 << 62  # what picows has read already is dropped with little effort
        if not self._transport.is_close_frame_sent:
            self._transport.send_close(picows.WSCloseCode(code), reason)
        if self._transport.underlying_transport.is_reading():
            self._part(self._transport)
        else:  # if it were closed with a flood unread, the peer's system would drop our close frame
            self._cut_off_in(PARTING_S)

    def _answer_close(self) -> None:
        transport = self._transport
        assert transport is not None
        if not transport.is_close_frame_sent:
            handshake = transport.close_handshake
            received = handshake.recv if handshake else None
            code = received.code if received else picows.WSCloseCode.OK
            transport.send_close(code if code.value in SENDABLE_CLOSE_CODES else picows.WSCloseCode.OK)
        self._part(transport)

    def _part(self, transport: picows.WSTransport) -> None:
        self._cut_off_in(PARTING_S)
        transport.disconnect()

    def _answer_ping(self, payload: bytes) -> None:
        """Answer a ping. While the peer reads nothing only the last one is kept for an answer (RFC 6455, 5.5.3)."""
        assert self._transport is not None
        if not self._pings_received.take(1, time.monotonic()):
            self._refuse(1008, f"too many pings: expected at most {PINGS_PER_S:g} a second")
        elif self.backlog:
            self._unanswered_ping = payload
        else:
            self._transport.send_pong(payload)

    def _check_unread(self) -> None:
        """Look from time to time whether the peer reads what it is sent; a small rest would never fill the socket."""
        loop, transport = asyncio.get_running_loop(), self._transport
        assert transport is not None
        if self._unread.for_s(self._written, self.backlog, time.monotonic()) >= STALL_TIMEOUT_S:
            self._dropped_for = f"the peer has read nothing for {STALL_TIMEOUT_S:g} s"
            self.abort()
            return
        if self._unanswered_ping is not None and not self.backlog and not transport.is_close_frame_sent:
            transport.send_pong(self._unanswered_ping)
            self._unanswered_ping = None
        self._unread_check = loop.call_later(STALL_TIMEOUT_S / UNREAD_CHECKS, self._check_unread)

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
        self.on_stalled(True)
        if self._cut_off is None:
            self._cut_off_in(STALL_TIMEOUT_S)

    def resume_writing(self) -> None:
        """picows calls this when the peer reads again."""
        self.stalled = False
        self.on_stalled(False)
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
        for timer in (self._pong_due, self._unread_check, self._next_turn):
            if timer is not None:
                timer.cancel()
        while self._held:  # came before the end
            self._take_held()
        lost = self._lost
        self._receive, self._lost = lambda _: None, lambda *_: None  # whose they are refers to this leg
        self._connected, self.is_busy, self.on_stalled = None, lambda: False, lambda _: None
        lost(*self._end(transport))

    def _end(self, transport: picows.WSTransport) -> tuple[int, str]:
        """The code and the reason of the end."""
        handshake = transport.close_handshake
        received, sent = (handshake.recv, handshake.sent) if handshake else (None, None)
        if received is not None and received.code.value:
            ours = sent.reason if sent is not None and sent.code == received.code else ""
            return received.code.value, received.reason or ours or ""
        if self._pinged:
            return 1006, "no answer to a ping"
        if sent is not None:
            return sent.code.value, sent.reason or ""
        return 1006, self._dropped_for or "the connection broke"
