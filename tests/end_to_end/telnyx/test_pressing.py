"""Keys that an assistant wants pressed: by Telnyx's command under Call Control, as tones in the stream under TeXML."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve

from bridge.simulators.carriers.telnyx.call_control_phone import CallControlPhone
from bridge.simulators.carriers.telnyx.exchange import TelnyxExchange
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from telecodecs.dtmf_detector import ToneDetector
from telecodecs.format import AudioFormat
from telecodecs.g711 import ulaw_decode

if TYPE_CHECKING:
    from tests.end_to_end.telnyx.conftest import Meet

TIMEOUT_S = 30.0
KEYS = "4w#"


async def presses(connection: ServerConnection) -> None:
    """An assistant of the user's own that has reached a menu."""
    await connection.send(json.dumps({"type": "hello"}))
    await connection.send(json.dumps({"type": "send_digits", "keys": KEYS}))
    await connection.send(json.dumps({"type": "hang_up"}))
    async for _ in connection:
        pass


@asynccontextmanager
async def assistant() -> AsyncIterator[dict[str, Any]]:
    async with serve(presses, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        own = {"kind": "stream", "url": f"ws://127.0.0.1:{port}/"}
        yield {"assistant": "own", "assistants": {"own": own}}


def waits(_line: AudioFormat) -> CallPlan:
    return CallPlan(linger_s=0.3)


async def test_under_call_control_telnyx_presses_the_keys(meet: "Meet") -> None:
    phone = CallControlPhone(waits)
    with capture_logs() as log:
        async with (
            asyncio.timeout(TIMEOUT_S),
            assistant() as settings,
            meet(phone, settings=settings) as both,
        ):
            call = both.ring()
            await both.simulator.commanded("send_dtmf")
            await both.server.admission.idle()
            await both.server.files.written()
            assert "hangup" not in both.commands(), "they still sound"
            await both.simulator.over(call)
    assert call.pressed == KEYS
    assert both.commands()[-2:] == ["send_dtmf", "hangup"]
    assert both.commands().count("send_dtmf") == 1
    assert [line["keys"] for line in both.journal("PressKeys")] == [KEYS]
    assert not both.journal("PlayAudio")
    assert KEYS not in repr(log)


async def test_under_texml_the_keys_are_tones_in_the_stream(meet: "Meet") -> None:
    async with (
        asyncio.timeout(TIMEOUT_S),
        assistant() as own,
        meet(CallControlPhone(waits), settings=own) as both,
    ):
        exchange = TelnyxExchange(private_key=both.simulator.seed)
        report = await place_call(both.url("/telnyx/texml"), CallPlan(linger_s=0.8), carrier=exchange)
        await both.server.admission.idle()
        await both.server.files.written()
        assert "send_dtmf" not in both.commands()
    heard = ulaw_decode(np.frombuffer(report.heard, np.uint8))
    assert "".join(tone.digit for tone in ToneDetector().feed(heard)) == KEYS.replace("w", "")
