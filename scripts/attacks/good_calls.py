"""Good echo calls in a process of their own, and what the server adds to the delay of their frames.

Frames are sent by absolute deadlines: a frame that is late, because the process or the server was held up, counts from
the time at which it was due, so a stall is seen in every frame that it delayed (no coordinated omission). A frame that
never came back is lost. Each frame carries a number in its first six bytes.

Standard input takes commands, one JSON object a line, and standard output has one answer for each:
{"window": [from, to]} asks for the figures of the frames that were due in it (seconds of the monotonic clock);
{"end": true} hangs all calls up.
"""

import asyncio
import json
import sys
import time
from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from attacks.target import Target
from attacks.wire import CLOSE, PING, PONG, Refused, frame, upgrade
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream, new_sid

FRAME_S = 0.02
TICK_S = 0.001

CALLS_PER_S = 10
"""How fast the calls begin."""

SOUND = bytes((17 * n) % 120 + 8 for n in range(154))
"""What each frame has behind its number: mu-law, not silence."""


@dataclass(slots=True)
class Sent:
    """A frame: when it was due, sent and back, seconds; 0 while it is not back."""

    due: float
    sent: float
    back: float = 0.0


class GoodCall(asyncio.Protocol):
    """One call on an open connection."""

    def __init__(
        self, host: str, target: str, stream: SimulatedTwilioStream, frames: dict[bytes, Sent]
    ) -> None:
        self._request = upgrade(host, target)
        self._stream = stream
        self._frames = frames
        self._read = b""
        self._upgraded = False
        self.ended = ""
        """Why the server ended it; empty as long as it goes on."""
        self.ready = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport
        self._at_ms = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._read += data
        if not self._upgraded:
            head, end, self._read = self._read.partition(b"\r\n\r\n")
            if not end:
                self._read = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.ready.set_exception(Refused(int(head.split(b" ", 2)[1])))
                return
            self._upgraded = True
            self._transport.write(b"".join(frame(text.encode()) for text in self._stream.opening()))
            self.ready.set_result(None)
        self._take_frames(now)

    def _take_frames(self, now: float) -> None:
        at, read = 0, self._read
        while len(read) - at >= 4:
            size, head = read[at + 1] & 0x7F, 2
            if size == 126:
                size, head = int.from_bytes(read[at + 2 : at + 4], "big"), 4
            if len(read) - at < head + size:
                break
            self._take(read[at] & 15, read[at + head : at + head + size], now)
            at += head + size
        self._read = read[at:]

    def _take(self, opcode: int, payload: bytes, now: float) -> None:
        found = payload.find(b'"payload":"')
        if found >= 0:
            if (sent := self._frames.get(payload[found + 11 : found + 19])) and not sent.back:
                sent.back = now
        elif b'"mark"' in payload:
            self._transport.write(frame(self._stream.mark(json.loads(payload)["mark"]["name"]).encode()))
        elif opcode == PING:
            self._transport.write(frame(payload, PONG))
        elif opcode == CLOSE:
            self.ended = self.ended or payload[2:].decode(errors="replace") or "closed"

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.ended or "the connection broke"
        if not self.ready.done():
            self.ready.set_exception(Refused(0))

    def say(self, due: float, number: int) -> None:
        """Send the next frame."""
        name = number.to_bytes(6, "big")
        if not self.ended:
            text = self._stream.media("inbound", name + SOUND, self._at_ms)
            self._transport.write(frame(text.encode()))
            self._frames[b64encode(name)] = Sent(due, time.monotonic())
        self._at_ms += 20

    def hang_up(self) -> None:
        """Say `stop` and close."""
        if not self.ended:
            self._transport.write(frame(self._stream.closing().encode()) + frame(b"\x03\xe8", CLOSE))
            self._transport.close()


class Calls:
    """All of them, and the timer that paces them."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._calls: list[GoodCall] = []
        self._frames: dict[bytes, Sent] = {}
        self._number = 0
        self._next_due = 0.0

    async def begin(self, count: int) -> None:
        """Place all calls, `CALLS_PER_S`. Raises `Refused`."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            stream = SimulatedTwilioStream(call_sid=new_sid("CA"), account_sid="AC" + "0" * 32)
            url = urlsplit(await self._target.ask(stream.call_sid, source="127.0.0.1"))
            call = GoodCall(url.netloc, url.path, stream, self._frames)
            await loop.create_connection(partial(_the, call), "127.0.0.1", self._target.port)
            await call.ready
            self._calls.append(call)
            await asyncio.sleep(1 / CALLS_PER_S)
        self._next_due = time.monotonic() + FRAME_S
        self._tick()

    def _tick(self) -> None:
        """Send what is due. The calls take turns, evenly over a frame's 20 ms; a timer has whole milliseconds."""
        while self._next_due <= time.monotonic():
            self._calls[self._number % len(self._calls)].say(self._next_due, self._number)
            self._number += 1
            self._next_due += FRAME_S / len(self._calls)
        asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def figures(self, begin: float, end: float) -> dict[str, Any]:
        """Of the frames due in this window: delays in ms. Frames that are lost count as the worst delay."""
        now = time.monotonic()
        sent = [one for one in self._frames.values() if begin <= one.due < end]
        delays = sorted(((one.back or now) - one.due) * 1000 for one in sent)
        own = sorted((one.sent - one.due) * 1000 for one in sent)
        return {
            "frames": len(sent),
            "lost": sum(not one.back for one in sent),
            "p50": rank(delays, 50),
            "p99": rank(delays, 99),
            "max": rank(delays, 100),
            "own_p99": rank(own, 99),
            "calls": sum(not call.ended for call in self._calls),
            "ended": sorted({call.ended for call in self._calls if call.ended}),
        }

    def hang_up(self) -> None:
        for call in self._calls:
            call.hang_up()


def _the(call: GoodCall) -> GoodCall:
    return call


def rank(ordered: list[float], percent: float) -> float:
    """A percentile by nearest rank; infinite where nothing was measured."""
    return round(ordered[ceil(len(ordered) * percent / 100) - 1], 2) if ordered else float("inf")


async def good_calls(target: Target, count: int) -> None:
    """The role of this process."""
    calls = Calls(target)
    try:
        await calls.begin(count)
    except Refused as refused:
        print(json.dumps({"refused": str(refused)}), flush=True)
        return
    print(json.dumps({"calls": count}), flush=True)
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        command = json.loads(line)
        if "window" in command:
            print(json.dumps(calls.figures(*command["window"])), flush=True)
        else:
            calls.hang_up()
            await asyncio.sleep(0.2)
            print("{}", flush=True)
            return


if __name__ == "__main__":
    uvloop.run(good_calls(Target(**json.loads(sys.argv[1])), int(sys.argv[2])))
