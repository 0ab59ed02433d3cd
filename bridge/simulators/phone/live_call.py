"""Carries one call of the simulated phone in real time, from opening the media socket to its close.

Messages from the socket go to the handset, one timer follows the handset's deadline, and what the handset returns is
written at once: no task and no queue for a frame. If a slow network is asked for, `network_delay` is between the two.
The handset makes the decisions.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect
from bridge.simulators.carriers.contract import SimulatedStream
from bridge.simulators.phone.handset import Ending, Handset
from bridge.simulators.phone.network_delay import AT_ONCE, MAX_MESSAGE_BYTES, SHORTEST_WAIT_S, Delay, SlowLeg
from bridge.simulators.phone.network_disorder import IN_ORDER, Disorder
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.simulators.phone.trace import Direction, TraceLine
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import CallRefused

CONGESTED_BYTES = 65_536
"""Audio is discarded while more than this is unsent, about four seconds. The carriers do not publish their limit."""

MOST_REDIALS = 3
"""A carrier that connects again gives up after so many refusals in a row."""

DROPPED = 1006
"""The close code of a connection that broke (RFC 6455, section 7.1.5); any other code is a close on purpose."""


@dataclass(frozen=True, slots=True)
class Network:
    """The network between the phone and the server."""

    delay: Delay = AT_ONCE
    disorder: Disorder = IN_ORDER


class LiveCall:
    """One call in real time: a handset, a socket and a timer.

    `plan`: what the caller does. `stream`: the carrier's side of the media stream. `reconnect`: makes the call's next
    stream, for a carrier that connects again when the connection breaks. `opened` is called each time the socket has
    been opened. `rings`: the call is not answered yet; the stream starts with `answer`.
    """

    def __init__(
        self,
        plan: CallPlan,
        stream: SimulatedStream,
        network: Network = Network(),
        *,
        reconnect: Callable[[], SimulatedStream] | None = None,
        opened: Callable[[], None] | None = None,
        rings: bool = False,
    ) -> None:
        self._plan = plan
        self._network = network
        self._reconnect = reconnect
        self._opened = opened
        self._rings = rings
        self._streams = [stream]
        self._handset = Handset(plan, stream, network.disorder)
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None
        self._told_to_end = False
        self._trace: list[TraceLine] = []
        self._closed: asyncio.Future[tuple[int, str]]
        self._early: list[WireMessage] = []  # arrived before the stream began
        self._leg: SocketLeg | SlowLeg | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0

    async def carry(self, url: str, headers: Mapping[str, str] | None = None) -> CallReport:
        """Open the media socket at `url` and carry the call to its end.

        `headers`: of the upgrade. Raises `CallRefused` with the reason if the socket cannot be opened.
        """
        try:
            self._begin(await self._connect(url, headers or {}))
            code, reason = await self._closed
            while self._handset.ending is None and await self._connect_again(url, headers or {}):
                code, reason = await self._closed
        finally:
            self._disarm()
            if self._leg is not None:
                self._leg.abort()
        return self._report(code, reason)

    def answer(self) -> None:
        """The call, which rang until now, is answered."""
        rang, self._rings = self._rings, False
        if rang and self._leg is not None:
            self._start()

    def hang_up(self) -> None:
        """End the call as the carrier: send `stop` and close the socket, or do so as soon as it is open.

        A call that still rings ends without `start` and `stop`.
        """
        self._told_to_end = True
        now = _now()
        if self._began is not None:
            self._send(self._handset.hang_up(now), now)
        elif self._leg is None:
            return
        else:
            self._fail(now)
            self._handset.hang_up(now)
        self._disarm()
        if self._leg is not None:
            self._leg.close()

    async def _connect(self, url: str, headers: Mapping[str, str]) -> SocketLeg | SlowLeg:
        self._closed = self._loop.create_future()
        if not self._network.delay:
            return await connect(
                url, self._receive, self._lost, headers=headers, max_message_bytes=MAX_MESSAGE_BYTES
            )
        slow = SlowLeg(self._receive, self._lost, self._network.delay)
        await slow.connect(url, headers)
        return slow

    async def _connect_again(self, url: str, headers: Mapping[str, str]) -> bool:
        """Connect again; whether that worked."""
        for _ in range(MOST_REDIALS):
            await asyncio.sleep(self._plan.back_after_ms / 1000)
            if self._handset.ending is not None:
                return False
            try:
                leg = await self._connect(url, headers)
            except CallRefused:
                continue
            if self._handset.ending is not None:
                leg.abort()
                return False
            self._begin(leg)
            return True
        self._disarm()
        self._handset.server_left(_now())
        return False

    def _begin(self, leg: SocketLeg | SlowLeg) -> None:
        self._leg = leg
        if self._opened is not None:
            self._opened()
        if not self._rings:
            self._start()
            return
        self._send(self._handset.ring(), _now())
        if self._told_to_end:
            self.hang_up()
        elif self._closed.done():
            self._gone(self._closed.result()[0])

    def _start(self) -> None:
        now = _now()
        self._send(self._opening(now), now)
        early, self._early = self._early, []
        for message in early:
            self._receive(message)
        if self._told_to_end:
            self.hang_up()
        elif self._closed.done():
            self._gone(self._closed.result()[0])
        else:
            self._tick()

    def _opening(self, now: float) -> list[str]:
        if self._began is None:
            self._began = now
            return self._handset.begin(now)
        assert self._reconnect is not None, "only a carrier that connects again comes here twice"
        self._streams.append(self._reconnect())
        return self._handset.reopen(self._streams[-1])

    def _receive(self, message: WireMessage) -> None:
        if self._leg is None or self._rings:
            self._early.append(message)
            return
        now = _now()
        self._note(now, "<", message)
        self._send(self._handset.hear(message, now), now)
        self._arm()

    def _lost(self, code: int, reason: str) -> None:
        if not self._closed.done():
            self._closed.set_result((code, reason))
        if self._leg is not None:
            self._gone(code)

    def _gone(self, code: int) -> None:
        self._leg = None
        now = _now()
        if self._began is None:
            self._fail(now)
        elif self._reconnect is not None and code == DROPPED and self._handset.ending is None:
            self._handset.lost(now)
            self._tick()
            return
        self._disarm()
        self._handset.server_left(now)

    def _fail(self, now: float) -> None:
        """The call ends before it was answered: its report has no audio and a length of 0."""
        self._began = now
        self._handset.begin(now)

    def _tick(self) -> None:
        self._disarm()
        leg, now = self._leg, _now()
        congested = leg is not None and leg.backlog > CONGESTED_BYTES
        self._send(self._handset.due(now, congested=congested), now)
        if leg is not None:
            match self._handset.ending:
                case None if not self._handset.dropped:
                    pass
                case None | Ending.DIED:
                    leg.abort()
                case _:
                    leg.close()
        self._arm()

    def _arm(self) -> None:
        """Wake no later than the handset's deadline. Waking early does no harm, and saves a timer for each message."""
        if self._handset.ending is not None:
            return
        deadline = self._handset.deadline()
        if self._timer is None or deadline < self._wakes_at:
            self._disarm()
            self._wakes_at = deadline
            self._timer = self._loop.call_later(max(deadline - _now(), SHORTEST_WAIT_S), self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, messages: list[str], now: float) -> None:
        """Send and record messages; drop them if there is no connection."""
        if self._leg is None:
            return
        for message in messages:
            self._leg.send(message)
            self._note(now, ">", message)

    def _note(self, now: float, direction: Direction, message: WireMessage) -> None:
        if self._plan.keeps_trace:
            since = now if self._began is None else self._began
            self._trace.append(TraceLine((now - since) * 1000, direction, message))

    def _report(self, code: int, reason: str) -> CallReport:
        handset, stream, began = self._handset, self._streams[-1], self._began
        assert began is not None, "a report is made after carry"
        assert handset.ending is not None, "a report is made when the call has ended"
        return CallReport(
            call_sid=stream.call_sid,
            stream_sid=stream.stream_sid,
            ending=handset.ending,
            close_code=code,
            close_reason=reason,
            line=stream.line,
            plays=stream.plays,
            said=handset.said,
            heard=handset.earpiece.heard,
            sent_at=tuple(at - began for at in handset.sent_at),
            received=tuple((at - began, audio) for at, audio in handset.received),
            marks=tuple(handset.earpiece.marks),
            clears=tuple(handset.earpiece.clears),
            digits="".join(handset.pressed),
            warnings=tuple(warned for stream in self._streams for warned in stream.warnings),
            trace=tuple(self._trace),
            disorder_counts=handset.disorder_counts,
            reconnects=len(self._streams) - 1,
        )


def _now() -> float:
    """The clock of the event loop in full resolution: uvloop's `time()` has whole milliseconds."""
    return time.monotonic()
