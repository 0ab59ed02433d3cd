"""Places one simulated call under Telnyx's Call Control: sends the webhooks of the call and obeys the commands.

The server under test sends its commands to the simulated REST API that is opened here for the call.
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
"""How long the caller stays when the stream is closed and nobody hangs up; the server may have died."""


async def place_call_with_options(
    url: str, plan: Callable[[AudioFormat], CallPlan], options: CallOptions, network: Network, port: int
) -> CallReport:
    """Place a call as the command line asks for it. Raises as `place_controlled_call` and `telnyx_exchange` do."""
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
    """Call the server at its webhook `url` and carry the call to its end.

    `plan`: makes what the caller does, with audio in the format given to it. `codec`: of the call. `port`: of the REST
    API, whose paths begin with /v2; 0 for any. `rings_s`: how long the caller waits for a stream.
    Raises `CallRefused` with the reason if no stream is opened.
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

    telnyx = SimulatedTelnyx(media, webhook_url=url, port=port, codec=codec)
    async with telnyx.running():
        call = telnyx.ring()
        over = asyncio.create_task(telnyx.over(call))
        begun = asyncio.create_task(carried.wait())
        try:
            await asyncio.wait({over, begun}, timeout=rings_s, return_when=asyncio.FIRST_COMPLETED)
            if not begun.done():
                telnyx.hang_up(call)
            await over
        finally:
            begun.cancel()
            over.cancel()
    if calls.reports:
        return replace(calls.reports[0], pressed=call.pressed)
    status = telnyx.deliveries[0].status if telnyx.deliveries else None
    commands = ", ".join(f"{command.name} ({command.status})" for command in telnyx.commands) or "no command"
    raise CallRefused(
        f"no stream was opened: the webhook answered {f'HTTP {status}' if status else 'nothing'}, "
        f"and {telnyx.url} received {commands}"
    )
