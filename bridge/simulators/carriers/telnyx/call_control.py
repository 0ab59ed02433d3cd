"""Places one simulated call under Telnyx's Call Control: sends the webhooks of the call and obeys the commands.

The server under test sends its commands to the simulated REST API that is opened here for the call.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from bridge.simulators.carriers.contract import CALLED, CALLER, CallOptions
from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.telnyx.call_control_phone import CallControlPhone
from bridge.simulators.carriers.telnyx.exchange import telnyx_exchange
from bridge.simulators.carriers.telnyx.server import API_KEY, SimulatedTelnyx
from bridge.simulators.carriers.telnyx.stream_session import TelnyxStreamSession
from bridge.simulators.carriers.telnyx.webhooks import TEST_SEED
from bridge.simulators.changes import first_of
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.live_call import Network
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused
from telecodecs.format import AudioFormat

RINGS_S = 15.0
"""How long the phone rings before the caller gives up."""

SILENT_S = 5.0
"""How long the caller stays when the stream is closed and nobody hangs up; the server may have died."""

PARTING_S = 10.0
"""How long the last webhook of the call may take, with its retries."""


async def place_call_with_options(
    url: str,
    plan: Callable[[AudioFormat], CallPlan],
    options: CallOptions,
    network: Network,
    port: int,
    interruption: Interruption,
) -> CallReport:
    """Place a call as the command line asks for it. Raises as `place_controlled_call` and `telnyx_exchange` do."""
    exchange = telnyx_exchange(options)
    return await place_controlled_call(
        url,
        plan,
        codec=exchange.says.codec,
        byteorder=exchange.says.byteorder,
        network=network,
        port=port,
        seed=exchange.private_key,
        api_key=options.api_key or API_KEY,
        rehearsal=options.rehearsal,
        interruption=interruption,
        caller=options.caller,
        called=options.called,
    )


class _Media:
    """Carries the call's stream, as `CarryStream`, and remembers how that went."""

    def __init__(self, phone: CallControlPhone) -> None:
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        self.refusal: CallRefused | None = None
        """Why the stream could not be opened."""
        self._phone = phone

    async def __call__(self, stream: TelnyxStreamSession) -> bool:
        self.begun.set()
        try:
            if await self._phone(stream):
                return True
            await first_of(stream.ended.wait(), within_s=SILENT_S)
            return not stream.ended.is_set()
        except CallRefused as refusal:
            self.refusal = refusal
            raise
        finally:
            self.over.set()


async def place_controlled_call(
    url: str,
    plan: Callable[[AudioFormat], CallPlan],
    *,
    codec: str = "PCMU",
    byteorder: Literal["little", "big"] = "little",
    network: Network = Network(),  # noqa: B008 - frozen
    port: int = 0,
    rings_s: float = RINGS_S,
    seed: str = TEST_SEED,
    api_key: str = API_KEY,
    rehearsal: Rehearsal | None = None,
    interruption: Interruption | None = None,
    caller: str = CALLER,
    called: str = CALLED,
) -> CallReport:
    """Call the server at its webhook `url` and carry the call to its end.

    `plan`: makes what the caller does, with audio in the format given to it. `codec`: of the call. `port`: of the REST
    API, whose paths begin with /v2; 0 for any. `rings_s`: how long the caller waits for a stream. `seed`: of the key
    that signs. `interruption`: makes the caller hang up.
    Raises `CallRefused` with the reason if no stream is opened, and at once what the simulated Telnyx raises.
    """
    interruption = interruption or Interruption()
    phone = CallControlPhone(plan, network, byteorder, rehearsal=rehearsal, interruption=interruption)
    media = _Media(phone)
    telnyx = SimulatedTelnyx(
        media, webhook_url=url, port=port, codec=codec, seed=seed, api_key=api_key, rehearsal=rehearsal
    )
    async with telnyx.running():
        call = telnyx.ring(caller=caller, called=called)
        with interruption.ends_with(lambda: telnyx.hang_up(call)):
            await first_of(media.begun.wait(), telnyx.over(call), _turned_away(telnyx), within_s=rings_s)
            if media.begun.is_set():
                await first_of(media.over.wait(), telnyx.over(call), telnyx.failed())
                if media.refusal is None:
                    await first_of(telnyx.over(call), telnyx.failed(), within_s=SILENT_S)
            telnyx.hang_up(call)
            await first_of(
                telnyx.over(call), within_s=PARTING_S
            )  # the server hears of it, whatever has failed
    if phone.reports:
        return replace(phone.reports[0], pressed=call.pressed)
    raise media.refusal or _no_stream(telnyx)


async def _turned_away(telnyx: SimulatedTelnyx) -> None:
    """Wait until the webhook of the call was given up, or a task has failed; forever if it was delivered."""
    failed = asyncio.create_task(telnyx.failed())
    initiated = asyncio.create_task(telnyx.told("call.initiated"))
    try:
        await asyncio.wait({failed, initiated}, return_when=asyncio.FIRST_COMPLETED)
        if initiated.done() and initiated.result().delivered:
            await failed
    finally:
        failed.cancel()
        initiated.cancel()


def _no_stream(telnyx: SimulatedTelnyx) -> CallRefused:
    status = telnyx.deliveries[0].status if telnyx.deliveries else None
    commands = ", ".join(f"{command.name} ({command.status})" for command in telnyx.commands) or "no command"
    return CallRefused(
        f"no stream was opened: the webhook answered {f'HTTP {status}' if status else 'nothing'}, "
        f"and {telnyx.url} received {commands}"
    )
