"""WebSocket and HTTP over plain asyncio streams, for peers that break every rule on purpose.

The mask of a client's frame is zero, which RFC 6455 allows: so a payload can be prepared once and sent often.
"""

import asyncio
import socket
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha1
from os import urandom
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refused(Exception):
    """An upgrade or a webhook was refused. `status`: of HTTP, 0 where the connection was closed without an answer."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status


def frame(payload: bytes, opcode: int = TEXT, *, masked: bool = True, fin: bool = True) -> bytes:
    """One frame. A client's is masked with zeros."""
    size, mask_bit = len(payload), 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65_536:
        head += bytes([mask_bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mask_bit | 127]) + size.to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + payload


def upgrade(host: str, target: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The request of a client's upgrade."""
    key = b64encode(urandom(16)).decode()
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Peer:
    """One WebSocket, as a client or as a server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, masked: bool, target: str = ""
    ) -> None:
        self.reader, self.writer, self.target = reader, writer, target
        self._masked = masked

    @classmethod
    async def connect(cls, url: str, *, source: str = "127.0.0.1", receive_bytes: int = 0) -> "Peer":
        """Open one. Raises `Refused`. `receive_bytes`: the size of the socket's buffer, for one who does not read."""
        parts = urlsplit(url)
        one = socket.socket()
        if receive_bytes:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        one.setblocking(False)
        one.bind((source, 0))
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(one, (parts.hostname, parts.port))
            reader, writer = await asyncio.open_connection(sock=one, limit=receive_bytes or 2**16)
        except OSError as error:
            one.close()
            raise Refused(0, str(error)) from error
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        writer.write(upgrade(parts.netloc, target))
        status = await read_status(reader)
        if status != 101:
            writer.close()
            raise Refused(status)
        return cls(reader, writer, masked=True)

    @classmethod
    async def accept(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "Peer":
        """Answer a client's upgrade, whatever it asks for."""
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        fields = {
            name.strip().lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines[1:])
        }
        accepted = b64encode(sha1(fields[b"sec-websocket-key"] + GUID, usedforsecurity=False).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
        )
        return cls(reader, writer, masked=False, target=lines[0].split(b" ")[1].decode())

    def send(self, payload: str | bytes, opcode: int = TEXT) -> None:
        """One whole message, without waiting; nothing after the connection was lost."""
        if self.writer.is_closing():
            return
        data = payload.encode() if isinstance(payload, str) else payload
        self.writer.write(frame(data, opcode, masked=self._masked))

    async def flood(self, batch: bytes, until: float, *, longest_s: float = 1.0) -> int:
        """Send prepared frames again and again. Returns how many batches were taken; ends when the socket is closed."""
        loop = asyncio.get_running_loop()
        taken = 0
        with suppress(OSError, TimeoutError):
            while loop.time() < until and not self.writer.is_closing():
                self.writer.write(batch)
                async with asyncio.timeout(max(longest_s, until - loop.time())):
                    await self.writer.drain()
                taken += 1
        return taken

    async def receive(self) -> tuple[int, bytes]:
        """The next frame: its opcode and its payload. Raises `IncompleteReadError` at the end."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        mask = await self.reader.readexactly(4) if second & 0x80 else b""
        payload = await self.reader.readexactly(size)
        if any(mask):
            repeated = (mask * (size // 4 + 1))[:size]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
        return first & 15, payload

    async def drain_forever(self) -> str:
        """Read until the end. Returns why the other side closed."""
        try:
            while True:
                opcode, payload = await self.receive()
                if opcode == CLOSE:
                    return f"{int.from_bytes(payload[:2], 'big')} {payload[2:].decode(errors='replace')}"
        except (asyncio.IncompleteReadError, OSError):
            return "closed without a reason"

    def close(self) -> None:
        """Drop the connection."""
        self.writer.transport.abort()


async def read_status(reader: asyncio.StreamReader) -> int:
    """The status of an answer; 0 where there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1])
    except (OSError, asyncio.IncompleteReadError, IndexError, ValueError):
        return 0


async def exchange(
    port: int, request: bytes, *, source: str = "127.0.0.1", timeout_s: float = 5.0
) -> tuple[int, bytes]:
    """Send one request as it is and read the answer to its end: status and body. Status 0: none came."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            try:
                writer.write(request)
                answer = await reader.read(-1)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return 0, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        return int(head.split(b" ", 2)[1]), body
    except (IndexError, ValueError):
        return 0, body


def get(path: str) -> bytes:
    """A request for a page."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A request with a form."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
