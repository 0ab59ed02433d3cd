"""The leg to an assistant that is reached by a WebSocket: it can send at once, while the connection is being opened.

Messages that are sent before the connection is open wait, and are sent in their order when it is open. Pings find a
connection that ended without a close frame; while the assistant owes a reply, an unanswered ping proves nothing. What
arrives is passed on at a pace that leaves time for other calls: see `paced_intake`.
"""

import asyncio
import ssl
from collections.abc import Callable
from functools import cache, partial
from http import HTTPStatus

from bridge.redaction import without_keys
from bridge.settings.assistants import UPGRADED, SocketAddress
from bridge.shell.cancelling import without_traceback
from bridge.shell.close_frames import POLICY_VIOLATION
from bridge.shell.header_values import HeaderReader
from bridge.shell.network import Network
from bridge.shell.paced_intake import PacedIntake
from bridge.shell.refused_upgrade import loss
from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect
from bridge.vocabulary.contracts import Lost, Receive, WireMessage
from bridge.vocabulary.errors import CallRefused, ConfigurationError

CONNECT_TIMEOUT_S = 5.0
"""Time limit for DNS, connection, TLS and upgrade together. Few callers wait longer in silence."""

MAX_MESSAGE_BYTES = 4_194_304
"""The longest message: a minute of 16-bit audio at 24 kHz in base64, for an assistant that sends a whole reply at once. A
message takes several times its length while it is read; a longer one is refused by its length, before it has come.
"""

MOST_UNREAD_BYTES = 131_072
"""The kernel holds so much of what an assistant sends, twice that at most. More of it waits in the assistant's process."""

MOST_WAITING = 1_024
MOST_WAITING_BYTES = 1_048_576
"""The most messages and bytes that wait for the connection; with more the leg is lost.

These are the settings and, where an assistant takes over during a call, the transcript so far. The caller's audio does
not wait here.
"""


class AssistantSocketLeg:
    """One WebSocket, open or being opened.

    `lost` is not called after `close`, and not from inside a method of the leg.
    """

    def __init__(
        self,
        address: SocketAddress,
        receive: Receive,
        lost: Lost,
        timeout_s: float,
        tls: ssl.SSLContext,
        network: Network,
        reader: HeaderReader,
    ) -> None:
        self.send: Callable[[WireMessage], None] = self._wait_with
        """Send one message, or let it wait for the connection; after the end it is dropped. This never waits."""
        self.is_reply_owed: Callable[[], bool] = lambda: False
        """Asked when a ping was not answered in time: an assistant that owes a reply may be busy with it."""
        self.stalled = True
        """Whether the peer reads too slowly, or the connection is not open yet."""
        self._receive = receive
        self._lost = lost
        self._intake = PacedIntake(receive, self._set_reading, self._drop)
        self._tells_upgrade = address.tells_upgrade
        self._waiting: list[WireMessage] = []
        self._waiting_bytes = 0
        self._socket: SocketLeg | None = None
        self._over = False
        self._begun = False  # the task runs
        self._loss: asyncio.Handle | None = None
        self._network = network
        self.task = asyncio.create_task(
            without_traceback(partial(self._carry, address, timeout_s, tls, reader))
        )
        """Runs until the connection has ended. If it is cancelled, the connection is dropped."""

    @property
    def over(self) -> bool:
        """Whether the leg was closed or is lost."""
        return self._over

    @property
    def was_open(self) -> bool:
        """Whether the server has taken the connection, whatever became of it."""
        return self._socket is not None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection after what was sent. If it is still being opened, the attempt is cancelled."""
        if self._loss is not None:
            self._loss.cancel()
        self._let_go()
        if not self._over:
            self._end()
            if self._socket is None:
                self._stop_connecting()
                return
            if code == POLICY_VIOLATION:
                self._socket.set_reading(False)  # what follows is not worth the time
            self._socket.close(code, reason)

    def _stop_connecting(self) -> None:
        if self._begun:  # else it sees when it begins that the leg is over
            self.task.cancel()

    def _set_reading(self, reads: bool) -> None:  # a callback
        if self._socket is not None:
            self._socket.set_reading(reads)

    def _drop(self, code: int, reason: str) -> None:
        """The assistant sends too much, or a message of it failed."""
        if not self._over:
            self._end()
            if self._socket is not None:
                self._socket.set_reading(False)
                self._socket.close(code, reason)
            self._tell_loss(code, reason)

    async def _carry(
        self, address: SocketAddress, timeout_s: float, tls: ssl.SSLContext, reader: HeaderReader
    ) -> None:
        self._begun = True
        if self._over:
            return
        due = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout_at(due):
                headers = await reader.resolve(address.headers)
            try:
                socket = await self._connect(address, headers, due, tls)
            except CallRefused as refusal:
                if refusal.status != HTTPStatus.UNAUTHORIZED:
                    raise
                async with asyncio.timeout_at(due):
                    renewed = await reader.renew(address.headers, headers)
                if renewed is None:
                    raise
                socket = await self._connect(address, renewed, due, tls)
        except CallRefused as refusal:
            self._lose(*loss(refusal))
            return
        except ConfigurationError as error:
            self._lose(1006, str(error))
            return
        except TimeoutError:
            self._lose(1006, f"the values of the headers were not there within {timeout_s:g} s")
            return
        try:
            await socket.gone()
        finally:
            socket.abort()
            await socket.gone()

    async def _connect(
        self, address: SocketAddress, headers: dict[str, str], due: float, tls: ssl.SSLContext
    ) -> SocketLeg:
        return await connect(
            address.url,
            self._intake.take,
            self._lose,
            headers=headers,
            connected=self._stand,
            timeout_s=max(0.0, round(due - asyncio.get_running_loop().time(), 3)),
            max_message_bytes=MAX_MESSAGE_BYTES,
            pings=address.pings,
            is_busy=self._is_busy,
            tls=tls,
            network=self._network,
            most_unread_bytes=MOST_UNREAD_BYTES,
        )

    def _is_busy(self) -> bool:
        return self._intake.is_paused or self.is_reply_owed()

    def _stand(self, socket: SocketLeg) -> None:
        if self._over:
            socket.abort()
            return
        self._socket = socket
        self.stalled, socket.on_stalled = socket.stalled, self._set_stalled
        self.send = socket.send
        for message in self._waiting:
            socket.send(message)
        self._waiting.clear()
        if self._tells_upgrade:
            self._receive(UPGRADED)

    def _set_stalled(self, stalled: bool) -> None:  # a callback
        self.stalled = stalled

    def _wait_with(self, message: WireMessage) -> None:
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        if len(self._waiting) > MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES:
            self._lose(
                1011,
                f"more waits for the connection than {MOST_WAITING} messages or {MOST_WAITING_BYTES} bytes",
            )
            self._stop_connecting()

    def _lose(self, code: int, reason: str) -> None:
        if not self._over:
            self._end()
            shown = without_keys(reason)  # a server may quote the key that it refuses
            self._intake.finish(partial(self._tell_loss, code, shown))

    def _tell_loss(self, code: int, reason: str) -> None:
        self._loss = asyncio.get_running_loop().call_soon(self._pass_loss, self._lost, code, reason)
        self._let_go()

    def _pass_loss(self, lost: Lost, code: int, reason: str) -> None:
        self._loss = None  # a handle that has run still refers to `lost`, and that to the call
        lost(code, reason)

    def _let_go(self) -> None:
        """Nothing is passed on any more: the leg refers to its call no longer, which refers to the leg."""
        self._intake.stop()
        self._receive, self._lost = _drop, _ignore_loss

    def _end(self) -> None:
        self._over = True
        self._waiting.clear()
        self.send = _drop


def _drop(_message: object) -> None:
    """Ignore a message to a leg that has ended."""


def _ignore_loss(_code: int, _reason: str) -> None:
    """Ignore what is known."""


@cache
def authorities() -> ssl.SSLContext:
    """The system's certificate authorities, once for a server and its workers: 20 ms of reading, and 4 MiB."""
    return ssl.create_default_context()


class AssistantSockets:
    """Opens legs, and keeps them until they have ended.

    `tls` verifies the certificates of wss; None: with the system's certificate authorities. `network`: how servers are
    reached; None: directly. `reader`: of headers.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        network: Network | None = None,
        reader: HeaderReader | None = None,
    ) -> None:
        self._network = network or Network()
        self._reader = reader or HeaderReader()
        self._tls = tls or authorities()
        self._tasks: set[asyncio.Task[None]] = set()

    def connect(
        self, address: SocketAddress, receive: Receive, lost: Lost, *, timeout_s: float = CONNECT_TIMEOUT_S
    ) -> AssistantSocketLeg:
        """Return a leg at once and open its connection afterwards. `lost` is not called before this has returned."""
        leg = AssistantSocketLeg(address, receive, lost, timeout_s, self._tls, self._network, self._reader)
        self._tasks.add(leg.task)
        leg.task.add_done_callback(self._tasks.discard)
        return leg

    async def aclose(self) -> None:
        """Drop every connection that is open or being opened."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._reader.aclose()
