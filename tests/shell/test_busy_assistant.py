"""A busy assistant is not a dead one: assistants whose event loop stands still, over real sockets, in scaled-down time."""

import asyncio
import base64
import json
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport

TONE = bytes(range(0x10, 0x60)) * 50  # half a second that no silence looks like
QUIET = b"\xff" * 8_000
PINGS = {"ping_s": 0.1, "pong_s": 0.1}
BUSY_S = 0.8
GIVE_UP_S = 20.0

Converse = Callable[[ServerConnection], Awaitable[None]]


class Scene:
    """An assistant in a thread of its own, with an event loop that it may block."""

    def __init__(self, converse: Converse) -> None:
        self.connections = 0
        self._converse = converse

    async def _serve(self, listens: "threading.Event", stop: asyncio.Event) -> None:
        async with serve(self._each, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            listens.set()
            await stop.wait()

    async def _each(self, peer: ServerConnection) -> None:
        self.connections += 1
        await self._converse(peer)
        with suppress(ConnectionClosed):
            async for _ in peer:
                pass

    @contextmanager
    def running(self) -> Iterator[None]:
        loop, stop, listens = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._serve(listens, stop),))
        thread.start()
        listens.wait(GIVE_UP_S)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(GIVE_UP_S)
            loop.close()


async def carry(scene: Scene, quiet_s: int, **options: Any) -> CallReport:
    with scene.running():
        mine = {"url": f"ws://127.0.0.1:{scene.port}/", **PINGS, **options}
        settings = Settings.model_validate(
            {
                "port": 0,
                "security": {"allow_unauthenticated": True},
                "assistant": "mine",
                "assistants": {"mine": mine},
                "limits": {
                    "open_s": 2.0,
                    "retry_s": 0.1,
                },  # one try at once, and one more if the machine is quick
            }
        )
        async with asyncio.timeout(GIVE_UP_S), Server(settings).running() as server:
            plan = CallPlan(QUIET * quiet_s, linger_s=0.3, longest_s=10.0)
            report = await place_call(f"ws://127.0.0.1:{server.port}/twilio/media", plan)
            await server.admission.idle()
            await server.files.written()
        return report


async def say(peer: ServerConnection, kind: str, **fields: Any) -> None:
    await peer.send(json.dumps({"type": kind} | fields))


async def hello(peer: ServerConnection) -> None:
    await say(peer, "hello", turns="assistant")
    while not isinstance(await peer.recv(), bytes):
        pass


async def stream_that_computes(peer: ServerConnection) -> None:
    await hello(peer)
    await say(peer, "speech_stopped")
    time.sleep(BUSY_S)  # noqa: ASYNC251  # that is the fault
    await say(peer, "reply", item="answer")
    await peer.send(TONE)
    await say(peer, "reply_end")


async def stream_that_loads_its_model(peer: ServerConnection) -> None:
    await peer.recv()
    time.sleep(BUSY_S)  # noqa: ASYNC251
    await say(peer, "hello", turns="assistant")
    await peer.send(TONE)


async def turns_that_compute(peer: ServerConnection) -> None:
    while len(await peer.recv()) < 100:  # until the caller's audio comes
        pass
    await peer.send("SINGLE_UTTERANCE_END")
    time.sleep(BUSY_S)  # noqa: ASYNC251
    await peer.send("_MULAW" + base64.b64encode(TONE).decode())


BUSY: list[tuple[Converse, dict[str, Any]]] = [
    (stream_that_computes, {"kind": "stream"}),
    (stream_that_loads_its_model, {"kind": "stream"}),
    (turns_that_compute, {"kind": "turn-based"}),
]


@pytest.mark.parametrize(("converse", "options"), BUSY)
async def test_a_busy_assistant_keeps_the_call_and_is_heard(
    converse: Converse, options: dict[str, Any]
) -> None:
    scene = Scene(converse)
    report = await carry(scene, 3, **options)
    assert scene.connections == 1
    assert report.heard.count(TONE) == 1


async def stands_still(peer: ServerConnection) -> None:
    await hello(peer)
    time.sleep(BUSY_S)  # noqa: ASYNC251


async def asked_and_stands_still(peer: ServerConnection) -> None:
    await hello(peer)
    await say(peer, "speech_stopped")
    time.sleep(BUSY_S)  # noqa: ASYNC251


async def resets(peer: ServerConnection) -> None:
    await hello(peer)
    await say(peer, "speech_stopped")
    await asyncio.sleep(0.05)
    sock = peer.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.transport.abort()


LOST: list[tuple[Converse, dict[str, Any]]] = [
    (stands_still, {"reply_s": 20}),  # nothing is owed
    (asked_and_stands_still, {"reply_s": 0.3}),  # the time for the reply is over
    (resets, {"reply_s": 20}),
]


@pytest.mark.parametrize(("converse", "options"), LOST)
async def test_a_dead_one_is_dropped(converse: Converse, options: dict[str, Any]) -> None:
    """It is opened again, which is how the loss shows; the next is lost too, and that ends the call."""
    scene = Scene(converse)
    started = time.monotonic()
    report = await carry(scene, 8, kind="stream", **options)
    assert 2 <= scene.connections <= 5
    assert report.close_code == 1011
    assert time.monotonic() - started < 6.0, "long before the caller, or the time for a reply"


async def test_without_pings_nothing_is_asked() -> None:
    scene = Scene(stands_still)
    await carry(scene, 2, kind="stream", ping_s=False)
    assert scene.connections == 1
