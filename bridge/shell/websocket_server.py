"""Accepts WebSockets: reads and checks the upgrade, asks whether to grant it, and makes the connection a leg.

Nobody is asked about an upgrade that cannot be granted. One that is refused gets a response in HTTP and is closed; the
log says why.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast

import aiofastnet
import structlog

from bridge.config.addresses import bind_fault
from bridge.shell.pending_connections import Released
from bridge.shell.sampled_log import SampledLog
from bridge.shell.upgrade import HEAD_BYTES, HEAD_END, Refusal, UpgradeRequest, plain_request, read_request
from bridge.shell.websocket import MAX_MESSAGE_BYTES, SocketLeg
from bridge.shell.websocket_protocol import hand_over, server_protocol
from bridge.vocabulary.errors import ConfigurationError

EARLY_BYTES = 4_096
"""The most that a peer may send after its request before it has the answer; a WebSocket client sends nothing (RFC 6455, 4.1)."""

UPGRADE_TIMEOUT_S = 5.0
"""Time limit from the TCP connection to the complete upgrade request."""

Answer = Callable[[str, Mapping[str, str]], SocketLeg | HTTPStatus]
"""Gets the target (path and query) and the headers of an upgrade. Returns the leg that the connection becomes, or the
status with which the upgrade is refused; then it has logged the reason."""

log = structlog.get_logger()


class UpgradeReader(asyncio.Protocol):
    """One connection until its upgrade is granted or refused."""

    def __init__(
        self,
        answer: Answer,
        max_message_bytes: int,
        released: Released,
        refusals: SampledLog,
        retry_after_s: int | None,
    ) -> None:
        self._answer = answer
        self._later = () if retry_after_s is None else (f"Retry-After: {retry_after_s}",)
        self._released = released
        self._refusals = refusals
        self._max_message_bytes = max_message_bytes
        self._read = b""
        self._transport: asyncio.Transport
        self._timeout: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls this when a connection was accepted."""
        self._transport = cast(asyncio.Transport, transport)
        self._timeout = asyncio.get_running_loop().call_later(UPGRADE_TIMEOUT_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """asyncio calls this with the next bytes of the request."""
        self._read += data
        head, end, rest = self._read.partition(HEAD_END)
        if len(head) > HEAD_BYTES or len(rest) > EARLY_BYTES:
            self._transport.abort()
        elif end:
            self._timeout.cancel()
            self._read = b""
            self._decide(head, rest)

    def _decide(self, head: bytes, rest: bytes) -> None:
        request = read_request(head)
        if isinstance(request, Refusal):
            status, reason = request.status.value, request.reason
            self._refusals.write("warning", reason, "upgrade refused", status=status, reason=reason)
            self._refuse(request)
            return
        leg = self._asked(request)
        if isinstance(leg, HTTPStatus):
            later = self._later if leg is HTTPStatus.SERVICE_UNAVAILABLE else ()
            self._refuse(Refusal(leg, leg.phrase, later))
            return
        self._released()
        websocket = server_protocol(leg, self._max_message_bytes)
        websocket.connection_made(self._transport)
        hand_over(self._transport, websocket, plain_request(request) + rest)

    def _asked(self, request: UpgradeRequest) -> SocketLeg | HTTPStatus:
        try:
            return self._answer(request.target, request.headers)
        except Exception:
            log.exception("upgrade refused", status=500, reason="an exception in this program")
            return HTTPStatus.INTERNAL_SERVER_ERROR

    def _refuse(self, refusal: Refusal) -> None:
        self._transport.write(refusal.response())
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio calls this when the connection was lost before it became a leg."""
        self._timeout.cancel()
        self._released()


def accept(
    answer: Answer,
    released: Released = lambda: None,
    *,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    refusals: SampledLog | None = None,
    retry_after_s: int | None = None,
) -> asyncio.Protocol:
    """Make the protocol of one accepted connection. `answer` is asked about an upgrade that can be granted.

    `released` is called when the connection has become a leg, or is lost. `refusals`: where upgrades are logged that
    cannot be granted. `retry_after_s`: what a peer is told with a 503.
    """
    return UpgradeReader(answer, max_message_bytes, released, refusals or SampledLog(), retry_after_s)


async def listen(
    protocol: Callable[[], asyncio.BaseProtocol], host: str, port: int, tls: ssl.SSLContext | None
) -> asyncio.Server:
    """Open a port. Raises `ConfigurationError` if it cannot be opened.

    The transports are aiofastnet's, as in picows: a frame costs about a quarter less than with the event loop's own.
    """
    try:
        return await aiofastnet.create_server(
            asyncio.get_running_loop(),
            protocol,
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=UPGRADE_TIMEOUT_S if tls else None,
        )
    except OSError as error:
        raise ConfigurationError(bind_fault(host, port, error)) from error
