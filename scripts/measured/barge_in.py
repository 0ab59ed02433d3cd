"""Measures a barge-in, from the assistant's `speech_started` to the carrier's `clear`, with many calls. Linux.

  python -m measured.barge_in CALLS SECONDS

This process is the assistant and the phones, both minimal, so that both times are of one clock. It prints the port of the
assistant, reads the address of the server's media socket from standard input, and prints the figures as JSON. Each call
gets a reply of 2 s every second and is interrupted at a random moment of it. There are three runs: without other load, while
one more call gets a megabyte of deltas each second, and while it gets the megabyte in one delta. That call is interrupted
right after the megabyte and is reported by itself, because its clear waits for its own audio.
"""

import asyncio
import json
import random
import sys
import time
from base64 import b64encode
from pathlib import Path
from statistics import quantiles

import msgspec
import picows
import uvloop

from measured.figures import Percentiles
from measured.servers import TOOL_CORE, Setup, bridge, process

TEXT = picows.WSMsgType.TEXT
SILENCE = b64encode(b"\xff" * 160).decode()
MEGABYTE_S = 98.0
"""How many seconds of mu-law are a megabyte of base64."""


def event(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, "event_id": "e", **fields}).encode()


def reply(number: int, seconds: float, delta_ms: int) -> list[bytes]:
    """The events of a response, with deltas of this length."""
    audio = bytes([number]) * int(seconds * 8000)
    names = {"response_id": f"r{number}", "item_id": f"i{number}", "output_index": 0, "content_index": 0}
    pieces = [audio[at : at + delta_ms * 8] for at in range(0, len(audio), delta_ms * 8)]
    return [
        event("response.created", response={"id": f"r{number}", "status": "in_progress"}),
        *(event("response.output_audio.delta", delta=b64encode(p).decode(), **names) for p in pieces),
        event("response.output_audio.done", **names),
        event("response.done", response={"id": f"r{number}", "status": "completed", "output": []}),
    ]


class Assistant(picows.WSListener):
    """A minimal Realtime server: confirms the settings; replies and interruptions are sent when the script says so."""

    def __init__(self, arrivals: "asyncio.Queue[Assistant]") -> None:
        self.started: list[float] = []
        self.spoken = 0
        self._arrivals = arrivals

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        message = frame.get_payload_as_bytes()
        if b'"session.update"' in message[:40]:
            transport.send(TEXT, event("session.updated", session=json.loads(message)["session"]))
            self._arrivals.put_nowait(self)
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def say(self, seconds: float, delta_ms: int) -> None:
        self.spoken += 1
        for message in reply(self.spoken, seconds, delta_ms):
            self.transport.send(TEXT, message)

    def interrupt(self) -> None:
        self.transport.send(TEXT, event("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u"))
        self.started.append(time.monotonic())


class Phone(picows.WSListener):
    """A minimal phone: sends silence, and records when each clear came."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cleared: list[float] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        start = {
            "streamSid": self.name,
            "callSid": self.name,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        self.send({"event": "start", "streamSid": self.name, "start": start})

    def send(self, message: dict[str, object]) -> None:
        self.transport.send(TEXT, json.dumps(message).encode())

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.payload_size < 100 and b'"clear"' in frame.get_payload_as_bytes():
            self.cleared.append(time.monotonic())

    async def talk(self) -> None:
        frames = 0
        began = time.monotonic()
        while True:
            media = {"payload": SILENCE, "timestamp": str(frames * 20), "track": "inbound"}
            self.send({"event": "media", "streamSid": self.name, "media": media})
            frames += 1
            await asyncio.sleep(max(0.0, began + frames * 0.02 - time.monotonic()))


async def call(url: str, number: int, arrivals: asyncio.Queue[Assistant]) -> tuple[Phone, Assistant]:
    """Open one call. Calls are opened one after another, so that phone and assistant are known to belong together."""
    phone = Phone(f"C{number}")
    await picows.ws_connect(lambda: phone, url)
    return phone, await arrivals.get()


async def converse(
    assistant: Assistant, chance: random.Random, turns: int, burst: tuple[float, int] | None
) -> None:
    await asyncio.sleep(chance.random())
    for _ in range(turns):
        if burst is None:
            assistant.say(2.0, 200)
            await asyncio.sleep(chance.uniform(0.2, 0.8))
        else:
            assistant.say(*burst)
        assistant.interrupt()
        await asyncio.sleep(chance.uniform(0.2, 0.8))


def percentiles(name: str, calls: int, late_s: list[float]) -> Percentiles:
    ms = sorted(late * 1000 for late in late_s)
    cuts = quantiles(ms, n=100, method="inclusive") if len(ms) > 1 else ms * 99
    return Percentiles(
        name=name, calls=calls, count=len(ms), p50_ms=round(cuts[49], 3), p99_ms=round(cuts[98], 3), max_ms=round(ms[-1], 3)
    )  # fmt: skip


async def converse_all(
    url: str, calls: int, seconds: int, arrivals: asyncio.Queue[Assistant]
) -> list[Percentiles]:
    """The three runs."""
    chance = random.Random(1)
    lines = [await call(url, number, arrivals) for number in range(calls + 1)]
    await asyncio.sleep(0.5)  # until every session was confirmed
    talking = [asyncio.ensure_future(phone.talk()) for phone, _ in lines]
    burst_line, *others = lines
    found = []
    for name, burst in RUNS.items():
        for phone, assistant in lines:
            phone.cleared.clear()
            assistant.started.clear()
        work = [converse(assistant, chance, seconds, None) for _, assistant in others]
        if burst is not None:
            work.append(converse(burst_line[1], chance, seconds, burst))
        await asyncio.gather(*work)
        await asyncio.sleep(1)
        found.append(percentiles(name, calls, [late for line in others for late in lateness(line)]))
        if burst is not None:
            found.append(percentiles(f"{name}: that call itself", 1, lateness(burst_line)))
    for task in talking:
        task.cancel()
    return found


RUNS: dict[str, tuple[float, int] | None] = {
    "barge-in to clear": None,
    "while another call gets a megabyte in deltas of 250 ms": (MEGABYTE_S, 250),
    "while another call gets a megabyte in one delta": (MEGABYTE_S, int(MEGABYTE_S * 1000)),
}
"""The reply of the call beside the others: seconds, and milliseconds of a delta."""


def lateness(line: tuple[Phone, Assistant]) -> list[float]:
    """Of each interruption, seconds."""
    phone, assistant = line
    assert len(phone.cleared) == len(assistant.started), "expected one clear for each interruption"
    return [cleared - started for started, cleared in zip(assistant.started, phone.cleared, strict=True)]


async def peers(calls: int, seconds: int) -> list[Percentiles]:
    """The assistant and the phones."""
    arrivals: asyncio.Queue[Assistant] = asyncio.Queue()
    assistant = await picows.ws_create_server(lambda _: Assistant(arrivals), "127.0.0.1", 0)
    print(assistant.sockets[0].getsockname()[1], flush=True)
    url = await asyncio.to_thread(sys.stdin.readline)
    return await converse_all(url.strip(), calls, seconds, arrivals)


def barge_ins(calls: int, seconds: float, folder: Path) -> tuple[Percentiles, ...]:
    """The same in a process on the core of the callers, with `voicebridge serve` on the other one."""
    command = [sys.executable, "-m", "measured.barge_in", str(calls), str(max(round(seconds), 2))]
    with process(*command, core=TOOL_CORE) as others:
        assert others.stdout is not None
        port = others.stdout.readline().strip()
        with bridge(folder, f"http://127.0.0.1:{port}/v1", Setup("turns")) as server:
            said, errors = others.communicate(f"{server.url}\n")
    if others.returncode:
        raise RuntimeError(errors)
    return msgspec.json.decode(said, type=tuple[Percentiles, ...])


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(uvloop.run(peers(int(sys.argv[1]), int(sys.argv[2])))).decode())
