"""Calls the server as a carrier would: signed webhook, token, media socket, and a voice that the assistant `echo` sends back.

The frames of the call are noise that differs, so each one that comes back says how long it was under way.
"""

import asyncio
import secrets
import time
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bridge.redaction import for_log
from bridge.simulators.carriers.contract import CALLED, CALLER, Exchange, MediaSocket, Play, SimulatedStream
from bridge.simulators.doctor.findings import Findings
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import CallRefused

FRAME_S = 0.02

FRAMES = 50
"""A second of audio."""

ECHO_S = 3.0
"""How long after the last frame an echo is waited for."""

CONNECT_S = 10.0

PROXY_REMEDY = (
    "Have it pass the headers Upgrade and Connection on with HTTP/1.1; the lines for nginx, HAProxy and Caddy are in "
    "docs/operate.md."
)

OURS = {
    "no upgrade to WebSocket is asked for": "Upgrade",
    "upgrade is missing in Connection": "Connection",
}
"""What our server says of an upgrade that came without one of its headers; see `bridge.shell.upgrade`."""

OLD_HTTP = "another version of HTTP"


class Called(NamedTuple):
    """A call that came through. Units: milliseconds."""

    webhook_ms: float
    """Until the webhook's answer."""
    socket_ms: float
    """From there until the media socket was open."""
    echo_ms: float
    """From a frame until it came back: the median."""
    came_back: int
    """Frames of `FRAMES`."""


class NotCalled(NamedTuple):
    """A call that did not come through: why, in a sentence, and the remedy."""

    why: str
    remedy: str


async def call(url: str, exchange: Exchange) -> Called | NotCalled:
    """Call the voice webhook at `url`; its call should be answered by `echo`."""
    began = time.monotonic()
    try:
        socket = await exchange.open(url, CallPlan(), caller=CALLER, called=CALLED)
    except CallRefused as refused:
        return NotCalled(f"{_sentence(refused)}.", _webhook_remedy(str(refused)))
    answered = time.monotonic()
    async with aiohttp.ClientSession() as session:
        try:
            async with asyncio.timeout(CONNECT_S):
                websocket = await session.ws_connect(
                    URL(socket.url, encoded=True), headers=socket.headers, ssl=socket.tls or True
                )
        except aiohttp.WSServerHandshakeError as refused:
            return await _why_refused(session, socket, refused.status)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return NotCalled(
                f"The webhook answered, and the media socket at {_host(socket)} was not opened: {error or 'no answer'}.",
                "Carriers must reach that address: is public_url right, and does its proxy pass WebSockets on?",
            )
        opened = time.monotonic()
        async with websocket:
            delays = await _echoes(websocket, socket.stream)
    if not delays:
        return NotCalled(
            "The media socket is open, and nothing of what was said came back.",
            "Something on the way holds WebSocket messages back: switch off buffering in the proxy. See the server's log.",
        )
    return Called((answered - began) * 1000, (opened - answered) * 1000, median(delays) * 1000, len(delays))


async def _echoes(websocket: aiohttp.ClientWebSocketResponse, stream: SimulatedStream) -> list[float]:
    """Speak, and return how many seconds each frame that came back was under way."""
    frames = [secrets.token_bytes(stream.line.bytes_in(20)) for _ in range(FRAMES)]
    sent: dict[int, float] = {}
    delays: dict[int, float] = {}

    async def listen() -> None:
        heard = b""
        async for message in websocket:
            if not isinstance(message.data, str | bytes):
                continue
            order = stream.decode(message.data, time.monotonic())
            if isinstance(order, Play):
                heard += order.audio
                now = time.monotonic()
                for number, at in sent.items():
                    if number not in delays and frames[number] in heard:
                        delays[number] = now - at
                heard = heard[-10 * len(frames[0]) :]
            if len(delays) == FRAMES:
                return

    listening = asyncio.create_task(listen())
    try:
        for text in stream.opening():
            await websocket.send_str(text)
        begins = time.monotonic()
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, begins + number * FRAME_S - time.monotonic()))
            sent[number] = time.monotonic()
            await websocket.send_str(stream.media("inbound", frame, number * 20))
        await asyncio.wait({listening}, timeout=ECHO_S)
        await websocket.send_str(stream.closing())
    except (aiohttp.ClientError, OSError):  # what came back until then counts
        pass
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return list(delays.values())


async def _why_refused(session: aiohttp.ClientSession, socket: MediaSocket, status: int) -> NotCalled:
    """Ask again in plain HTTP: the body tells our server's refusal from one of somebody in front of it."""
    address = urlsplit(socket.url)
    plain = address._replace(scheme="https" if address.scheme == "wss" else "http").geturl()
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    body = ""
    try:
        async with (
            asyncio.timeout(CONNECT_S),
            session.get(
                URL(plain, encoded=True), headers={**socket.headers, **upgrade}, ssl=socket.tls or True
            ) as response,
        ):
            body = (await response.content.read(400)).decode(errors="replace")
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    return judge_refusal(_host(socket), status, body)


def judge_refusal(host: str, status: int, body: str) -> NotCalled:
    """What the refusal of a media socket's upgrade means. `body`: of the answer."""
    if OLD_HTTP in body:
        return NotCalled(
            f"The proxy in front speaks HTTP/1.0 to the server at {host}, and that has no WebSockets.",
            PROXY_REMEDY,
        )
    for said, lost in OURS.items():
        if said in body:
            return NotCalled(
                f"The proxy in front drops the {lost} header: the server at {host} was asked for a page, not for a "
                "WebSocket.",
                PROXY_REMEDY,
            )
    if status == 426 or (status == 400 and "upgrade" in body.lower()):
        return NotCalled(f"The proxy in front drops the Upgrade header ({status} at {host}).", PROXY_REMEDY)
    if status == 403:
        return NotCalled(
            f"The media socket at {host} was refused (403): its token, its signature or its origin was not accepted.",
            "Is there a second server behind the same address, or another public_url in its settings? See the server's log.",
        )
    if status in (502, 503, 504):
        return NotCalled(
            f"The media socket at {host} was answered {status}: the proxy does not reach the server, or it is closing.",
            "Have the proxy pass media paths to the same server as webhooks.",
        )
    return NotCalled(
        f"The upgrade of the media socket at {host} was answered {status}: something in front of the server took it.",
        PROXY_REMEDY,
    )


def _webhook_remedy(why: str) -> str:
    if "HTTP 403" in why:
        return (
            "The signature was not accepted: has the running server the same secret and the same public_url as these "
            "settings, and does the proxy leave the path alone?"
        )
    if "HTTP 404" in why:
        return "Have the proxy pass all paths on, and public_url without a path of its own."
    if any(f"HTTP {status}" in why for status in (502, 503, 504)):
        return "Have the proxy pass requests to the host and port of the settings."
    if "busy" in why:
        return "The server takes no calls now: it is full, closing, or its event loop is late. Try again."
    return "See the server's log; `voicebridge call` makes the same call step by step."


def _sentence(refused: CallRefused) -> str:
    text = for_log(str(refused)).rstrip(".")
    return text[:1].upper() + text[1:]


def _host(socket: MediaSocket) -> str:
    return urlsplit(socket.url).netloc.rpartition("@")[2]


def report(findings: Findings, name: str, where: str, outcome: Called | NotCalled) -> bool:
    """Write the finding of a call. Returns whether it came through."""
    if isinstance(outcome, NotCalled):
        findings.fault(name, outcome.why, outcome.remedy)
        return False
    lost = FRAMES - outcome.came_back
    if lost > FRAMES // 10:
        findings.warning(
            name,
            f"The call came through, and {lost} of {FRAMES} frames did not come back.",
            "The network or the proxy holds audio back; or this machine is too busy.",
        )
        return True
    findings.ok(
        name,
        f"Webhook, token, media socket and echo work {where}: webhook {outcome.webhook_ms:.0f} ms, socket "
        f"{outcome.socket_ms:.0f} ms, audio there and back {outcome.echo_ms:.1f} ms.",
    )
    return True
