"""Whole calls over real sockets on loopback: the pretend phone, our server, and assistants such as people write."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.plan import CallPlan, Digit
from bridge.simulators.phone.report import CallReport

TONE = bytes(range(0x10, 0x60)) * 50  # half a second that no silence looks like
SPEECH = TONE * 6
COUGH = read_wav(Path(__file__).parents[3] / "fixtures/sentence-en-us-male.wav")[5_600:7_500]
GIVE_UP_S = 20.0

Text = dict[str, Any]
Assistant = Callable[[ServerConnection, "Call"], Awaitable[None]]


class Call:
    """What an assistant was told in one call."""

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.audio_bytes = 0
        self.report: CallReport
        self.over = asyncio.Event()
        """It was told bye."""

    def kinds(self) -> list[str]:
        return [text["type"] for text in self.texts]

    async def listen(self, socket: ServerConnection) -> AsyncIterator[Text]:
        """Each text message, until the end."""
        async for message in socket:
            if isinstance(message, bytes):
                self.audio_bytes += len(message)
            else:
                self.texts.append(json.loads(message))
                if self.kinds()[-1] == "bye":
                    self.over.set()
                yield self.texts[-1]


async def say(socket: ServerConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind} | fields))


async def receptionist(socket: ServerConnection, call: Call) -> None:
    """Greets, asks for an entry, says goodbye, hangs up."""
    async for text in call.listen(socket):
        match text:
            case {"type": "hello"}:
                await say(socket, "hello", turns="assistant")
                await say(socket, "reply", item="greeting")
                await socket.send(TONE)
                await say(socket, "reply_end")
            case {"type": "heard", "item": "greeting"}:
                await say(socket, "collect_digits", id="pin", length=2, sensitive=True)
            case {"type": "entry"}:
                await say(socket, "reply", item="goodbye")
                await socket.send(TONE)
                await say(socket, "hang_up", why="settled")


async def plain(socket: ServerConnection, call: Call) -> None:
    """Only sends sound, in base64 that it did not ask for."""
    await say(socket, "hello")
    await say(socket, "audio", audio=b64encode(TONE).decode())
    async for _ in call.listen(socket):
        pass


async def talkative(socket: ServerConnection, call: Call) -> None:
    """Says much in one go."""
    await say(socket, "hello")
    await socket.send(SPEECH)
    async for _ in call.listen(socket):
        pass


async def wrong(socket: ServerConnection, call: Call) -> None:
    """Chooses what is not on offer."""
    await say(socket, "hello", speaks={"encoding": "l16", "rate_hz": 44_100})
    async for _ in call.listen(socket):
        pass


async def silent(socket: ServerConnection, call: Call) -> None:
    """Never says hello."""
    async for _ in call.listen(socket):
        pass


@asynccontextmanager
async def server_for(assistant: Assistant, call: Call, options: Text) -> AsyncIterator[Server]:
    """Our server, with this assistant behind it, which has a connection or two."""
    async with serve(lambda socket: assistant(socket, call), "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        mine = {"kind": "stream", "url": f"ws://127.0.0.1:{port}/calls"} | options
        settings = {
            "port": 0,
            "security": {"allow_unauthenticated": True},
            "assistant": "mine",
            "assistants": {"mine": mine},
            "limits": {"open_s": 2.0, "retry_s": 2.4},
        }
        async with Server(Settings.model_validate(settings)).running() as server:
            yield server


async def carry(assistant: Assistant, plan: CallPlan, **options: Any) -> Call:
    call = Call()
    async with asyncio.timeout(GIVE_UP_S), server_for(assistant, call, options) as server:
        call.report = await place_call(f"ws://127.0.0.1:{server.port}/twilio/media", plan)
        await server.admission.idle()
        await server.files.written()
        await call.over.wait()
    return call


QUIET = bytes([0xFF]) * 8_000
KEYS = (Digit("4", 1_500), Digit("2", 1_700))


async def test_calls_side_by_side() -> None:
    coughs = QUIET + COUGH + QUIET
    served, heard, coughed, refused, waited = await asyncio.gather(
        carry(receptionist, CallPlan(QUIET * 2, KEYS, linger_s=3.0, longest_s=10.0)),
        carry(plain, CallPlan(QUIET, (), linger_s=0.5, longest_s=10.0)),
        carry(talkative, CallPlan(coughs, linger_s=0.8, longest_s=10.0), barge_in={"confirm_ms": 500}),
        carry(wrong, CallPlan(QUIET, (), linger_s=0.5, longest_s=10.0)),
        carry(silent, CallPlan(QUIET * 7, (), linger_s=0.5, longest_s=10.0)),
    )

    assert served.kinds() == ["hello", "heard", "entry", "heard", "bye"]
    entry = served.texts[2]
    assert (entry["id"], entry["digits"], entry["reason"]) == ("pin", "42", "full")
    assert (entry["sensitive"], entry["name"]) == (True, "entry-1")
    assert served.report.heard.count(TONE) == 2
    assert (served.report.ending, served.report.close_code) == (Ending.SERVER_LEFT, 1000)
    assert served.audio_bytes >= 8_000

    assert heard.report.heard.count(TONE) == 1
    assert heard.texts[-2] == {"type": "heard", "item": "item-1"}

    assert coughed.kinds() == ["hello", "heard", "bye"], "the assistant is not told of the cough"
    assert len(coughed.report.clears) == 1, "what was said waited for it ..."
    before, _, after = coughed.report.heard.strip(b"\xff").partition(b"\xff" * 800)
    after = after.lstrip(b"\xff")
    assert SPEECH.startswith(before)
    assert SPEECH.endswith(after)
    assert abs(len(before + after) - len(SPEECH)) < 160, "... and went on where it stopped, to a frame"

    assert refused.kinds() == ["hello", "error", "bye"]
    assert refused.texts[1]["why"] == refused.texts[2]["why"]
    assert "speaks: l16/44100 is not on offer" in refused.texts[1]["why"]
    assert refused.report.close_code == 1011

    assert waited.kinds() == ["hello", "bye"] * 2  # within `retry_s`, then no more
    assert "hello is missing" in waited.texts[1]["why"]
    assert waited.report.close_code == 1011
