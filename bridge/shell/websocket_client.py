"""Opens WebSockets: connects, perhaps through a proxy, asks for the upgrade, and reads the response's head before picows does.

See `upgrade` for what picows would not take.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast

import aiofastnet
import picows
from picows.url import parse_url

from bridge.settings.assistants import Pings
from bridge.shell.network import Network, bound_unread
from bridge.shell.refused_upgrade import MOST_BODY_BYTES, refused
from bridge.shell.upgrade import HEAD_BYTES, HEAD_END, is_interim, lacks_body, plain_response
from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_protocol import client_protocol, feed, hand_over
from bridge.vocabulary.contracts import Lost, WireMessage
from bridge.vocabulary.errors import CallRefused

BODY_WITHIN_S = 0.5
"""How long the body of a refusal is waited for. It may say when to come again; the status alone says enough otherwise."""


class ResponseReader(asyncio.Protocol):
    """One connection until the head of the response has arrived, and the beginning of a refusal's body.

    picows's protocol has it then, and reads no further.
    """

    def __init__(self, websocket: asyncio.BufferedProtocol) -> None:
        self._websocket = websocket
        self._read = b""
        self._transport: asyncio.Transport
        self._body_timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls this when the connection is there; picows sends its request."""
        self._transport = cast(asyncio.Transport, transport)
        self._websocket.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """asyncio calls this with the next bytes of the response."""
        self._read += data
        while is_interim(self._read) and HEAD_END in self._read:
            self._read = self._read.partition(HEAD_END)[2]
        if HEAD_END in self._read:
            if not lacks_body(self._read, MOST_BODY_BYTES):
                self._hand_over()
            elif self._body_timeout is None:
                loop = asyncio.get_running_loop()
                self._body_timeout = loop.call_later(BODY_WITHIN_S, self._hand_over)
        elif len(self._read) > HEAD_BYTES:  # picows refuses it
            self._hand_over()

    def _hand_over(self) -> None:
        self._stop_waiting()
        read, self._read = self._read, b""
        hand_over(self._transport, self._websocket, plain_response(read))

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio calls this when the connection was lost before picows had it, also by us."""
        if self._body_timeout is not None:  # the head of a refusal has come, and a part of its body
            self._stop_waiting()
            feed(self._websocket, self._read, lambda: True)
        self._websocket.connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._body_timeout is not None:
            self._body_timeout.cancel()
            self._body_timeout = None


async def connect(
    url: str,
    receive: Callable[[WireMessage], None],
    lost: Lost,
    *,
    headers: Mapping[str, str] | None = None,
    connected: Callable[["SocketLeg"], None] | None = None,
    timeout_s: float = 5.0,
    max_message_bytes: int = 1_048_576,
    pings: Pings | None = None,
    is_busy: Callable[[], bool] = lambda: False,
    tls: ssl.SSLContext | None = None,
    network: Network | None = None,
    most_unread_bytes: int = 0,
) -> SocketLeg:
    """Open a WebSocket to `url` (ws or wss). Raises `CallRefused` with the reason, which contains no secrets.

    `connected` is called with the leg at the end of the upgrade, before the first message. `is_busy`: see `SocketLeg`.
    `tls` verifies the certificate; None: the system's certificate authorities do. `network`: how the server is reached;
    None: directly. `most_unread_bytes`: what the kernel holds unread; 0: as the system has it. Redirects are not followed: the headers hold a key, which is for this server only.
    """
    leg = SocketLeg(receive, lost, connected, max_message_bytes=max_message_bytes)
    leg.pong_s, leg.is_busy = pings.answer_s if pings else 0.0, is_busy
    try:
        async with asyncio.timeout(timeout_s):
            answered = await _upgrade(
                url,
                leg,
                headers or {},
                max_message_bytes,
                pings,
                tls,
                network or Network(),
                most_unread_bytes,
            )
    except TimeoutError:
        raise CallRefused(f"no answer within {timeout_s:g} s") from None
    except picows.WSHandshakeError as error:
        error.__traceback__ = None  # picows's protocol keeps the error; the frames refer to the protocol
        status = _status(error)
        if status is None or status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise CallRefused("no WebSocket was opened: the answer is not a WebSocket upgrade") from error
        raise refused(status, error.raw_header or b"", error.raw_body or b"") from error
    except OSError as error:
        error.__traceback__ = None  # as above
        raise CallRefused(f"no WebSocket was opened: {error}") from error
    except (ValueError, picows.WSError):  # their texts quote the address, which may hold a key
        raise CallRefused(
            "no WebSocket was opened: the address is not valid: expected ws://HOST:PORT/PATH, or wss://",
            final=True,
        ) from None
    if not answered:
        raise CallRefused("no WebSocket was opened: the server closed the connection without an answer")
    return leg


async def _upgrade(
    url: str,
    leg: SocketLeg,
    headers: Mapping[str, str],
    max_message_bytes: int,
    pings: Pings | None,
    tls: ssl.SSLContext | None,
    network: Network,
    most_unread_bytes: int,
) -> bool:
    """Connect and upgrade. A cancelled attempt is closed at once, which `picows.ws_connect` does not do.

    Returns False if the peer closed the connection without an answer.
    """
    if not all(text.isprintable() for header in headers.items() for text in header):
        raise CallRefused(
            "a header of the upgrade has a control character: expected printable text", final=True
        )
    to = parse_url(url)
    if to.is_secure:
        tls = tls or ssl.create_default_context()
    host = headers.get("Host") or to.netloc.rpartition("@")[2]
    others = {name: value for name, value in headers.items() if name != "Host"}  # picows writes that one
    websocket = client_protocol(leg, host, to.resource_name, others, max_message_bytes, pings)
    connected = await network.connect(url, to.host, to.port)
    if most_unread_bytes:
        bound_unread(connected, most_unread_bytes)
    try:
        await aiofastnet.create_connection(
            asyncio.get_running_loop(),
            lambda: ResponseReader(websocket),
            sock=connected,
            ssl=tls if to.is_secure else None,
            server_hostname=to.host if to.is_secure else None,
        )
        await websocket.wait_until_handshake_complete()
    except BaseException:  # cancelled too
        if websocket.transport is not None:
            websocket.transport.disconnect(graceful=False)
        else:
            connected.close()
        raise
    return websocket.listener is not None


def _status(error: picows.WSHandshakeError) -> int | None:
    """The status with which the peer answered the upgrade, also one that Python does not know (Cloudflare's 52x)."""
    if error.response is not None:
        return int(error.response.status)
    match (error.raw_header or b"").split(maxsplit=2):
        case [version, digits, *_] if version.startswith(b"HTTP/") and digits.isdigit() and len(digits) == 3:
            return int(digits)
    return None
