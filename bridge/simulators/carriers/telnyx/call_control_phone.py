"""The simulated phone under Call Control: carries the streams that the simulated Telnyx opens for commands."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from bridge.simulators.carriers.contract import MediaSocket
from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.telnyx.coding import Coding, Mode
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream, token_headers
from bridge.simulators.carriers.telnyx.stream_session import StreamRequest, TelnyxStreamSession
from bridge.simulators.carriers.voice_xml import TRACKS
from bridge.simulators.interruption import Interruption
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
    not name. `rehearsal`: how the server's public address is reached. `interruption`: says why the call was ended.
    """

    def __init__(
        self,
        plan: Callable[[AudioFormat], CallPlan],
        network: Network = Network(),  # noqa: B008 - frozen
        byteorder: Literal["little", "big"] = "little",
        *,
        rehearsal: Rehearsal | None = None,
        interruption: Interruption | None = None,
    ) -> None:
        self.reports: list[CallReport] = []
        """The reports of the calls that are over."""
        self._plan = plan
        self._network = network
        self._byteorder = byteorder
        self._rehearsal = rehearsal
        self._interruption = interruption

    async def __call__(self, stream: TelnyxStreamSession) -> bool:
        """Carry a stream; whether the caller hung up. Raises `CallRefused` if the socket cannot be opened."""
        wanted = stream.wanted
        carrier = call_control_stream(wanted, self._byteorder)
        line = LiveCall(
            self._plan(carrier.line),
            carrier,
            self._network,
            opened=stream.opened,
            rings=not stream.answered.is_set(),
        )
        socket = MediaSocket(wanted.url, token_headers(wanted.auth_token), carrier).in_rehearsal(
            self._rehearsal
        )
        watching = (
            asyncio.create_task(_when(stream.answered, line.answer)),
            asyncio.create_task(_when(stream.ended, lambda: line.hang_up(self._why_ended()))),
        )
        try:
            report = await line.carry(socket.url, socket.headers, socket.tls)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        self.reports.append(report)
        return report.ending in HANGS_UP

    def _why_ended(self) -> Ending:
        interrupted = self._interruption is not None and self._interruption.happened
        return Ending.INTERRUPTED if interrupted else Ending.TOLD_TO


def call_control_stream(wanted: StreamRequest, byteorder: Literal["little", "big"]) -> SimulatedTelnyxStream:
    """The carrier's side of the stream that a command asks for. `byteorder`: of L16.

    Raises `CallRefused` where the server asks for a codec that this phone cannot encode or decode.
    """
    try:
        return SimulatedTelnyxStream(
            call_control_id=wanted.call_control_id,
            call_session_id=wanted.call_session_id,
            stream_id=wanted.stream_id,
            says=Coding(wanted.codec, wanted.rate_hz, byteorder),
            hears=Coding(wanted.bidirectional_codec, wanted.bidirectional_rate_hz, byteorder),
            mode=_MODES.get(wanted.mode, "off"),
            tracks=TRACKS[wanted.track],
            parameters=wanted.custom_parameters,
            one_way=wanted.mode is None and wanted.track != "inbound_track",
            caller=wanted.caller,
            called=wanted.called,
            client_state=wanted.client_state or "",
            stream_token=wanted.auth_token,
            began_at=datetime.now(UTC),
        )
    except ConfigurationError as error:
        raise CallRefused(f"the simulated phone cannot carry the stream: {error}") from None


async def _when(event: asyncio.Event, act: Callable[[], None]) -> None:
    await event.wait()
    act()
