"""A media socket with the token of a call under way: with its `start` it takes the call over, and not before.

Until then the stream that the call has, if it is still there, is left alone: the token alone does not prove that the
carrier has opened another one. A `start` that is refused closes this socket and changes nothing about the call.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bridge.observers.capture import Capture, taps_of
from bridge.settings.assistants import Pings
from bridge.shell.session import Session, clock
from bridge.shell.websocket import SocketLeg
from bridge.vocabulary.contracts import Carrier, CarrierOutcome, WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import CallStarted, CloseRequested
from bridge.vocabulary.message_rate import BadMessages, carrier_rate

REFUSED = 1008
"""The WebSocket close code of a policy (RFC 6455, 7.4.1)."""

log = structlog.get_logger()


class ReturningStream:
    """One such socket: its `leg` is given to the connection.

    `start_s`: how long `start` may take. `taken_over`: called once, when the call goes on with this socket.
    `capture`: of the call, if it has one.
    """

    def __init__(
        self,
        session: Session,
        carrier: Carrier,
        start_s: float,
        taken_over: Callable[[SocketLeg], None],
        pings: Pings | None = None,
        capture: Capture | None = None,
    ) -> None:
        self._session = session
        self._carrier = carrier
        self._taken_over = taken_over
        self._has_call = False
        self._bad_messages = BadMessages()
        self._timer = asyncio.get_running_loop().call_later(
            start_s, self.close, "the carrier never said start"
        )
        taps = taps_of(capture, self._said, self._lost)
        self.leg = SocketLeg(taps.receive, taps.lost, rate=carrier_rate(), pings=pings)
        self._session_leg = taps.leg(self.leg)

    def close(self, why: str, code: int = REFUSED) -> None:
        """Close the socket, unless the call goes on with it."""
        self._timer.cancel()
        if not self._has_call:
            log.warning("= a stream that returned was closed", call_id=self._session.call_id, reason=why)
            self.leg.close(code, why)

    def _said(self, message: WireMessage) -> None:
        if self._has_call:
            self._session.carrier_said(message)
            return
        outcomes: Sequence[CarrierOutcome] = ()
        try:
            outcomes = self._carrier.decode(message, clock())
        except MalformedMessage as error:
            log.debug("= a stream that returned said something malformed", reason=str(error))
            if self._bad_messages.add(clock()):
                self.close(str(self._bad_messages))
        for outcome in outcomes:
            if isinstance(outcome, CallStarted):
                self._take_over(outcome)
            elif isinstance(outcome, CloseRequested):
                self.close(outcome.why, outcome.code)

    def _take_over(self, start: CallStarted) -> None:
        if why := self._session.refusal(start):
            self.close(why)
            return
        self._timer.cancel()
        self._has_call = True
        self._taken_over(self.leg)
        self._session.rejoin(self._carrier, self._session_leg, start)

    def _lost(self, code: int, reason: str) -> None:
        self._timer.cancel()
        if self._has_call:
            self._session.carrier_lost(self._carrier, code, reason)
