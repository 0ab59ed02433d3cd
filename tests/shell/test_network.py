"""Reaching others over loopback: by names with dead addresses, and through a proxy that alone knows the hosts."""

import asyncio
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress

import pytest
import trustme
from structlog.testing import capture_logs
from websockets.asyncio.server import serve

from bridge.carriers.shared.rest import ApiRequest, RetryRule
from bridge.settings.assistants import PostAddress, SocketAddress, ToolSettings
from bridge.settings.proxies import Proxy, ProxySettings
from bridge.shell.addresses import Address, Addresses
from bridge.shell.assistant_http import AssistantPosts
from bridge.shell.assistant_socket import AssistantSockets
from bridge.shell.network import Network, tunnel_fault, tunnel_request
from bridge.shell.rest_client import ApiClient
from bridge.shell.websocket_client import connect
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import RunTool
from bridge.vocabulary.contracts import LegMessage, Post, Posted, WireMessage
from bridge.vocabulary.errors import CallRefused, CarrierRefused

HOST = "assistant.example"

BASIC = "Proxy-Authorization: Basic " + b64encode(b"me:se/same").decode()

OPEN = "HTTP/1.1 200 Connection established\r\n\r\n"


class LoopbackProxy:
    """A small HTTP proxy. `answer`: to CONNECT; with 2xx a tunnel to `target`, whatever host is asked for."""

    def __init__(self, answer: str = OPEN) -> None:
        self.answer = answer
        self.target = 0
        self.port = 0
        self.heads: list[list[str]] = []

    @property
    def settings(self) -> ProxySettings:
        url = f"http://me:se%2Fsame@127.0.0.1:{self.port}"
        return ProxySettings.model_validate({"http": url, "https": url})

    @property
    def asked(self) -> list[str]:
        return [head[0] for head in self.heads]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Network]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        network = Network(self.settings)
        try:
            yield network
        finally:
            await network.aclose()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[:-1]
            self.heads.append(head)
            if not head[0].startswith("CONNECT "):
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                )
                await writer.drain()
                return
            writer.write(self.answer.encode())
            await writer.drain()
            if self.answer.startswith("HTTP/1.1 2") and self.target:
                await self._tunnel(reader, writer)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        with closing(far_writer):
            ways = [(reader, far_writer), (far_reader, writer)]
            tasks = [asyncio.create_task(_carry(*way)) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while read := await reader.read(65_536):
            writer.write(read)


# Names


DEAD = "127.0.0.2"


async def test_a_name_whose_first_address_is_dead_is_reached_at_the_second() -> None:
    asked: list[str] = []

    def look_up(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port)) for one in (DEAD, "127.0.0.1")]

    authority, certified = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(certified)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    heard: asyncio.Queue[object] = asyncio.Queue()
    async with serve(lambda peer: peer.send("hello"), "127.0.0.1", 0, ssl=certified) as far:
        port = next(iter(far.sockets)).getsockname()[1]
        with ExitStack() as open_:
            full = open_.enter_context(socket.create_server((DEAD, port), backlog=0))
            for _ in range(4):  # its queue is full then, and the kernel drops what comes
                waiting = open_.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            network = Network(addresses=Addresses(look_up))
            sockets = AssistantSockets(trusting, network)
            for _ in range(2):
                address = SocketAddress(f"wss://{HOST}:{port}/", {})
                sockets.connect(address, heard.put_nowait, lambda *how: heard.put_nowait(how))
                assert await heard.get() == "hello"
                assert await heard.get() == (1000, "")
            await sockets.aclose()
            await network.aclose()
    assert asked == [HOST, HOST]


async def test_a_look_up_is_part_of_the_time_for_the_connection() -> None:
    released = threading.Event()

    def look_up(_host: str, _port: int) -> list[Address]:
        released.wait()
        return []

    network = Network(addresses=Addresses(look_up))
    with pytest.raises(CallRefused, match=r"no answer within 0\.05 s"):
        await connect(f"ws://{HOST}/", print, print, network=network, timeout_s=0.05)
    released.set()
    await network.aclose()


async def test_a_name_that_is_not_there_is_a_refusal_in_words() -> None:
    def look_up(_host: str, _port: int) -> list[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    network = Network(addresses=Addresses(look_up))
    with pytest.raises(CallRefused, match=r"no WebSocket was opened: .* Name or service not known"):
        await connect(f"ws://{HOST}/", print, print, network=network)
    await network.aclose()


# Proxies


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_websocket_goes_through_a_tunnel(scheme: str) -> None:
    authority, certified = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(certified)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    heard: asyncio.Future[WireMessage] = asyncio.Future()
    lost: asyncio.Future[tuple[int, str]] = asyncio.Future()
    proxy = LoopbackProxy()
    async with (
        serve(lambda peer: peer.send("hello"), "127.0.0.1", 0, ssl=certified if scheme == "wss" else None) as far,
        proxy.running() as network,
    ):  # fmt: skip
        proxy.target = next(iter(far.sockets)).getsockname()[1]
        await connect(
            f"{scheme}://{HOST}/talk",
            heard.set_result,
            lambda *how: lost.set_result(how),
            tls=trusting,
            network=network,
        )
        assert await heard == "hello"
        assert (await lost)[0] == 1000
    port = {"ws": 80, "wss": 443}[scheme]
    assert proxy.heads == [[f"CONNECT {HOST}:{port} HTTP/1.1", f"Host: {HOST}:{port}", BASIC]]


AT_FAULT = {
    "wrong password": ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "refused the connection with HTTP 407"),
    "no way there": ("HTTP/1.0 502\r\n\r\n", "refused the connection with HTTP 502"),
    "no answer": ("", "closed the connection without an answer"),
    "half an answer": ("HTTP/1.1 200 OK\r\n", "gave an answer that is not HTTP"),
    "no HTTP": ("SSH-2.0\r\n\r\n", "gave an answer that is not HTTP"),
    "more than an answer": (f"{OPEN}hello", "sent something before the server could"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "reason"), AT_FAULT.values(), ids=AT_FAULT.keys())
async def test_a_proxy_at_fault_is_named_without_its_password(answer: str, reason: str) -> None:
    proxy = LoopbackProxy(answer)
    async with proxy.running() as network:
        with pytest.raises(CallRefused) as refused:
            await connect(f"ws://{HOST}/", print, print, network=network)
    assert str(refused.value) == f"no WebSocket was opened: the proxy http://127.0.0.1:{proxy.port} {reason}"
    assert refused.value.status is None, "it is not the assistant's"


async def test_a_proxy_that_is_not_there_and_one_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        network = Network(ProxySettings(all=f"http://me:sesame@127.0.0.1:{port}"))
        with pytest.raises(CallRefused, match=r"no answer within 0\.05 s"):
            await connect(f"ws://{HOST}/", print, print, network=network, timeout_s=0.05)
    with pytest.raises(CallRefused, match=f"the proxy http://127.0.0.1:{port} cannot be reached") as refused:
        await connect(f"ws://{HOST}/", print, print, network=network)
    assert "sesame" not in str(refused.value)


async def test_an_assistant_on_this_machine_is_reached_without_the_proxy() -> None:
    heard: asyncio.Future[object] = asyncio.Future()
    proxy = LoopbackProxy()
    async with serve(lambda peer: peer.send("hello"), "127.0.0.1", 0) as near, proxy.running() as network:
        port = next(iter(near.sockets)).getsockname()[1]
        sockets = AssistantSockets(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), network)
        sockets.connect(SocketAddress(f"ws://127.0.0.1:{port}/", {}), heard.set_result, lambda *_: None)
        assert await heard == "hello"
        await sockets.aclose()
    assert proxy.heads == []


async def test_an_assistants_socket_is_lost_with_the_proxys_reason() -> None:
    lost: asyncio.Future[tuple[int, str]] = asyncio.Future()
    proxy = LoopbackProxy("HTTP/1.1 407 No\r\n\r\n")
    async with proxy.running() as network:
        sockets = AssistantSockets(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), network)
        sockets.connect(SocketAddress(f"wss://{HOST}/", {}), print, lambda *how: lost.set_result(how))
        assert await lost == (
            1006,
            f"no WebSocket was opened: the proxy http://127.0.0.1:{proxy.port} refused the connection with HTTP 407",
        )
        await sockets.aclose()


ANSWER_S = 0.5


async def post(network: Network, url: str) -> Posted:
    posts = AssistantPosts(network)
    posted: asyncio.Future[Posted] = asyncio.Future()

    def receive(message: LegMessage) -> None:
        if isinstance(message, Posted):  # else it is told that the post will be sent again
            posted.set_result(message)

    leg = posts.open(PostAddress(url, {}, ANSWER_S, 1_000), receive, print)
    leg.send(Post(b"{}", {}))
    answer = await posted
    leg.close()
    await posts.aclose()
    return answer


async def test_posts_go_through_the_proxy() -> None:
    proxy = LoopbackProxy("HTTP/1.1 407 No\r\n\r\n")
    async with proxy.running() as network:
        assert (await post(network, f"http://{HOST}/turn")).status == 200
        refused = await post(network, f"https://{HOST}/turn")
    assert proxy.asked == [f"POST http://{HOST}/turn HTTP/1.1", f"CONNECT {HOST}:443 HTTP/1.1"]
    assert all(BASIC in head for head in proxy.heads)
    assert refused.status == 0
    assert refused.body.decode() == (
        f"the proxy http://127.0.0.1:{proxy.port} refused the connection with HTTP 407 (ClientHttpProxyError)"
    )
    gone = Network(proxy.settings)
    unreachable = (await post(gone, f"http://{HOST}/turn")).body.decode()
    assert unreachable.startswith(f"the proxy http://127.0.0.1:{proxy.port} cannot be reached")


async def test_tools_go_through_the_proxy() -> None:
    proxy = LoopbackProxy("HTTP/1.1 407 No\r\n\r\n")
    async with proxy.running() as network:
        tools = {
            scheme: ToolSettings(url=f"{scheme}://{HOST}/slots", description="Slots.")
            for scheme in ("http", "https")
        }
        connector = network.addresses.connector
        box = Toolbox("a", tools, proxies=network.proxies, connector=lambda: connector(limit=1))
        outputs = {name: await output(box, name) for name in tools}
        await box.aclose()
    assert outputs["http"] == "{}"
    assert "the tool's server cannot be reached" in outputs["https"]
    assert proxy.asked == [f"POST http://{HOST}/slots HTTP/1.1", f"CONNECT {HOST}:443 HTTP/1.1"]
    assert all(BASIC in head for head in proxy.heads)


async def output(box: Toolbox, name: str) -> str:
    answered: asyncio.Future[str] = asyncio.Future()
    box.open(call_id="CA1", parameters={}).run(RunTool("w1", name, "{}"), answered.set_result)
    return await answered


ONCE = RetryRule(5.0, 0, 0.01, 0.0, 5.0)


def api_request(url: str) -> ApiRequest:
    return ApiRequest("telnyx", "dial", "", "POST", url, {}, b"{}", ONCE, lambda _answer: {})


async def test_the_carriers_apis_are_reached_through_the_proxy() -> None:
    proxy = LoopbackProxy("HTTP/1.1 407 No\r\n\r\n")
    async with proxy.running() as network:
        client = ApiClient(network)
        await client.send(api_request(f"http://{HOST}/calls"))
        with capture_logs() as lines, pytest.raises(CarrierRefused, match="the server cannot be reached"):
            await client.send(api_request(f"https://{HOST}/calls"))
        await client.aclose()
    assert proxy.asked[:2] == [f"POST http://{HOST}/calls HTTP/1.1", f"CONNECT {HOST}:443 HTTP/1.1"]
    reasons = {line["reason"] for line in lines if line["event"] == "= a try failed"}
    assert reasons == {f"the proxy http://127.0.0.1:{proxy.port} refused the connection with HTTP 407"}


# What is asked and answered, without I/O

PROXY = Proxy("http://proxy:1", "proxy", 1, "", "")


@pytest.mark.parametrize(
    ("host", "port", "proxy", "sent"),
    [
        ("a.example", 443, PROXY, b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
        ("2001:db8::1", 80, PROXY, b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"),
        (
            "a.example",
            443,
            PROXY._replace(user="me"),
            b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic bWU6\r\n\r\n",
        ),
    ],
)
def test_a_tunnel_is_asked_for(host: str, port: int, proxy: Proxy, sent: bytes) -> None:
    assert tunnel_request(host, port, proxy) == sent


@pytest.mark.parametrize("answer", [OPEN, "HTTP/1.0 200\r\n\r\n", "HTTP/1.1 204 x\r\nVia: y\r\n\r\n"])
def test_a_tunnel_is_open(answer: str) -> None:
    assert tunnel_fault(answer.encode()) is None
