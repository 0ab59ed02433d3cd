"""An assistant of kind "stream" in one file: `pip install websockets`, then `python stream_assistant.py --port 8093`.

It greets with beeps and says back what it heard, in the caller's own voice. What is typed is answered with a beep for
each digit; 0 makes it ask for a code of four digits, 9 hang up. The protocol: stream-assistants.md.
"""

import argparse
import asyncio
import json
import math
import struct
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

FORMAT = {"encoding": "l16", "rate_hz": 8_000}  # both ways: linear, 16 bits, little endian
BYTES_PER_MS = 16
BEEP = struct.pack("<800h", *(round(8_000 * math.sin(0.7 * n)) for n in range(800))) + bytes(1600)  # 200 ms


class Conversation:
    """One call: the caller's utterances in, the same sound out."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.heard = bytearray()  # the caller, from `from_ms` on
        self.from_ms = self.began_ms = self.replies = 0

    async def carry(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self.socket:
                if isinstance(message, bytes):
                    self.heard += message
                else:
                    await self.read(json.loads(message))

    async def read(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "hello":
                await self.tell("hello", hears=FORMAT, speaks=FORMAT)
                if event["opening"] == "first":  # not where this connection takes over in mid-call
                    await self.say(3 * BEEP, "Good day.")
            case "speech_started":
                self.began_ms = event["at_ms"]
            case "speech_stopped":  # a recogniser, a model and a voice would go here
                begin, end = (BYTES_PER_MS * (ms - self.from_ms) for ms in (self.began_ms, event["at_ms"]))
                await self.say(bytes(self.heard[begin:end]), "You said this.")
                del self.heard[:end]
                self.from_ms = event["at_ms"]
            case "interrupted":  # a voice that is still being made would be stopped here
                await self.tell("note", text=f"only {event['heard_ms']} ms of {event['item']} were heard")
            case "entry" if event["digits"] == "0" and not event["id"]:
                await self.tell("collect_digits", id=f"code-{self.replies}", length=4, timeout_s=10)
            case "entry" if event["digits"] == "9":
                await self.tell("hang_up", why="the caller typed 9")
            case "entry":
                await self.say(BEEP * len(event["digits"]), "So many digits.")

    async def say(self, audio: bytes, text: str) -> None:
        self.replies += 1
        await self.tell("reply", item=f"reply-{self.replies}")
        await self.tell("said", who="assistant", text=text)
        await self.socket.send(audio)
        await self.tell("reply_end")

    async def tell(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8093)
    async with serve(lambda s: Conversation(s).carry(), "127.0.0.1", arguments.parse_args().port) as server:
        print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


asyncio.run(main())
