"""Attacks of an assistant, of kind `stream`, in one call: it sends far more than a call can need."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

from attacks.row import Attack, Facts, Row
from attacks.server import ServerOptions
from attacks.target import Target
from attacks.wire import CLOSE, Peer, frame

SETTINGS = """
[assistants.mad]
kind = "stream"
url = "ws://127.0.0.1:{port}/"
fallback = "echo"
[assistants.mad.tools.look]
function = "attacks.tool:look"
"""

BATCH = 256
"""Messages that are given to the socket at once."""

LONGEST_S = 20.0
"""How long a flood may last where the server takes it slowly."""

Messages = Callable[[int], str]
"""Makes the message of a number, from 0."""


def flood_of(count: int, message: Messages) -> Attack:
    """An attack with `count` messages, as fast as the server takes them."""

    async def attack(target: Target) -> Facts:
        done = asyncio.get_running_loop().create_future()

        async def converse(peer: Peer) -> None:
            sent = 0
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(LONGEST_S):
                    while sent < count and not peer.writer.is_closing():
                        texts = (message(number) for number in range(sent, min(count, sent + BATCH)))
                        peer.writer.write(b"".join(frame(text.encode(), masked=False) for text in texts))
                        await peer.writer.drain()
                        sent += BATCH
            if not done.done():
                done.set_result(min(sent, count))

        async with assistant(target.assistant_port, converse) as why:
            return await _one_call(target, done, why)

    return attack


async def _one_call(target: Target, done: "asyncio.Future[int]", why: list[str]) -> Facts:
    """A call that the assistant answers, until it has sent everything and for a second more."""
    peer, stream = await target.call("?assistant=mad")
    speaking = asyncio.create_task(_speak(peer, stream.media))
    reading = asyncio.create_task(_read(peer, stream.mark))
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        sent = await asyncio.wait_for(done, LONGEST_S + 5)
    except TimeoutError:
        sent = 0
    took_s = round(loop.time() - began, 1)
    await asyncio.sleep(1)
    facts = {
        "sent": sent,
        "took_s": took_s,
        "assistant": why[0] if why else "open",
        "call": "ended" if reading.done() else "goes on",
    }
    speaking.cancel()
    reading.cancel()
    peer.send(stream.closing())
    peer.close()
    return facts


async def _speak(peer: Peer, media: Callable[[str, bytes, int], str]) -> None:
    at_ms = 0
    while not peer.writer.is_closing():
        peer.send(media("inbound", b"\xff" * 160, at_ms))
        at_ms += 20
        await asyncio.sleep(0.02)


async def _read(peer: Peer, mark: Callable[[str], str]) -> None:
    """What the carrier plays, until the socket is closed; marks come back at once."""
    with suppress(asyncio.IncompleteReadError, OSError):
        while True:
            opcode, payload = await peer.receive()
            if opcode == CLOSE:
                return
            if b'"mark"' in payload:
                peer.send(mark(json.loads(payload)["mark"]["name"]))


class assistant:  # noqa: N801  # used as a function: `async with assistant(…)`
    """Listens as the assistant of the settings; each connection says hello and goes to `converse`.

    Inside it is the list of the reasons for which the server closed connections.
    """

    def __init__(self, port: int, converse: Callable[[Peer], Awaitable[None]]) -> None:
        self._port, self._converse = port, converse
        self._why: list[str] = []

    async def __aenter__(self) -> list[str]:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        return self._why

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            peer = await Peer.accept(reader, writer)
            await peer.receive()
            peer.send(json.dumps({"type": "hello"}))
            reading = asyncio.create_task(peer.drain_forever())
            await self._converse(peer)
            self._why.append(await reading)
            peer.close()


def _arguments(number: int) -> str:
    return json.dumps(
        {"type": "call_tool", "id": f"t{number}", "tool": "look", "arguments": {"text": "a" * 1_000_000}}
    )


def _item(number: int) -> str:
    return json.dumps({"type": "reply", "item": f"i{number}"} if number % 2 == 0 else {"type": "reply_end"})


def _row(name: str, what: str, attack: Attack) -> Row:
    return Row(
        name, what, attack, shown=("sent", "took_s", "assistant", "call"), options=ServerOptions(SETTINGS)
    )


TEXT = json.dumps({"type": "said", "who": "assistant", "text": "word " * 200})
DIGITS = json.dumps({"type": "send_digits", "keys": "123"})
MALFORMED = json.dumps({"type": "said", "who": "nobody"})
STOPPED = json.dumps({"type": "speech_stopped"})

ROWS = (
    _row("much-text", "15 MB of text in pieces of 1 kB", flood_of(15_000, lambda _: TEXT)),
    _row("many-digits", "2 000 send_digits", flood_of(2_000, lambda _: DIGITS)),
    _row("malformed-messages", "400 000 malformed messages", flood_of(400_000, lambda _: MALFORMED)),
    _row("many-items", "100 000 items", flood_of(200_000, _item)),
    _row("many-turns", "200 000 speech_stopped", flood_of(200_000, lambda _: STOPPED)),
    _row("large-message", "one message of 15 MB", flood_of(1, lambda _: "a" * 15_000_000)),
    _row("large-arguments", "30 tool calls with arguments of 1 MB", flood_of(30, _arguments)),
)
