"""Places one call of a load test and carries it in real time: from the webhook to the close of the media socket."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect
from bridge.simulators.carriers.contract import CALLED, CALLER, Exchange, MediaSocket, SimulatedStream
from bridge.simulators.load.caller import Behaviour, Caller
from bridge.simulators.load.measures import FailureNote, Tally
from bridge.simulators.load.pacer import Pacer
from bridge.simulators.load.summary import badness, summarise
from bridge.simulators.load.talk import Talk
from bridge.simulators.phone.live_call import CONGESTED_BYTES
from bridge.simulators.phone.network_delay import MAX_MESSAGE_BYTES, Delay, SlowLeg
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import BROKEN
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import BridgeError

MEANT = frozenset({1000, 1005})
"""The close codes of a call that the server ended on purpose (RFC 6455, 7.4.1)."""

GOING_AWAY = 1001

SETTING_UP_S = 1.0
"""A call that is still being set up at the end of the run has failed if it has had longer than this."""

clock = time.monotonic

_PLAN = CallPlan(keeps_trace=False)


@dataclass(slots=True)
class Surroundings:
    """What all calls of a process share. `began`: when the run began, by `clock`."""

    url: str
    process: int
    began: float
    call_s: float
    behaviour: Behaviour
    delay: Delay
    new_exchange: Callable[[], Exchange]
    tally: Tally
    pacer: Pacer
    talks: tuple[Talk, ...]
    over: "Callable[[LiveCaller], None]"
    """Called once when a call has ended or failed."""
    closing: "set[LiveCaller]" = field(default_factory=set)
    """Calls that have ended and whose sockets are not closed yet."""
    tls: ssl.SSLContext | None = None
    """The system's certificate authorities, read once."""
    encoded: dict[tuple[str, tuple[str, str]], list[str]] = field(default_factory=dict)

    def payloads(self, talk: Talk, stream: SimulatedStream) -> list[str]:
        """The frames of a recording in the codec of a stream: encoded once, with the first stream that needs them."""
        key = talk.name, stream.wire_codecs
        if key not in self.encoded:
            self.encoded[key] = [stream.payload(stream.tracks[0], frame) for frame in talk.frames]
        return self.encoded[key]

    def tls_for(self, socket: MediaSocket) -> ssl.SSLContext | None:
        if socket.tls is not None or not socket.url.startswith("wss:"):
            return socket.tls
        if self.tls is None:
            self.tls = ssl.create_default_context()
        return self.tls


class _Leg(Protocol):
    @property
    def backlog(self) -> int: ...
    def send(self, message: WireMessage) -> None: ...
    def close(self, code: int = 1000, reason: str = "") -> None: ...
    def abort(self) -> None: ...


class LiveCaller:
    """One call. `number`: from 1. `due`: when it was to be placed, by `clock`; its set-up time counts from then."""

    def __init__(self, around: Surroundings, number: int, due: float) -> None:
        self.is_open = False
        """The stream is open, and the call has not ended."""
        self._around = around
        self._number = number
        self._due = due
        self._caller: Caller
        self._leg: _Leg | None = None
        self._early: list[WireMessage] = []
        self._ended = False
        self._hangs_up_at = 0.0

    async def place(self) -> None:
        """Set the call up; it goes on by itself. A call that is refused is counted. Raises nothing but cancellation."""
        around = self._around
        around.tally.counters.placed += 1
        try:
            await self._open()
        except BridgeError as error:
            self._fail_before(str(error))
        except OSError as error:
            self._fail_before(f"no connection: {error}")

    async def _open(self) -> None:
        around = self._around
        socket = await around.new_exchange().open(around.url, _PLAN, caller=CALLER, called=CALLED)
        talk = around.talks[(self._number - 1) % len(around.talks)]
        payloads = around.payloads(talk, socket.stream)
        send: Callable[[str], Any] = self._send
        self._caller = Caller(
            talk,
            payloads,
            socket.stream,
            around.behaviour,
            around.tally,
            send,
            self._number + 1000 * around.process,
        )
        leg = await self._connect(socket)
        if self._ended:  # hung up, or lost at once
            leg.abort()
            return
        self._leg = leg
        self._begin()

    async def _connect(self, socket: MediaSocket) -> _Leg:
        around = self._around
        if around.delay:
            slow = SlowLeg(self._receive, self._lost, around.delay)
            await slow.connect(socket.url, socket.headers, around.tls_for(socket))
            return slow
        leg: SocketLeg = await connect(
            socket.url,
            self._receive,
            self._lost,
            headers=socket.headers,
            max_message_bytes=MAX_MESSAGE_BYTES,
            tls=around.tls_for(socket),
        )
        return leg

    def _begin(self) -> None:
        around, now = self._around, clock()
        self.is_open = True
        around.tally.counters.started += 1
        around.tally.set_up.add((now - self._due) * 1000)
        self._hangs_up_at = now + around.call_s if around.call_s else float("inf")
        self._caller.open()
        early, self._early = self._early, []
        for message in early:
            self._caller.hear(message, now)
        around.pacer.add(self)

    def frame(self, due: float) -> None:
        """The pacer calls this every 20 ms."""
        if due >= self._hangs_up_at:
            self.hang_up("the caller hung up as planned")
            return
        assert self._leg is not None
        self._caller.frame(due, congested=self._leg.backlog > CONGESTED_BYTES)

    def hang_up(self, why: str, *, cut_short: bool = False) -> None:
        """End the call from the caller's side. `cut_short`: the run ended before the call."""
        if self._ended:
            return
        if self.is_open and self._leg is not None:
            self._leg.send(self._caller.closing)
            self._leg.close()
            counters = self._around.tally.counters
            if cut_short:
                counters.cut_short += 1
            else:
                counters.completed += 1
            self._finish(why)
        elif cut_short or clock() - self._due < SETTING_UP_S:  # it was being set up
            self._around.tally.counters.cut_short += 1
            self._end()
        else:
            self._fail_before("there was no answer by the end of the run")

    def abort(self) -> None:
        """Drop the connection if it is still there."""
        if self._leg is not None:
            self._leg.abort()

    def _send(self, message: str) -> None:
        if self._leg is not None:
            self._leg.send(message)

    def _receive(self, message: WireMessage) -> None:
        if self.is_open:
            self._caller.hear(message, clock())
        elif not self._ended:
            self._early.append(message)

    def _lost(self, code: int, reason: str) -> None:
        self._leg = None
        self._around.closing.discard(self)
        if self._ended:
            return
        if not self.is_open:
            self._fail_before(f"the server closed the stream before it began (close code {code})")
        elif code in MEANT:
            self._around.tally.counters.completed += 1
            self._finish("the server ended the call")
        else:
            self._finish(_fault(code, reason), failed=True, is_cut=code in (BROKEN, GOING_AWAY))

    def _fail_before(self, reason: str) -> None:
        """The call has failed before it had a stream."""
        if self._ended:
            return
        tally = self._around.tally
        tally.counters.failed += 1
        tally.failures.append(FailureNote(reason, round(clock() - self._around.began, 3)))
        self._end()

    def _finish(self, ended: str, *, failed: bool = False, is_cut: bool = False) -> None:
        now, around, caller = clock(), self._around, self._caller
        in_reply = caller.finish(now)
        began_s = self._due - around.began
        if failed:
            around.tally.counters.failed += 1
            note = FailureNote(
                ended, round(now - around.began, 3), has_stream=True, in_reply=in_reply, is_cut=is_cut
            )
            around.tally.failures.append(note)
        bad, why = badness(caller, failed=failed)
        around.tally.consider(
            bad,
            partial(
                summarise,
                caller,
                ended=ended,
                failed=failed,
                why=why,
                number=self._number,
                process=around.process,
                started_at_s=began_s,
                now=now,
            ),
        )
        around.pacer.remove(self)
        self._end()

    def _end(self) -> None:
        self._ended, self.is_open = True, False
        if self._leg is not None:
            self._around.closing.add(self)
        self._around.over(self)


def _fault(code: int, reason: str) -> str:
    said = f": {reason}" if reason else ""
    if code == BROKEN:
        return f"the stream broke (close code {BROKEN}{said})"
    if code == GOING_AWAY:
        return f"the server went away (close code {GOING_AWAY}{said})"
    return f"the server closed the stream with the code {code}{said}"
