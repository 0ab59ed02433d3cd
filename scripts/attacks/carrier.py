"""Attacks on the media socket of a call that was let in: a carrier's program gone mad."""

import asyncio
import json
from contextlib import suppress

from attacks.row import Facts, Row, at_least, at_most
from attacks.target import STRANGER, Target
from attacks.wire import CLOSE, PING, Peer, Refused, exchange, frame, get

BATCH_BYTES = 262_144
"""About how much a flood gives to the socket at once."""


async def _flood(target: Target, peer: Peer, message: bytes, opcode: int = 1) -> Facts:
    """Send one message at full speed, and read what the server says."""
    loop = asyncio.get_running_loop()
    count = max(1, BATCH_BYTES // len(message))
    reading = asyncio.create_task(peer.drain_forever())
    taken = await peer.flood(frame(message, opcode) * count, loop.time() + target.seconds)
    await asyncio.sleep(0.2)
    facts = {"sent": taken * count, "closed": reading.result() if reading.done() else "open"}
    reading.cancel()
    peer.close()
    return facts


async def unknown_events(target: Target) -> Facts:
    peer, _ = await target.call()
    return await _flood(target, peer, json.dumps({"event": "unheard-of", "x": "a" * 60_000}).encode())


async def not_json(target: Target) -> Facts:
    peer, _ = await target.call()
    return await _flood(target, peer, b"this is not JSON")


async def binary_messages(target: Target) -> Facts:
    peer, _ = await target.call()
    return await _flood(target, peer, b"\x00\x01\x02\x03", 2)


async def unknown_marks(target: Target) -> Facts:
    peer, stream = await target.call()
    return await _flood(target, peer, stream.mark("never-sent").encode())


async def too_much_audio(target: Target) -> Facts:
    """Frames of the caller at full speed, each with the next timestamp."""
    peer, stream = await target.call()
    messages = b"".join(frame(stream.media("inbound", b"\x20" * 160, n * 20).encode()) for n in range(20_000))
    reading = asyncio.create_task(peer.drain_forever())
    loop = asyncio.get_running_loop()
    await peer.flood(messages, loop.time() + min(1.0, target.seconds), longest_s=target.seconds)
    facts = {"closed": reading.result() if reading.done() else "open"}
    reading.cancel()
    peer.close()
    return facts


async def many_keys(target: Target) -> Facts:
    """30 000 keys of Telnyx's, each pressed before the one that came first, so that all are held."""
    peer, stream = await target.telnyx_call()
    reading = asyncio.create_task(peer.drain_forever())
    keys = b"".join(frame(stream.digit("12345"[n % 5], n).encode()) for n in range(30_000))
    loop = asyncio.get_running_loop()
    await peer.flood(keys, loop.time(), longest_s=target.seconds)
    peer.writer.write(keys)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(target.seconds):
            await peer.writer.drain()
    await asyncio.sleep(1)
    facts = {"closed": reading.result() if reading.done() else "open"}
    reading.cancel()
    peer.close()
    return facts


async def unread_pongs(target: Target) -> Facts:
    """Pings at full speed from one who never reads."""
    peer, _ = await target.call(receive_bytes=4096)
    loop = asyncio.get_running_loop()
    count = BATCH_BYTES // 125
    taken = await peer.flood(frame(b"p" * 125, PING) * count, loop.time() + target.seconds)
    facts = {"sent": taken * count}
    peer.close()
    return facts


async def long_frame(target: Target) -> Facts:
    """6 s of audio in one message, then a second of ordinary frames: how many of those come back."""
    peer, stream = await target.call()
    back = 0

    async def read() -> None:
        nonlocal back
        while True:
            opcode, payload = await peer.receive()
            if opcode == CLOSE:
                return
            if b'"mark"' in payload:
                peer.send(stream.mark(json.loads(payload)["mark"]["name"]))
            back += b'"media"' in payload

    reading = asyncio.create_task(read())
    for number in range(25):
        peer.send(stream.media("inbound", b"\x20" * 160, number * 20))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    peer.send(stream.media("inbound", b"\x21" * 48_000, 500))
    await asyncio.sleep(0.2)
    before = back
    for number in range(50):
        peer.send(stream.media("inbound", b"\x22" * 160, 520 + number * 20))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    peer.close()
    return {"back_of_50": min(50, back - before)}


async def stalled_reader(target: Target) -> Facts:
    """A carrier that goes on speaking and reads nothing."""
    return await _until_dropped(target, speaks=True)


async def half_open(target: Target) -> Facts:
    """A line that is dead without a word: nothing comes any more, nothing is read."""
    return await _until_dropped(target, speaks=False)


async def _until_dropped(target: Target, *, speaks: bool) -> Facts:
    """After a second of an ordinary call: how long until the server gives the socket up, at most 30 s."""
    peer, stream = await target.call(receive_bytes=2048)
    loop = asyncio.get_running_loop()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    number = 0
    while number < 50:
        peer.send(stream.media("inbound", b"\x20" * 160, number * 20))
        number += 1
        await asyncio.sleep(0.02)
    began = loop.time()
    before = await _calls(target)
    while loop.time() - began < 30:
        if speaks:
            if peer.writer.is_closing():
                break
            for _ in range(5):
                peer.send(stream.media("inbound", b"\x20" * 160, number * 20))
                number += 1
        await asyncio.sleep(0.1)
        if number % 5 == 0 and await _calls(target) < before:
            break
    dropped_s = round(loop.time() - began, 1)
    peer.close()
    return {"dropped_s": dropped_s}


async def _calls(target: Target) -> int:
    """How many calls the server has, as it tells its own machine."""
    status, body = await exchange(target.port, get("/healthz"))
    return int(json.loads(body).get("calls", -1)) if status == 200 else -1


async def two_lives(target: Target) -> Facts:
    """A second `start` of the same call on a socket of its own, without a token."""
    peer, stream = await target.call()
    status = 0
    url = f"ws://127.0.0.1:{target.port}/twilio/media"
    try:
        other = await Peer.connect(url, source=STRANGER)
        status = 101
        other.close()
    except Refused as refused:
        status = refused.status
    peer.send(stream.closing())
    peer.close()
    return {"upgrade": status}


ROWS = (
    Row(
        "unknown-events",
        "60 kB messages of an unknown kind, at full speed",
        unknown_events,
        shown=("sent", "closed"),
    ),
    Row("not-json", "text that is not JSON, at full speed", not_json, shown=("sent", "closed")),
    Row("binary-messages", "binary messages, at full speed", binary_messages, shown=("sent", "closed")),
    Row(
        "unknown-marks", "marks that were never sent, at full speed", unknown_marks, shown=("sent", "closed")
    ),
    Row("too-much-audio", "400 s of audio at once, again and again", too_much_audio, shown=("closed",)),
    Row("many-keys", "30 000 keys, on Telnyx", many_keys, shown=("closed",)),
    Row("unread-pongs", "pings whose answers nobody reads", unread_pongs, shown=("sent",)),
    Row(
        "long-frame",
        "6 s of audio in one message, then 50 frames",
        long_frame,
        checks=(at_least("back_of_50", 48),),
        shown=("back_of_50",),
    ),
    Row(
        "stalled-reader",
        "a carrier that speaks and does not read",
        stalled_reader,
        checks=(at_most("dropped_s", 28),),
        shown=("dropped_s",),
    ),
    Row(
        "half-open",
        "a carrier that falls silent without a close",
        half_open,
        checks=(at_most("dropped_s", 12),),
        shown=("dropped_s",),
    ),
    Row(
        "no-token",
        "a media socket without a token",
        two_lives,
        checks=(at_least("upgrade", 400),),
        shown=("upgrade",),
    ),
)
