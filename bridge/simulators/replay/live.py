"""Replays a trace against a running server: says what the carrier said, at its time, and writes down what comes back.

The call is a new one with its own ids, set up by the carrier's simulated exchange: by the voice webhook, or at the media
socket itself. What the assistant says is the server's business, so only the carrier's socket can be compared.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from bridge.carriers.registry import CARRIERS
from bridge.observers.trace import BRIDGE, CARRIER, MASK, BadTrace, Trace, TraceLine, as_message
from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect
from bridge.simulators.carriers.contract import CALLED, CALLER, CallOptions, MediaSocket, SimulatedStream
from bridge.simulators.carriers.registry import carrier_simulator
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.network_delay import MAX_MESSAGE_BYTES
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.replay.dry import PLAYED_KEY
from bridge.simulators.replay.marks import Marks, mark_name
from bridge.vocabulary.contracts import WireMessage

LINGER_S = 3.0
"""How long the server may take to close the socket, after the last message of the trace."""


class _Start(NamedTuple):
    """What the trace's stream says of itself."""

    line: int
    """Where `start` is, among the lines."""
    stream_id: str
    call_id: str
    parameters: dict[str, str]
    codec: str
    rate_hz: int


def _start_of(trace: Trace) -> _Start:
    """Raises `BadTrace` if the trace has no start."""
    for number, line in enumerate(trace.lines):
        if line.to == BRIDGE and line.leg == CARRIER and bytes(line.message):
            message: Any = msgspec.json.decode(bytes(line.message))
            if isinstance(message, dict) and isinstance(start := message.get("start"), dict):
                codec = start.get("media_format") or {}
                parameters = start.get("customParameters") or start.get("custom_parameters") or {}
                return _Start(
                    number,
                    str(message.get("streamSid") or message.get("stream_id") or ""),
                    str(start.get("callSid") or start.get("call_control_id") or ""),
                    {str(name): str(value) for name, value in parameters.items()},
                    str(codec.get("encoding", "")),
                    int(codec.get("sample_rate", 0)),
                )
    raise BadTrace("the trace has no start of the carrier's stream: expected one")


def check_carrier(trace: Trace, url: str) -> None:
    """Raises `BadTrace` where the trace is of another carrier than the address is for, or of one that nothing plays."""
    carrier = trace.header.carrier
    simulated = sorted(name for name, kind in CARRIERS.items() if kind.simulator)
    if carrier not in simulated:
        raise BadTrace(f"carrier = {carrier!r}: expected one of {', '.join(simulated)}")
    asked = urlsplit(url).path.removeprefix("/").partition("/")[0]
    if asked in CARRIERS and asked != carrier:
        raise BadTrace(
            f"the trace is of a call by {carrier}, and the path of the URL is for {asked}: expected /{carrier}/…"
        )


class LiveReplay:
    """One replay at `speed` times the trace's. `options`: how the call is signed."""

    def __init__(self, trace: Trace, options: CallOptions, speed: float = 1.0) -> None:
        self._header = trace.header
        self._start = start = _start_of(trace)
        self._speed = speed
        said = [line for line in trace.lines[start.line + 1 :] if line.leg == CARRIER]
        self._said = [line for line in said if line.to == BRIDGE or line.what == "lost"]
        self._marks = Marks([name for line in said if line.to == CARRIER and (name := mark_name(line.wire))])
        self._exchange = carrier_simulator(trace.header.carrier).exchange(_with_codec(options, start))
        self.said: Callable[[int], object] = lambda _number: None
        """Is called with the number of each message of the trace that was said, from 0."""
        self.stopped_ms: float | None = None
        """When it was interrupted, in the trace's time; None: it was not."""
        self._began = 0.0
        self._lines: list[TraceLine] = []
        self._closed = asyncio.Event()
        self._interrupted = asyncio.Event()
        self._leg: SocketLeg | None = None

    async def run(self, url: str, interruption: Interruption) -> Trace:
        """Replay all of it, or what there is until ctrl-C. Raises `CallRefused` if no socket is opened."""
        start, header = self._start, self._header
        one_way = header.stream == "listen"
        plan = CallPlan(parameters=start.parameters, one_way=one_way)
        socket = await self._exchange.open(url, plan, caller=CALLER, called=CALLED)
        leg = await self._connect(socket)
        with interruption.ends_with(self._interrupt):
            try:
                await self._say_all(leg, socket.stream)
                if self.stopped_ms is None:
                    await self._wait(LINGER_S, self._closed)
            finally:
                leg.close()
                leg.abort()
                await leg.gone()
        self._lines.append(TraceLine(self._now_ms(), what="ended"))
        return Trace(structs.replace(header, has_assistant=False), tuple(self._lines))

    async def _connect(self, socket: MediaSocket) -> SocketLeg:
        self._began = time.monotonic()
        self._leg = await connect(
            socket.url,
            self._receive,
            self._lost,
            headers=socket.headers,
            max_message_bytes=MAX_MESSAGE_BYTES,
            tls=socket.tls,
        )
        self._began = time.monotonic()
        return self._leg

    def _now_ms(self) -> float:
        return round((time.monotonic() - self._began) * 1000 * self._speed, 3)

    def _interrupt(self) -> None:
        self.stopped_ms = self._now_ms()
        self._interrupted.set()

    async def _say_all(self, leg: SocketLeg, stream: SimulatedStream) -> None:
        for message in stream.opening():
            self._say(leg, message)
        names = {self._start.stream_id: stream.stream_sid, self._start.call_id: stream.call_sid}
        for number, line in enumerate(self._said):
            due = self._began + line.at_ms / 1000 / self._speed
            while not self._closed.is_set() and (left := due - time.monotonic()) > 0:
                if await self._wait(left, self._interrupted):
                    return
            if self._closed.is_set() or self._interrupted.is_set():
                return
            if line.what:
                leg.abort()
                return
            self._say(leg, self._renamed(line, names))
            self.said(number)

    async def _wait(self, seconds: float, event: asyncio.Event) -> bool:
        """Wait until `event`, no longer than this; whether it was set."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def _renamed(self, line: TraceLine, names: dict[str, str]) -> WireMessage | None:
        wire = line.wire
        if isinstance(wire, bytes):
            return wire
        for then, now in names.items():
            if then:
                wire = wire.replace(f'"{then}"', f'"{now}"')
        if line.masked:
            wire = wire.replace(f'"{MASK}"', f'"{PLAYED_KEY}"')
        return self._marks.returned(wire)

    def _say(self, leg: SocketLeg, message: WireMessage | None) -> None:
        if message is not None:
            leg.send(message)
            self._lines.append(TraceLine(self._now_ms(), BRIDGE, **as_message(message)))

    def _receive(self, message: WireMessage) -> None:
        self._lines.append(TraceLine(self._now_ms(), CARRIER, **as_message(message)))
        returned = self._marks.sent(message)
        if returned is not None and self._leg is not None:
            self._say(self._leg, returned)

    def _lost(self, code: int, reason: str) -> None:
        self._lines.append(TraceLine(self._now_ms(), what="closed", code=code, reason=reason))
        self._closed.set()


def _with_codec(options: CallOptions, start: _Start) -> CallOptions:
    """The options of a call in the codec of the trace, where its carrier has a choice of codecs."""
    return replace(options, codec=start.codec, rate_hz=start.rate_hz) if start.codec else options
