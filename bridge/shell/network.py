"""How this process reaches others: directly or through an HTTP proxy, at the addresses that work.

A WebSocket goes through a proxy in a tunnel (CONNECT: RFC 9110, 9.3.6); aiohttp does the same for HTTP.
"""

import asyncio
import socket
from base64 import b64encode
from contextlib import suppress

import aiohttp

from bridge.settings.proxies import NO_PROXIES, Proxy, ProxySettings
from bridge.shell.addresses import Addresses
from bridge.shell.upgrade import HEAD_BYTES, HEAD_END
from bridge.vocabulary.errors import CallRefused


class Network:
    """The addresses and the proxies of one process. It belongs to one event loop."""

    def __init__(self, proxies: ProxySettings = NO_PROXIES, addresses: Addresses | None = None) -> None:
        self.proxies = proxies
        self.addresses = addresses or Addresses()

    async def connect(self, url: str, host: str, port: int) -> socket.socket:
        """Return a socket that is connected to the host and port of a URL, through the proxy if there is one for that.

        Raises `OSError`, and `CallRefused` if the proxy is at fault. The time is the caller's to limit.
        """
        proxy = self.proxies.proxy_for(url)
        if proxy is None:
            return await self.addresses.connect(host, port)
        try:
            connected = await self.addresses.connect(proxy.host, proxy.port)
        except OSError as error:
            raise CallRefused(
                f"no WebSocket was opened: the proxy {proxy} cannot be reached: {error}"
            ) from error
        try:
            await _open_tunnel(connected, host, port, proxy)
        except BaseException:  # cancelled too
            connected.close()
            raise
        return connected

    async def aclose(self) -> None:
        """Stop waiting for look-ups."""
        await self.addresses.aclose()


def proxy_fault(error: Exception, proxy: Proxy | None) -> str | None:
    """What is wrong with the proxy, if an error of aiohttp says that something is."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return f"the proxy {proxy} refused the connection with HTTP {error.status}"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy {proxy} cannot be reached"
    return None


async def _open_tunnel(connected: socket.socket, host: str, port: int, proxy: Proxy) -> None:
    """Have the proxy connect to a host. Raises `CallRefused`."""
    loop = asyncio.get_running_loop()
    head = b""
    with suppress(ConnectionError):  # what was read so far says why, or nothing does
        await loop.sock_sendall(connected, tunnel_request(host, port, proxy))
        while HEAD_END not in head and len(head) <= HEAD_BYTES:
            if not (read := await loop.sock_recv(connected, HEAD_BYTES)):
                break
            head += read
    if (fault := tunnel_fault(head)) is not None:
        raise CallRefused(f"no WebSocket was opened: the proxy {proxy} {fault}")


def tunnel_request(host: str, port: int, proxy: Proxy) -> bytes:
    """The request for a tunnel to a host."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.user or proxy.password:
        credentials = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    return "\r\n".join([*lines, "", ""]).encode()


def tunnel_fault(answer: bytes) -> str | None:
    """What is wrong with a proxy's answer; None if the tunnel is open."""
    head, end, rest = answer.partition(HEAD_END)
    version, _, status = head.partition(b"\r\n")[0].partition(b" ")
    digits = status[:3]
    if not answer:
        return "closed the connection without an answer"
    if (
        not end
        or not version.startswith(b"HTTP/1.")
        or not digits.isdigit()
        or status[3:4] not in (b"", b" ")
    ):
        return "gave an answer that is not HTTP"
    if not digits.startswith(b"2"):
        return f"refused the connection with HTTP {digits.decode()}"
    if rest:
        return "sent something before the server could"
    return None


def bound_unread(connected: socket.socket, most_bytes: int) -> None:
    """Bound what the kernel holds unread of a connection: one read brings no more than that at once."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, most_bytes)


def limit_unconfirmed(connected: socket.socket | None, seconds: float) -> None:
    """Have the system drop a connection whose peer does not confirm what it was sent for so long, where it can."""
    if connected is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):  # not TCP
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))
