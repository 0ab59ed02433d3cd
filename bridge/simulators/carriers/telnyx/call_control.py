"""Placing one call under Telnyx's Call Control: the webhook is told that somebody calls, and its commands are obeyed.

The server under test sends its commands to the pretend REST API that is opened here.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.call_control_phone import CallControlPhone
from bridge.simulators.carriers.telnyx.exchange import telnyx_exchange
from bridge.simulators.carriers.telnyx.server import SimulatedTelnyx
from bridge.simulators.carriers.telnyx.stream_session import TelnyxStreamSession
from bridge.simulators.phone.live_call import Network
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused
from telecodecs.format import AudioFormat

RINGS_S = 15.0
"""How long the phone rings before the caller gives up."""

SILENT_S = 5.0
"""How long the caller stays when the stream is gone and nobody hangs up: the server may have died."""


async def place_call_with_options(
    url: str, plan: Callable[[AudioFormat], CallPlan], options: CallOptions, network: Network, port: int
) -> CallReport:
    """`place_controlled_call` as the command line asks for it. Raises as it does, and as `telnyx_exchange` does."""
    says = telnyx_exchange(options).says
    return await place_controlled_call(
        url, plan, codec=says.codec, byteorder=says.byteorder, network=network, port=port
    )


async def place_controlled_call(
    url: str,
    plan: Callable[[AudioFormat], CallPlan],
    *,
    codec: str = "PCMU",
    byteorder: Literal["little", "big"] = "little",
    network: Network = Network(),  # noqa: B008 - frozen
    port: int = 0,
    rings_s: float = RINGS_S,
) -> CallReport:
    """Call the server with this webhook, and carry the call to its end.

    `plan`: what the caller does, told in which format the audio is to be. `port`: of the REST API, /v2 under it.
    Raises `CallRefused` with the reason if no stream comes about.
    """
    calls = CallControlPhone(plan, network, byteorder)
    carried = asyncio.Event()

    async def media(stream: TelnyxStreamSession) -> bool:
        carried.set()
        if await calls(stream):
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENT_S):
                await stream.ended.wait()
        return not stream.ended.is_set()

    fake = SimulatedTelnyx(media, webhook_url=url, port=port, codec=codec)
    async with fake.running():
        call = fake.ring()
        over = asyncio.create_task(fake.over(call))
        begun = asyncio.create_task(carried.wait())
        try:
            await asyncio.wait({over, begun}, timeout=rings_s, return_when=asyncio.FIRST_COMPLETED)
            if not begun.done():
                fake.hang_up(call)
            await over
        finally:
            begun.cancel()
            over.cancel()
    if calls.reports:
        return replace(calls.reports[0], pressed=call.pressed)
    status = fake.deliveries[0].status if fake.deliveries else None
    told = ", ".join(f"{command.name} ({command.status})" for command in fake.commands) or "nothing"
    raise CallRefused(
        f"no stream came about: the webhook answered {f'HTTP {status}' if status else 'not at all'}, "
        f"and {fake.url} was told {told}"
    )
