"""Connections ahead of the call: what is kept for whom, for how long, and what becomes of those nobody claims."""

import asyncio
from functools import partial

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bridge.settings.assistants import SocketAddress
from bridge.shell import preconnect
from bridge.shell.assistant_socket import AssistantSockets
from bridge.shell.preconnect import Preconnections
from bridge.vocabulary.contracts import LegMessage, Lost, Receive, WireMessage

HERE = SocketAddress("ws://here/", {})


class Line:
    """A leg whose other end is the test."""

    stalled = False
    was_open = False

    def __init__(self, receive: Receive, lost: Lost) -> None:
        self.say, self.break_off = receive, lost
        self.sent: list[WireMessage] = []
        self.closed: list[int] = []

    def send(self, message: WireMessage) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed.append(code)


class Exchange:
    """Where the lines are dialled."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def connect(self, _address: SocketAddress, receive: Receive, lost: Lost) -> Line:
        self.lines.append(Line(receive, lost))
        return self.lines[-1]


class Claimant:
    """A call: what reaches it, in order."""

    def __init__(self) -> None:
        self.heard: list[LegMessage | tuple[int, str]] = []

    def lost(self, code: int, reason: str) -> None:
        self.heard.append((code, reason))

    def claims(
        self, preconnections: Preconnections, call: str = "CA1", assistant: str = "ada"
    ) -> Line | None:
        leg = preconnections.claim(call, assistant, self.heard.append, self.lost)
        assert leg is None or isinstance(leg, Line)
        return leg


async def soon() -> None:
    """Until every callback that is due has run, and those that they asked for."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_was_said_before_the_claim_comes_first_and_never_from_inside_it() -> None:
    exchange, call = Exchange(), Claimant()
    preconnections = Preconnections(exchange.connect)
    preconnections.open("CA1", "ada", HERE)
    [line] = exchange.lines
    line.say("1")
    line.say("2")
    assert call.claims(preconnections) is line
    line.say("3")
    assert call.heard == []
    await soon()
    assert call.heard == ["1", "2", "3"]
    line.say("4")
    assert call.heard == ["1", "2", "3", "4"]
    line.break_off(1001, "bye")
    await soon()
    assert call.heard[4:] == [(1001, "bye")]
    preconnections.close()
    assert (line.sent, line.closed) == ([], []), "it is the call's"


async def test_a_loss_right_after_the_claim_comes_behind_what_was_held() -> None:
    exchange, call = Exchange(), Claimant()
    preconnections = Preconnections(exchange.connect)
    preconnections.open("CA1", "ada", HERE)
    exchange.lines[0].say("an error, in words")
    assert call.claims(preconnections)
    exchange.lines[0].break_off(1011, "an error")
    await soon()
    assert call.heard == ["an error, in words", (1011, "an error")]


async def test_a_connection_serves_one_claim_of_its_own_call_and_assistant() -> None:
    exchange, call = Exchange(), Claimant()
    preconnections = Preconnections(exchange.connect)
    preconnections.open("CA1", "ada", HERE)
    preconnections.open("CA1", "ada", HERE)  # the webhook is asked again
    assert len(exchange.lines) == 1
    assert call.claims(preconnections, call="CA2") is None
    assert call.claims(preconnections, assistant="bob") is None
    assert call.claims(preconnections) is exchange.lines[0]
    assert call.claims(preconnections) is None


LOSSES = {
    # whether it was open, and the code and the reason of the loss
    "broken": (False, 1006, "no answer within 5 s"),
    "refused for a moment": (False, 1013, "the upgrade was refused with HTTP 503"),
    "closed by a server that had taken it": (True, 1008, "you say nothing"),
    "a wait that is over": (False, 1013, "HTTP 429; try again in 10 ms"),
}


@pytest.mark.parametrize(("was_open", "code", "reason"), LOSSES.values(), ids=list(LOSSES))
async def test_one_that_was_lost_before_the_claim_is_forgotten(
    was_open: bool, code: int, reason: str
) -> None:
    exchange, call = Exchange(), Claimant()
    preconnections = Preconnections(exchange.connect)
    preconnections.open("CA1", "ada", HERE)
    exchange.lines[0].was_open = was_open
    exchange.lines[0].break_off(code, reason)
    await asyncio.sleep(0.02 if "10 ms" in reason else 0)
    assert call.claims(preconnections) is None
    preconnections.open("CA1", "ada", HERE)
    assert call.claims(preconnections) is exchange.lines[1]
    await soon()
    assert call.heard == []


@pytest.mark.parametrize("refusal", [(1008, "HTTP 401"), (1013, "HTTP 429; try again in 20 s")])
async def test_the_call_is_told_of_a_refusal_that_holds(refusal: tuple[int, str]) -> None:
    exchange, call = Exchange(), Claimant()
    preconnections = Preconnections(exchange.connect)
    preconnections.open("CA1", "ada", HERE)
    exchange.lines[0].break_off(*refusal)
    assert call.claims(preconnections) is exchange.lines[0]
    assert call.heard == []
    await soon()
    assert call.heard == [refusal]
    assert call.claims(preconnections) is None, "the next try is made"


async def test_what_nobody_claims_is_closed() -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
    exchange, call = Exchange(), Claimant()
    preconnections = Preconnections(exchange.connect, within_s=0.02)
    preconnections.open("CA1", "ada", HERE)
    preconnections.open("CA2", "ada", HERE)
    kept = call.claims(preconnections, call="CA2")
    assert kept
    await asyncio.sleep(0.05)
    assert [line.closed for line in exchange.lines] == [[1000], []]
    assert faults == []
    assert call.claims(preconnections) is None


async def test_no_more_than_so_many_wait() -> None:
    exchange, call = Exchange(), Claimant()
    preconnections = Preconnections(exchange.connect, most=2)
    for name in ("CA1", "CA2", "CA3"):
        preconnections.open(name, "ada", HERE)
    assert len(exchange.lines) == 2
    assert call.claims(preconnections, call="CA3") is None
    assert call.claims(preconnections, call="CA1")
    preconnections.open("CA3", "ada", HERE)
    assert call.claims(preconnections, call="CA3") is exchange.lines[2]
    preconnections.close()


FLOODS = [
    ("in number", ["x"] * (preconnect.MOST_HELD + 1)),
    ("in bytes", ["x" * preconnect.MOST_HELD_BYTES, "x"]),
]


@pytest.mark.parametrize("flood", [row[1] for row in FLOODS], ids=[row[0] for row in FLOODS])
async def test_one_that_says_too_much_before_the_claim_is_closed(flood: list[str]) -> None:
    exchange, call = Exchange(), Claimant()
    preconnections = Preconnections(exchange.connect)
    preconnections.open("CA1", "ada", HERE)
    *all_but_last, last = flood
    for message in all_but_last:
        exchange.lines[0].say(message)
    assert exchange.lines[0].closed == []
    exchange.lines[0].say(last)
    assert exchange.lines[0].closed == [1000]
    assert call.claims(preconnections) is None


async def test_the_end_of_the_server_closes_them_all() -> None:
    exchange = Exchange()
    preconnections = Preconnections(exchange.connect, within_s=0.01)
    for name in ("CA1", "CA2"):
        preconnections.open(name, "ada", HERE)
    preconnections.close()
    await asyncio.sleep(0.02)  # the timers are gone, too
    assert [line.closed for line in exchange.lines] == [[1000], [1000]]


async def test_over_a_socket() -> None:
    """The first call is dialled while it rings, and talks; the second one is never answered."""
    met: asyncio.Queue[ServerConnection] = asyncio.Queue()
    ends: asyncio.Queue[int | None] = asyncio.Queue()

    async def assistant(peer: ServerConnection) -> None:
        await peer.send("session.created")
        met.put_nowait(peer)
        try:
            while True:
                await peer.send(f"re: {await peer.recv()!s}")
        except ConnectionClosed:
            ends.put_nowait(peer.close_code)

    heard: asyncio.Queue[LegMessage] = asyncio.Queue()
    async with serve(assistant, "127.0.0.1", 0) as server:
        sockets = AssistantSockets()
        preconnections = Preconnections(partial(sockets.connect, timeout_s=5.0))
        address = SocketAddress(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/", {})
        preconnections.open("CA1", "ada", address)
        preconnections.open("CA2", "ada", address)
        for _ in range(2):
            await met.get()
        leg = preconnections.claim("CA1", "ada", heard.put_nowait, lambda _code, _reason: None)
        assert leg is not None
        leg.send("session.update")
        assert [await heard.get(), await heard.get()] == ["session.created", "re: session.update"]
        preconnections.close()
        leg.close()
        assert [await ends.get(), await ends.get()] == [1000, 1000]
        await sockets.aclose()


async def test_a_call_that_will_not_come_drops_its_own() -> None:
    exchange = Exchange()
    preconnections = Preconnections(exchange.connect)
    for call, assistant in (("CA1", "ada"), ("CA1", "bob"), ("CA2", "ada")):
        preconnections.open(call, assistant, HERE)
    preconnections.forget("CA1")
    preconnections.forget("CA3")
    assert [line.closed for line in exchange.lines] == [[1000], [1000], []]
    preconnections.close()
    assert [line.closed for line in exchange.lines] == [[1000], [1000], [1000]]
