"""Whoever has a token of the control API: many requests for calls under way, and far too many."""

import asyncio
import json
from collections import Counter
from itertools import cycle
from typing import Any

from attacks.row import Facts, Row, at_least, at_most
from attacks.server import ServerOptions
from attacks.target import STRANGER, Target
from attacks.wire import Peer, exchange

TOKEN = "r4Zk0-Wm2Qv8_Tn6Ly1Xc5Bd9"
PER_S = 20.0
STEERED = 5
FLOOD = 10_000
AT_ONCE = 20
ALL_CALLS = "GET /calls"

VERBS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/hold", {}),
    ("/unhold", {}),
    ("/mute", {"who": "caller", "muted": True}),
    ("/press", {"keys": "12#"}),
    ("/mute", {"who": "caller", "muted": False}),
    ("", {}),
    (ALL_CALLS, {}),
)

SETTINGS = f'[control]\ntokens = [{{ name = "ops", token = "{TOKEN}" }}]\nrequests_per_s = %d\n'


def request(path: str, body: dict[str, Any] | None) -> bytes:
    """One with the token; without a body it is a GET."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKEN}",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def control(target: Target) -> Facts:
    """Verbs in turn, 20 requests a second, for calls that speak meanwhile."""
    peers = [await target.call() for _ in range(STEERED)]
    speaking = [asyncio.create_task(_speak(peer, stream)) for peer, stream in peers]
    await asyncio.sleep(0.5)
    asking = set[asyncio.Task[tuple[int, bytes]]]()
    calls = cycle([stream.call_sid for _, stream in peers])
    call_id = next(calls)
    for number in range(round(PER_S * target.seconds)):
        verb, body = VERBS[number % len(VERBS)]
        if number % len(VERBS) == 0:
            call_id = next(calls)
        path = "/calls" if verb == ALL_CALLS else f"/calls/{call_id}{verb}"
        message = request(path, body if verb.startswith("/") else None)
        asking.add(asyncio.create_task(exchange(target.port, message, source=STRANGER)))
        await asyncio.sleep(1 / PER_S)
    answers = Counter(status for status, _ in await asyncio.gather(*asking))
    for task in speaking:
        task.cancel()
    for peer, _ in peers:
        peer.close()
    good = answers[200] + answers[202]
    return {"requests": answers.total(), "not_done": answers.total() - good}


async def _speak(peer: Peer, stream: Any) -> None:
    """Frames in time; what comes back is read."""
    reading = asyncio.create_task(peer.drain_forever())
    try:
        at_ms = 0
        while True:
            peer.send(stream.media("inbound", b"\x10" * 160, at_ms))
            at_ms += 20
            await asyncio.sleep(0.02)
    finally:
        reading.cancel()


async def control_flood(target: Target) -> Facts:
    """10 000 requests with a good token, as fast as they are answered."""
    left, answers = iter(range(FLOOD)), Counter[int]()
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def ask() -> None:
        for _ in left:
            status, _answer = await exchange(target.port, request("/calls", None), source=STRANGER)
            answers[status] += 1

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    took_s = loop.time() - began
    return {
        "requests": answers.total(),
        "refused": answers[429],
        "beyond_rate": max(0, round(answers[200] - 3 * PER_S - PER_S * took_s)),
        "unanswered": answers[0],
        "took_s": round(took_s, 1),
    }


ROWS = (
    Row(
        "control",
        f"{PER_S:g} requests a second of an operator: hold, mute, keys, lists",
        control,
        calls=50,
        checks=(at_most("not_done", 0),),
        shown=("requests", "not_done"),
        options=ServerOptions(SETTINGS % 100),
    ),
    Row(
        "control-flood",
        f"{FLOOD} requests of an operator at full speed",
        control_flood,
        calls=50,
        checks=(
            at_least("requests", FLOOD),
            at_least("refused", FLOOD // 2),
            at_most("beyond_rate", 0),
            at_most("unanswered", 0),
            at_most("log_lines_per_s", 20),
        ),
        shown=("requests", "refused", "beyond_rate", "unanswered", "took_s", "log_lines_per_s"),
        options=ServerOptions(SETTINGS % PER_S),
    ),
)
