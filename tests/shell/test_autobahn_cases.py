"""The cases of the Autobahn test suite for a server, over raw sockets; the tool itself needs Python 2.

What differs from the suite's strict expectation is in `DEVIATIONS` and told in docs/reliability.md.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_server import accept
from bridge.vocabulary.contracts import WireMessage
from tests.shell.autobahn_table import (
    CASES,
    CLOSE,
    FAIL_FAST,
    NORMAL,
    NOT_UTF8,
    PROTOCOL_ERROR,
    Case,
    Received,
)

LONGEST = 2_097_152
TIMEOUT_S = 30.0

NON_STRICT = {f"4.{kind}.{n}" for kind in (1, 2) for n in (3, 4, 5)}
"""A frame of a reserved kind also drops the message right before it, if both came in one packet. The suite allows that."""

DEVIATIONS: dict[str, int] = {"7.1.2": PROTOCOL_ERROR, "7.9.1": NORMAL, "7.9.5": NORMAL}
"""The code at the end of a case, where it is not what the suite expects.

7.1.2: two close frames in one packet are refused. 7.9: codes that may not be sent, 0 and 1006, are answered with 1000.
"""


class Peer(NamedTuple):
    """A raw connection to the echo server, after the upgrade."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes, chop: int) -> None:
        with suppress(ConnectionError):  # the server ended it before it had read everything
            for at in range(0, len(data), chop or len(data)):
                self.writer.write(data[at : at + (chop or len(data))])
                await self.writer.drain()

    async def read(self) -> tuple[list[Received], int]:
        """All frames until the end, and the code of the close frame; 0 without one."""
        found: list[Received] = []
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, size = await self.reader.readexactly(2)
                assert first & 0x70 == 0
                if size >= 126:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
                payload = await self.reader.readexactly(size)
                if first & 15 == CLOSE:
                    return found, int.from_bytes(payload[:2], "big")
                found.append((first & 15, payload))
        return found, 0


UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    """A connection to a server that sends each message back."""

    def answer(_path: str, _headers: object) -> SocketLeg:
        def receive(message: WireMessage) -> None:
            leg.send(message)

        leg = SocketLeg(receive, lambda _code, _reason: None, max_message_bytes=LONGEST)
        return leg

    server = await asyncio.get_running_loop().create_server(
        lambda: accept(answer, max_message_bytes=LONGEST), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        writer.write(UPGRADE)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        yield Peer(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.number)
async def test_case(case: Case, peer: Peer) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        (found, code), _ = await asyncio.gather(peer.read(), peer.send(case.sent, case.chop))
    assert code == DEVIATIONS.get(case.number, case.code)
    if case.number in NON_STRICT:
        assert found in ([], list(case.back))
    else:
        assert found == list(case.back)


@pytest.mark.parametrize(("number", "bad", "rest"), FAIL_FAST, ids=[number for number, _, _ in FAIL_FAST])
async def test_a_text_that_is_no_utf8_is_refused_when_it_is_complete(
    number: str, bad: bytes, rest: bytes, peer: Peer
) -> None:
    """The suite calls this "non-strict": strictly the fragment would be refused that makes it invalid."""
    await peer.send(bad, 0)
    reading = asyncio.create_task(peer.read())
    await asyncio.sleep(0)
    await peer.send(rest, 0)
    assert await asyncio.wait_for(reading, TIMEOUT_S) == ([], NOT_UTF8), number


def test_each_case_is_there_once() -> None:
    numbers = [case.number for case in CASES]
    assert len(numbers) == len(set(numbers))
    assert NON_STRICT | DEVIATIONS.keys() <= set(numbers)


def test_the_deviations_are_told() -> None:
    page = (Path(__file__).parents[2] / "docs/reliability.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\d\.\d\.\d", page.partition("## WebSocket")[2].partition("\n## ")[0]))
    assert NON_STRICT | DEVIATIONS.keys() <= told
