"""The shell of the pretend phone: one call in real time, from the webhook to the closed socket.

A socket feeds the handset, one timer follows its deadline, and what the handset returns is written at once: no task
and no queue for a frame. Over a slow network, where one is asked for, `line_delay` stands between them and the socket.
Nothing here decides anything.
"""

import asyncio
import time

from bridge.contracts import WireMessage
from bridge.network import SocketLeg, dial
from bridge.phone.handset import Ending, Handset
from bridge.phone.line_delay import SHORTEST_WAIT_S, Delay, SlowLeg
from bridge.phone.plan import CallPlan
from bridge.phone.report import CallReport
from bridge.phone.trace import Direction, TraceLine
from bridge.phone.twilio import PretendTwilio, new_sid
from bridge.phone.webhook import StreamOrder, order_stream, signed_headers

CALLER = "+15550199"
CALLED = "+15550100"

CONGESTED_BYTES = 65_536
"""Unsent above this, audio is discarded: some four seconds of it. What Twilio allows is not published."""


async def place_call(
    url: str,
    plan: CallPlan,
    *,
    caller: str = CALLER,
    called: str = CALLED,
    call_sid: str = "",
    account_sid: str = "",
    auth_token: str = "",
    delay_ms: float = 0.0,
    jitter_ms: float = 0.0,
) -> CallReport:
    """Call `url` and carry the call to its end.

    http or https: a voice webhook, whose answer names the stream. ws or wss: the media socket itself. With
    `auth_token` both are signed. `delay_ms`, `jitter_ms`: the stream's network, each way. Raises `CallRefused` if no
    stream comes about, `ConfigurationError` for a delay that cannot be.
    """
    delay = Delay(delay_ms, jitter_ms)
    call_sid = call_sid or new_sid("CA")
    account_sid = account_sid or new_sid("AC")
    if url.startswith(("http:", "https:")):
        order = await order_stream(
            url,
            call_sid=call_sid,
            account_sid=account_sid,
            caller=caller,
            called=called,
            auth_token=auth_token,
        )
    else:
        order = StreamOrder(url, plan.parameters, plan.one_way, plan.tracks)
    carrier = PretendTwilio(
        call_sid=call_sid,
        account_sid=account_sid,
        tracks=order.tracks,
        parameters=order.parameters,
        one_way=order.one_way,
    )
    handset = Handset(plan, carrier)
    line = _Line(handset, delay, keeps_trace=plan.keeps_trace)
    close_code, close_reason = await line.carry(order.url, signed_headers(order.url, {}, auth_token))
    assert handset.ending is not None, "a line is let go when its call is over"
    return CallReport(
        call_sid=call_sid,
        stream_sid=carrier.stream_sid,
        ending=handset.ending,
        close_code=close_code,
        close_reason=close_reason,
        line=carrier.line,
        said=handset.said,
        heard=handset.earpiece.heard,
        sent_at=tuple(at - line.began for at in handset.sent_at),
        received=tuple((at - line.began, audio) for at, audio in handset.received),
        marks=tuple(handset.earpiece.marks),
        clears=tuple(handset.earpiece.clears),
        digits="".join(handset.pressed),
        warnings=tuple(carrier.warnings),
        trace=tuple(line.trace),
    )


class _Line:
    """Joins one handset, one socket and one timer."""

    def __init__(self, handset: Handset, delay: Delay, *, keeps_trace: bool) -> None:
        self.began = 0.0
        self.trace: list[TraceLine] = []
        self._handset = handset
        self._delay = delay
        self._keeps_trace = keeps_trace
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[tuple[int, str]] = self._loop.create_future()
        self._early: list[WireMessage] = []  # came with the upgrade, before the stream began
        self._leg: SocketLeg | SlowLeg | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0

    async def carry(self, url: str, headers: dict[str, str]) -> tuple[int, str]:
        """From dialling to the close; returns its code and reason."""
        leg = await self._dial(url, headers)
        try:
            self._begin(leg)
            return await self._closed
        finally:
            self._disarm()
            leg.abort()

    async def _dial(self, url: str, headers: dict[str, str]) -> SocketLeg | SlowLeg:
        if not self._delay:
            return await dial(url, self._receive, self._lost, headers=headers)
        slow = SlowLeg(self._receive, self._lost, self._delay)
        await slow.dial(url, headers)
        return slow

    def _begin(self, leg: SocketLeg | SlowLeg) -> None:
        self._leg = leg
        self.began = _now()
        self._send(self._handset.begin(self.began), self.began)
        for message in self._early:
            self._receive(message)
        if self._closed.done():
            self._handset.server_left(self.began)
        else:
            self._tick()

    def _receive(self, message: WireMessage) -> None:
        if self._leg is None:
            self._early.append(message)
            return
        now = _now()
        self._note(now, "<", message)
        self._send(self._handset.hear(message, now), now)
        self._arm()

    def _lost(self, code: int, reason: str) -> None:
        self._disarm()
        if self._leg is not None:
            self._handset.server_left(_now())
        if not self._closed.done():
            self._closed.set_result((code, reason))

    def _tick(self) -> None:
        leg = self._leg
        assert leg is not None, "the timer runs from the start of the stream"
        self._disarm()
        now = _now()
        self._send(self._handset.due(now, congested=leg.backlog > CONGESTED_BYTES), now)
        match self._handset.ending:
            case None:
                self._arm()
            case Ending.DIED:
                leg.abort()
            case _:
                leg.close()

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
        assert self._leg is not None, "nothing is sent before the stream began"
        for message in messages:
            self._leg.send(message)
            self._note(now, ">", message)

    def _note(self, now: float, direction: Direction, message: WireMessage) -> None:
        if self._keeps_trace:
            self.trace.append(TraceLine((now - self.began) * 1000, direction, message))


def _now() -> float:
    """The clock of the event loop, but fine: uvloop's own `time()` has whole milliseconds."""
    return time.monotonic()
