"""RestServer, with a small account. `test_with_twilio` and `test_with_telnyx` run it with the real accounts."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bridge.simulators.carriers import rest_server
from bridge.simulators.carriers.rest_server import RestServer
from bridge.vocabulary.errors import CallRefused

TIMEOUT_S = 5.0


class Account:
    """An account whose actions are words. `at`: when it wants to be woken, in Unix seconds."""

    def __init__(self) -> None:
        self.at: float | None = None

    def deadline(self) -> float | None:
        return self.at

    def due(self, _now: float) -> list[str]:
        self.at = None
        return ["woken"]

    def stream_failed(self, call: str, why: str, _now: float) -> list[str]:
        return [f"{call}: {why}"]

    def stream_over(self, call: str, _now: float, *, hung_up: bool) -> list[str]:
        return [f"{call}: {'hung up' if hung_up else 'over'}"]


class Stream:
    def __init__(self) -> None:
        self.ended = asyncio.Event()


class Carrier:
    """A server and its media. `hangs_up`: what the phone does at once; None: it stays on the line."""

    def __init__(self) -> None:
        self.account = Account()
        self.done: list[str] = []
        self.server = RestServer(self.account, self.carry, self.done.append)
        self.hangs_up: bool | CallRefused | None = None
        self.carrying = asyncio.Event()

    async def carry(self, _stream: Stream) -> bool:
        self.carrying.set()
        if self.hangs_up is None:
            await asyncio.Event().wait()
        if isinstance(self.hangs_up, CallRefused):
            raise self.hangs_up
        return bool(self.hangs_up)

    async def did(self, *acts: str) -> None:
        await self.server.changes.until(lambda: self.done == [*acts])


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    carrier = Carrier()
    async with asyncio.timeout(TIMEOUT_S), carrier.server.running(web.Application(), "127.0.0.1", 0):
        yield carrier


@pytest.mark.parametrize(
    ("hangs_up", "act"),
    [(True, "a: hung up"), (False, "a: over"), (CallRefused("no socket there"), "a: no socket there")],
)
async def test_the_account_is_told_how_a_stream_ended(
    carrier: Carrier, hangs_up: bool | CallRefused, act: str
) -> None:
    carrier.hangs_up = hangs_up
    carrier.server.carry("stream_1", "a", Stream())
    await carrier.did(act)
    assert not carrier.server.streams


async def test_a_phone_that_does_not_close_its_stream_is_dropped(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_server, "PARTING_S", 0.0)
    carrier.server.carry("stream_1", "a", Stream())
    carrier.server.streams["stream_1"].ended.set()
    await carrier.did("a: over")


async def test_the_account_is_woken_at_its_deadline(carrier: Carrier) -> None:
    carrier.account.at = 0.0
    carrier.server.perform(["rung"])
    assert carrier.done == ["rung"]
    await carrier.did("rung", "woken")


async def test_a_stream_under_way_ends_with_the_server() -> None:
    carrier = Carrier()
    async with carrier.server.running(web.Application(), "127.0.0.1", 0) as port:
        assert port
        carrier.server.carry("stream_1", "a", Stream())
        await carrier.carrying.wait()
    assert not carrier.done
