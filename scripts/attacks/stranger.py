"""Attacks of a stranger: somebody who has no key, or who repeats what he overheard. Also too many honest calls."""

import asyncio
import gzip
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from urllib.parse import urlencode

from attacks.row import Facts, Row, at_least, at_most
from attacks.server import ServerOptions
from attacks.target import STRANGER, Target
from attacks.wire import Peer, Refused, exchange, get, post
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream, new_sid
from bridge.simulators.carriers.twilio.voice_webhook import call_form

MOST_CALLS = 60
FILES = 1024
SOCKETS = 1112


async def nothing(target: Target) -> Facts:
    await asyncio.sleep(target.seconds)
    return {}


async def storm(target: Target) -> Facts:
    """50 new calls a second; each speaks for half a second."""
    async with asyncio.TaskGroup() as group:
        calls = []
        for _ in range(round(50 * target.seconds)):
            calls.append(group.create_task(_short_call(target, 0.5)))
            await asyncio.sleep(0.02)
    return _tally(call.result() for call in calls)


async def crowd(target: Target) -> Facts:
    """600 calls at once that stay."""
    calls = await asyncio.gather(*(_short_call(target, target.seconds) for _ in range(600)))
    return _tally(calls)


async def _short_call(target: Target, seconds: float) -> int:
    """A call that says 20 ms and waits. Returns 200, or the status with which it was refused."""
    try:
        peer, stream = await target.call()
    except Refused as refused:
        return refused.status
    peer.send(stream.media("inbound", bytes(160), 0))
    await asyncio.sleep(seconds)
    peer.send(stream.closing())
    peer.close()
    return 200


def _tally(statuses: Iterable[int]) -> Facts:
    counted = Counter(statuses)
    return {
        "taken": counted.pop(200, 0),
        "refused": counted.pop(503, 0) + counted.pop(429, 0),
        "unanswered": counted.pop(0, 0),
        "other_statuses": dict(counted),
    }


async def half_heads(target: Target) -> Facts:
    """1112 connections that send an empty line twice and then nothing, from one address."""
    return await _held_sockets(target, b"\r\n\r\n", lambda _: STRANGER)


async def half_heads_of_many(target: Target) -> Facts:
    return await _held_sockets(target, b"\r\n\r\n", lambda n: f"127.0.{1 + n // 250}.{1 + n % 250}")


async def silent_sockets(target: Target) -> Facts:
    return await _held_sockets(target, b"", lambda n: f"127.0.{1 + n // 250}.{1 + n % 250}")


async def slow_heads(target: Target) -> Facts:
    """Heads of a request that never end."""
    return await _held_sockets(
        target, b"GET / HTTP/1.1\r\nX-A: b\r\n", lambda n: f"127.0.{1 + n // 250}.{1 + n % 250}"
    )


async def _held_sockets(target: Target, sent: bytes, source: Callable[[int], str]) -> Facts:
    """Keep opening sockets, up to `SOCKETS`; those that the server closes are opened again. Others ask meanwhile."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + target.seconds
    held: dict[int, socket.socket] = {}
    asking = asyncio.create_task(_ask_health(target, ends))
    opened = 0
    while loop.time() < ends:
        for number in range(SOCKETS):
            if number in held and not _is_closed(held[number]):
                continue
            if number in held:
                held.pop(number).close()
            with suppress(OSError):
                held[number] = _open(target.port, sent, source(number))
                opened += 1
            if number % 50 == 0:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.2)
    facts = await asking
    for one in held.values():
        one.close()
    return {**facts, "opened": opened}


def _open(port: int, sent: bytes, source: str) -> socket.socket:
    one = socket.socket()
    try:
        one.settimeout(0.2)
        one.bind((source, 0))
        one.connect(("127.0.0.1", port))
        if sent:
            one.sendall(sent)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def _is_closed(one: socket.socket) -> bool:
    try:
        return not one.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True


async def _ask_health(target: Target, ends: float) -> Facts:
    """A good request every quarter of a second, and a good call every second."""
    loop = asyncio.get_running_loop()
    answers, worst_s, calls = Counter[int](), 0.0, Counter[int]()
    turn = 0
    while loop.time() < ends:
        began = loop.time()
        status, _ = await exchange(target.port, get("/healthz"), timeout_s=2)
        worst_s = max(worst_s, loop.time() - began)
        answers[status] += 1
        if turn % 4 == 3:
            try:
                peer, _ = await asyncio.wait_for(target.call(source="127.0.0.1"), 2)
                calls[200] += 1
                peer.close()
            except (Refused, TimeoutError):
                calls[0] += 1
        turn += 1
        await asyncio.sleep(0.25)
    return {
        "health_failed": answers.total() - answers[200],
        "health_worst_ms": round(worst_s * 1000),
        "new_calls_failed": calls[0],
        "new_calls": calls.total(),
    }


async def gzip_bombs(target: Target) -> Facts:
    """20 bodies a second of 58 kB that become 58 MB."""
    body = gzip.compress(bytes(58_000_000))
    request = post("/twilio/voice", body, {"Content-Encoding": "gzip", "X-Twilio-Signature": "bm8="})
    answers: Counter[int] = Counter()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for _ in range(round(20 * target.seconds)):
            tasks.append(group.create_task(exchange(target.port, request, source=STRANGER)))
            await asyncio.sleep(0.05)
    answers.update(task.result()[0] for task in tasks)
    return {
        "requests": answers.total(),
        "not_415": answers.total() - answers[415] - answers[429],
        "statuses": dict(answers),
    }


async def _full_speed(target: Target, requests: list[bytes], *, lanes: int = 4) -> Counter[int]:
    """Send requests one after the other in some lanes, for the row's seconds."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + target.seconds
    answers: Counter[int] = Counter()

    async def lane(number: int) -> None:
        while loop.time() < ends:
            status, _ = await exchange(target.port, requests[number % len(requests)], source=STRANGER)
            answers[status] += 1
            number += lanes

    await asyncio.gather(*(lane(number) for number in range(lanes)))
    return answers


async def forged_webhooks(target: Target) -> Facts:
    """Webhooks of both carriers with signatures that are wrong."""
    form = call_form(
        call_sid=new_sid("CA"), account_sid="AC" + "0" * 32, caller="+15550100", called="+15550101"
    )
    body = urlencode(form).encode()
    signed = {"telnyx-signature-ed25519": "A" * 86 + "==", "telnyx-timestamp": str(int(time.time()))}
    answers = await _full_speed(
        target,
        [
            post("/twilio/voice", body, {"X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}),
            post("/telnyx/texml", body, signed),
            post("/twilio/voice", body, {}),
        ],
    )
    return {"requests": answers.total(), "let_in": answers[200], "statuses": dict(answers)}


MALFORMED = [
    b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST http://localhost/twilio/voice HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /twilio/voice HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
    b"POST /twilio/voice HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /twilio/voice HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    b"GET /twilio/media HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


async def malformed_requests(target: Target) -> Facts:
    answers = await _full_speed(target, MALFORMED)
    return {"requests": answers.total(), "faults_500": answers[500], "statuses": dict(answers)}


async def replayed_webhook(target: Target) -> Facts:
    """One webhook of Twilio's, captured and sent 30 times; each answer's socket says `start` and speaks."""
    sid = new_sid("CA")
    streams = []
    for _ in range(30):
        with suppress(Refused):
            url = await target.ask(sid)
            stream = SimulatedTwilioStream(call_sid=sid, account_sid="AC" + "0" * 32)
            peer = await Peer.connect(url, source=STRANGER)
            for text in [*stream.opening(), stream.media("inbound", b"\x20" * 160, 0)]:
                peer.send(text)
            streams.append((peer, asyncio.create_task(peer.drain_forever())))
            await asyncio.sleep(0.02)
    await asyncio.sleep(1.5)
    alive = sum(not task.done() for _, task in streams)
    for peer, task in streams:
        task.cancel()
        peer.close()
    return {"opened": len(streams), "alive": alive}


async def raced_token(target: Target) -> Facts:
    """One token, 20 sockets at once; and the same token at other paths."""
    url = await target.ask(new_sid("CA"))
    elsewhere = [url.replace("/twilio/", "/telnyx/"), url.replace("/media", "/listen")]
    opened = await asyncio.gather(
        *(Peer.connect(one, source=STRANGER) for one in [*elsewhere, *[url] * 20]), return_exceptions=True
    )
    good = [one for one in opened if isinstance(one, Peer)]
    for peer in good:
        peer.close()
    return {"opened": len(good), "opened_elsewhere": sum(isinstance(one, Peer) for one in opened[:2])}


HELD = (at_most("health_failed", 0), at_most("new_calls_failed", 0))

ROWS = (
    Row("undisturbed", "nothing else happens", nothing, p99_ms=8.0, memory_mib=16),
    Row(
        "storm",
        "50 new calls a second, at half load",
        storm,
        more_ms=2.0,
        memory_mib=None,
        calls=60,
        checks=(at_most("unanswered", 0),),
        shown=("taken", "refused", "unanswered"),
    ),
    Row(
        "crowd",
        f"600 calls at once, with max_calls = {MOST_CALLS}",
        crowd,
        memory_mib=None,
        checks=(at_most("taken", MOST_CALLS), at_most("unanswered", 0)),
        shown=("taken", "refused", "unanswered"),
        options=ServerOptions(f"[limits]\nmax_calls = {MOST_CALLS}\n"),
    ),
    Row(
        "half-heads",
        f"{SOCKETS} sockets of 4 bytes, from one address, at {FILES} files",
        half_heads,
        checks=HELD,
        shown=("health_failed", "health_worst_ms", "new_calls_failed"),
        options=ServerOptions(files=FILES),
    ),
    Row(
        "half-heads-spread",
        "the same from as many addresses",
        half_heads_of_many,
        checks=HELD,
        shown=("health_failed", "health_worst_ms", "new_calls_failed"),
        options=ServerOptions(files=FILES),
    ),
    Row(
        "silent-sockets",
        f"{SOCKETS} sockets that say nothing, from as many addresses",
        silent_sockets,
        checks=HELD,
        shown=("health_failed", "health_worst_ms", "new_calls_failed"),
        options=ServerOptions(files=FILES),
    ),
    Row(
        "slow-heads",
        f"{SOCKETS} request heads that never end",
        slow_heads,
        checks=HELD,
        shown=("health_failed", "health_worst_ms", "new_calls_failed"),
        options=ServerOptions(files=FILES),
    ),
    Row(
        "gzip-bombs",
        "20 bodies a second of 58 kB that become 58 MB",
        gzip_bombs,
        checks=(at_most("not_415", 0),),
        shown=("requests", "not_415"),
    ),
    Row(
        "forged-webhooks",
        "webhooks with wrong signatures, at full speed",
        forged_webhooks,
        checks=(at_most("let_in", 0), at_most("log_lines_per_s", 20)),
        shown=("requests", "let_in", "log_lines_per_s"),
    ),
    Row(
        "malformed-requests",
        "malformed requests, at full speed",
        malformed_requests,
        checks=(at_most("faults_500", 0), at_most("tracebacks", 0), at_most("log_lines_per_s", 20)),
        shown=("requests", "faults_500", "tracebacks", "log_lines_per_s"),
    ),
    Row(
        "replayed-webhook",
        "a captured webhook 30 times: streams of one call that live",
        replayed_webhook,
        checks=(at_most("alive", 1), at_least("opened", 1)),
        shown=("opened", "alive"),
    ),
    Row(
        "raced-token",
        "one token for 20 sockets at once, and at other paths",
        raced_token,
        checks=(at_most("opened", 1), at_least("opened", 1), at_most("opened_elsewhere", 0)),
        shown=("opened", "opened_elsewhere"),
    ),
)
