"""The simulated phone under Call Control: carries the streams that the simulated Telnyx opens for commands."""

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
"""Endings in which the caller hangs up."""

_MODES: dict[str | None, Mode] = {"rtp": "rtp", "mp3": "mp3"}


class CallControlPhone:
    """A `CarryStream`, for one call after another or many at once.

    `plan`: makes what the caller does, with audio in the format given to it. `byteorder`: of L16, which a command does
    not name.
    """

    def __init__(
        self,
        plan: Callable[[AudioFormat], CallPlan],
        network: Network = Network(),  # noqa: B008 - frozen
        byteorder: Literal["little", "big"] = "little",
    ) -> None:
        self.reports: list[CallReport] = []
        """The reports of the calls that are over."""
        self._plan = plan
        self._network = network
        self._byteorder = byteorder

    async def __call__(self, stream: TelnyxStreamSession) -> bool:
        """Carry a stream; whether the caller hung up. Raises `CallRefused` if the socket cannot be opened."""
        wanted = stream.wanted
        carrier = self._carrier(wanted)
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
            report = await line.carry(wanted.url, token_headers(wanted.auth_token))
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        self.reports.append(report)
        return report.ending in HANGS_UP

    def _carrier(self, wanted: StreamRequest) -> SimulatedTelnyxStream:
        try:
            says = Coding(wanted.codec, wanted.rate_hz, self._byteorder)
            hears = Coding(wanted.bidirectional_codec, wanted.bidirectional_rate_hz, self._byteorder)
        except ConfigurationError as error:
            raise CallRefused(f"the stream cannot be opened: {error}") from None
        return SimulatedTelnyxStream(
            call_control_id=wanted.call_control_id,
            call_session_id=wanted.call_session_id,
            stream_id=wanted.stream_id,
            says=says,
            hears=hears,
            mode=_MODES.get(wanted.mode, "off"),
            tracks=TRACKS[wanted.track],
            parameters=wanted.custom_parameters,
            caller=wanted.caller,
            called=wanted.called,
            client_state=wanted.client_state or "",
            stream_token=wanted.auth_token,
            began_at=datetime.now(UTC),
        )


async def _when(event: asyncio.Event, act: Callable[[], None]) -> None:
    await event.wait()
    act()
