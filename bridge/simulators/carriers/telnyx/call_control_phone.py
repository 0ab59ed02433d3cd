"""Carrying the streams that a pretend Telnyx orders: the phone that its REST server is given.

Under Call Control the server commands the stream, and the pretend REST server has it carried by an `CallControlPhone`,
one call after the other or many at once.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from bridge.simulators.carriers.telnyx.coding import Coding, Mode
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream, token_headers
from bridge.simulators.carriers.telnyx.stream_session import StreamRequest, TelnyxStreamSession
from bridge.simulators.carriers.voice_xml import TRACKS
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.live_call import LiveCall, Network
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import CallRefused, ConfigurationError
from telecodecs.format import AudioFormat

HANGS_UP = {Ending.HUNG_UP, Ending.QUIET, Ending.TOO_LONG}
"""Endings that are the caller's doing."""

_MODES: dict[str | None, Mode] = {"rtp": "rtp", "mp3": "mp3"}


class CallControlPhone:
    """`bridge.simulators.carriers.telnyx.stream_session.Media`. `plan`: what the caller does, told what format the audio is to have.

    `byteorder`: of L16, which an order does not name.
    """

    def __init__(
        self,
        plan: Callable[[AudioFormat], CallPlan],
        network: Network = Network(),  # noqa: B008 - frozen
        byteorder: Literal["little", "big"] = "little",
    ) -> None:
        self.reports: list[CallReport] = []
        """Of the calls that are over."""
        self._plan = plan
        self._network = network
        self._byteorder = byteorder

    async def __call__(self, stream: TelnyxStreamSession) -> bool:
        """Carry it; tells whether the caller hung up. Raises `CallRefused` where no socket comes about."""
        order = stream.order
        carrier = self._carrier(order)
        line = LiveCall(
            self._plan(carrier.line),
            carrier,
            self._network,
            opened=stream.opened,
            rings=not stream.answered.is_set(),
        )
        watching = (
            asyncio.create_task(_when(stream.answered, line.answer)),
            asyncio.create_task(_when(stream.ended, line.hang_up)),
        )
        try:
            report = await line.carry(order.url, token_headers(order.auth_token))
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        self.reports.append(report)
        return report.ending in HANGS_UP

    def _carrier(self, order: StreamRequest) -> SimulatedTelnyxStream:
        try:
            says = Coding(order.codec, order.rate_hz, self._byteorder)
            hears = Coding(order.bidirectional_codec, order.bidirectional_rate_hz, self._byteorder)
        except ConfigurationError as error:
            raise CallRefused(f"the stream cannot be: {error}") from None
        return SimulatedTelnyxStream(
            call_control_id=order.call_control_id,
            call_session_id=order.call_session_id,
            stream_id=order.stream_id,
            says=says,
            hears=hears,
            mode=_MODES.get(order.mode, "off"),
            tracks=TRACKS[order.track],
            parameters=order.custom_parameters,
            caller=order.caller,
            called=order.called,
            client_state=order.client_state or "",
            stream_token=order.auth_token,
            began_at=datetime.now(UTC),
        )


async def _when(event: asyncio.Event, act: Callable[[], None]) -> None:
    await event.wait()
    act()
