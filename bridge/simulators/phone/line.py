"""The shell of the pretend phone: one call in real time, from dialling the media socket to its close.

A socket feeds the handset, one timer follows its deadline, and what the handset returns is written at once: no task
and no queue for a frame. Over a slow network, where one is asked for, `line_delay` stands between them and the socket.
Nothing here decides anything.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.shell.websocket import SocketLeg, connect
from bridge.simulators.carriers.contract import SimulatedStream
from bridge.simulators.phone.disorder import IN_ORDER, Disorder
from bridge.simulators.phone.handset import Ending, Handset
from bridge.simulators.phone.line_delay import AT_ONCE, MAX_MESSAGE_BYTES, SHORTEST_WAIT_S, Delay, SlowLeg
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.simulators.phone.trace import Direction, TraceLine
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import CallRefused

CONGESTED_BYTES = 65_536
"""Unsent above this, audio is discarded: some four seconds of it. What the carriers allow is not published."""

MOST_REDIALS = 3
"""A carrier that dials again gives up after so many refusals in a row."""

DROPPED = 1006
"""The close code of a connection that broke; whoever closes with another one meant to."""


@dataclass(frozen=True, slots=True)
class Network:
    """What lies between the phone and the server."""

    delay: Delay = AT_ONCE
    disorder: Disorder = IN_ORDER


class Line:
    """Joins one handset, one socket and one timer, for one call: `carry` it, and maybe `hang_up`.

    `again`: the same call's carrier, as new, where the carrier dials again when the connection breaks. `opened` is
    called when the socket is open. `rings`: the call is not answered yet, and the stream starts with `answer`.
    """

    def __init__(
        self,
        plan: CallPlan,
        carrier: SimulatedStream,
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
        self._carriers = [carrier]
        self._handset = Handset(plan, carrier, network.disorder)
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None
        self._told_to_end = False
        self._trace: list[TraceLine] = []
        self._closed: asyncio.Future[tuple[int, str]]
        self._early: list[WireMessage] = []  # came with the upgrade, before the stream began
        self._leg: SocketLeg | SlowLeg | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0

    async def carry(self, url: str, headers: Mapping[str, str] | None = None) -> CallReport:
        """Dial `url`, and carry the call to its end. Raises `CallRefused` if nobody takes it."""
        try:
            self._begin(await self._dial(url, headers or {}))
            code, reason = await self._closed
            while self._handset.ending is None and await self._redial(url, headers or {}):
                code, reason = await self._closed
        finally:
            self._disarm()
            if self._leg is not None:
                self._leg.abort()
        return self._report(code, reason)

    def answer(self) -> None:
        """The call that rang is answered."""
        rang, self._rings = self._rings, False
        if rang and self._leg is not None:
            self._start()

    def hang_up(self) -> None:
        """The carrier was told to end the call: `stop` goes out, and the socket closes. At once, or once it is open.

        A call that still rings ends with neither start nor stop.
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

    async def _dial(self, url: str, headers: Mapping[str, str]) -> SocketLeg | SlowLeg:
        self._closed = self._loop.create_future()
        if not self._network.delay:
            return await connect(
                url, self._receive, self._lost, headers=headers, max_message_bytes=MAX_MESSAGE_BYTES
            )
        slow = SlowLeg(self._receive, self._lost, self._network.delay)
        await slow.dial(url, headers)
        return slow

    async def _redial(self, url: str, headers: Mapping[str, str]) -> bool:
        """Whether the stream stands again."""
        for _ in range(MOST_REDIALS):
            await asyncio.sleep(self._plan.back_after_ms / 1000)
            if self._handset.ending is not None:
                return False
            try:
                leg = await self._dial(url, headers)
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
        assert self._reconnect is not None, "only a carrier that dials again comes here twice"
        self._carriers.append(self._reconnect())
        return self._handset.begin_again(self._carriers[-1])

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
        """The call ends before it was answered: one of no length, of which nothing is sent."""
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
        """Wake no later than the handset asks; to wake too early does no harm and saves a timer for each message."""
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
        """Where the connection is broken, nowhere."""
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
        handset, carrier, began = self._handset, self._carriers[-1], self._began
        assert began is not None, "it was carried"
        assert handset.ending is not None, "a line is let go when its call is over"
        return CallReport(
            call_sid=carrier.call_sid,
            stream_sid=carrier.stream_sid,
            ending=handset.ending,
            close_code=code,
            close_reason=reason,
            line=carrier.line,
            plays=carrier.plays,
            said=handset.said,
            heard=handset.earpiece.heard,
            sent_at=tuple(at - began for at in handset.sent_at),
            received=tuple((at - began, audio) for at, audio in handset.received),
            marks=tuple(handset.earpiece.marks),
            clears=tuple(handset.earpiece.clears),
            digits="".join(handset.pressed),
            warnings=tuple(warned for carrier in self._carriers for warned in carrier.warnings),
            trace=tuple(self._trace),
            mishaps=handset.mishaps,
            reconnects=len(self._carriers) - 1,
        )


def _now() -> float:
    """The clock of the event loop, but fine: uvloop's own `time()` has whole milliseconds."""
    return time.monotonic()
