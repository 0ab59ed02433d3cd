"""Carries the audio of a simulated carrier's calls in real time: parties, streams and the mix between them.

Every 20 ms each party says a frame and hears one; a media stream takes part by its port. Who hears whom is told by
`hear`, from the carrier's account; the two ways of a stream are added here. One timer drives everything: no task and no
queue for a frame.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bridge.shell.websocket import SocketLeg
from bridge.shell.websocket_client import connect
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import MediaSocket, SimulatedStream
from bridge.simulators.carriers.mixer import Mixer
from bridge.simulators.carriers.room import MUSIC, RINGBACK, Audible
from bridge.simulators.phone.live_call import CONGESTED_BYTES, Network
from bridge.simulators.phone.network_delay import MAX_MESSAGE_BYTES, SlowLeg
from bridge.simulators.phone.party import Party, PartyPlan
from bridge.simulators.phone.stream_port import StreamPort
from bridge.simulators.phone.tones import hold_music, ringback
from bridge.simulators.phone.trace import Direction, TraceLine
from bridge.vocabulary.contracts import WireMessage
from telecodecs.format import FRAME_MS, Samples

FRAME_S = FRAME_MS / 1000


class Known(NamedTuple):
    """Who is behind a call: the name in files and logs, and what the party does."""

    name: str
    plan: PartyPlan


@dataclass(slots=True, eq=False)
class CarriedStream:
    """One stream of a call. `leg_id`: the call's. `closed`: close code and reason, once the socket is closed."""

    leg_id: str
    stream: SimulatedStream
    closed: asyncio.Future[tuple[int, str]]
    leg: SocketLeg | SlowLeg | None = None
    port: StreamPort | None = None
    trace: list[TraceLine] = field(default_factory=list)
    early: list[WireMessage] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The name of the stream in the mix."""
        return f"@stream {self.stream.stream_sid}"


class PartyMedia:
    """The audio of one carrier. `known`: who is behind a call, from its id and number.

    `rate_hz`: of the mix. `hang_up` is called with the id of a call whose party hangs up. `log`: its zero is the begin
    of all recordings. `music`: what those on hold hear, repeated; None: a tone. `press` is called with the id of a
    call and a key that its party presses; streams are told here.
    """

    def __init__(
        self,
        rate_hz: int,
        known: Callable[[str, str], Known],
        hang_up: Callable[[str], None],
        log: ApiLog,
        network: Network = Network(),  # noqa: B008 - frozen
        music: Samples | None = None,
        press: Callable[[str, str], None] = lambda _leg_id, _digit: None,
    ) -> None:
        self.rate_hz = rate_hz
        self.parties: dict[str, Party] = {}
        """All parties so far, by the id of their call."""
        self.streams: list[CarriedStream] = []
        """All streams so far, oldest first."""
        self.mixed_at: list[float] = []
        """When each frame was mixed, seconds from the begin; it was due when it ended."""
        self.hung_up: set[str] = set()
        """The calls whose party has hung up."""
        self._known = known
        self._hang_up = hang_up
        self._press = press
        self._log = log
        self._network = network
        self._mixer = Mixer(rate_hz)
        self._audible = Audible({}, {})
        self._open: list[CarriedStream] = []
        self._frame = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loops = {MUSIC: hold_music(rate_hz) if music is None else music, RINGBACK: ringback(rate_hz)}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Mix until the end of the block."""
        self._tick()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def hear(self, audible: Audible) -> None:
        """Who is on the line and who hears whom from now on."""
        if audible == self._audible:
            return
        before, self._audible = self._audible, audible
        for leg_id, number in audible.legs.items():
            if leg_id not in self.parties:
                self._begin(leg_id, number)
        for leg_id in before.legs.keys() - audible.legs.keys():
            self.parties[leg_id].left = self._frame
            self._mixer.forget(leg_id)
            self._log.note("party", party=self.parties[leg_id].name, event="left", call=leg_id)
        for leg_id in audible.legs:
            if (heard := audible.heard.get(leg_id)) != before.heard.get(leg_id):
                self._note_moment(leg_id, heard or frozenset())
        self._rewire()

    async def carry(
        self,
        leg_id: str,
        socket: MediaSocket,
        ended: asyncio.Event,
        opened: Callable[[], None],
        answered: asyncio.Event | None = None,
    ) -> bool:
        """Carry a stream of the call `leg_id` until the server closes it or `ended` is set; false, as `CarryStream`.

        `answered`: the call may still ring; the message `start` waits for it. Raises `CallRefused` if the socket cannot
        be opened.
        """
        loop = asyncio.get_running_loop()
        one = CarriedStream(leg_id, socket.stream, loop.create_future())
        one.leg = await self._connect(one, socket.url, socket.headers, socket.tls)
        self.streams.append(one)
        self._note_stream(one, "opened")
        opened()
        over: list[asyncio.Future[Any]] = [asyncio.ensure_future(ended.wait()), asyncio.shield(one.closed)]
        try:
            messages = socket.stream.opening()
            if answered is not None and not answered.is_set():
                self._send(one, messages[:1])
                messages = messages[1:]
                rings: asyncio.Future[Any] = asyncio.ensure_future(answered.wait())
                await asyncio.wait({*over, rings}, return_when=asyncio.FIRST_COMPLETED)
                rings.cancel()
            if not over[0].done() and not over[1].done():
                self._start(one, messages)
                await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in over:
                wait.cancel()
            self._stop(one)
        return False

    @property
    def frame(self) -> int:
        """The frame that is mixed next."""
        return self._frame

    # Streams

    def _start(self, one: CarriedStream, messages: list[str]) -> None:
        one.port = StreamPort(
            one.stream, self.rate_hz, self._log.started, self._frame, self._network.disorder
        )
        self._send(one, messages)
        early, one.early = one.early, []
        for message in early:
            self._send(one, one.port.receive(message, time.monotonic()))
        self._open.append(one)
        self._rewire()

    def _stop(self, one: CarriedStream) -> None:
        if one in self._open:
            self._open.remove(one)
            self._rewire()
        if one.leg is not None and not one.closed.done():
            if one.port is not None:
                one.port.earpiece.cut(time.monotonic())
                self._send(one, one.port.closing())
            one.leg.close()
        self._note_stream(one, "closed")

    async def _connect(
        self, one: CarriedStream, url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None
    ) -> SocketLeg | SlowLeg:
        def receive(message: WireMessage) -> None:
            self._note(one, "<", message)
            if one.port is None:
                one.early.append(message)
            else:
                self._send(one, one.port.receive(message, time.monotonic()))

        def lost(code: int, reason: str) -> None:
            if not one.closed.done():
                one.closed.set_result((code, reason))

        if not self._network.delay:
            return await connect(
                url, receive, lost, headers=headers, max_message_bytes=MAX_MESSAGE_BYTES, tls=tls
            )
        slow = SlowLeg(receive, lost, self._network.delay)
        await slow.connect(url, headers, tls)
        return slow

    def _send(self, one: CarriedStream, messages: list[str]) -> None:
        if one.leg is None or one.closed.done():
            return
        for message in messages:
            one.leg.send(message)
            self._note(one, ">", message)

    def _note(self, one: CarriedStream, direction: Direction, message: WireMessage) -> None:
        at_ms = (time.monotonic() - self._log.started) * 1000
        one.trace.append(TraceLine(at_ms, direction, message))

    def _note_stream(self, one: CarriedStream, event: str) -> None:
        more = {"code": one.closed.result()[0]} if event == "closed" and one.closed.done() else {}
        party = self.parties.get(one.leg_id)
        name = party.name if party is not None else ""
        self._log.note(
            "stream", party=name, event=event, call=one.leg_id, stream=one.stream.stream_sid, **more
        )

    # Parties

    def _begin(self, leg_id: str, number: str) -> None:
        known = self._known(leg_id, number)
        taken = {party.name for party in self.parties.values()}
        names = (known.name if nth == 1 else f"{known.name}-{nth}" for nth in range(1, len(taken) + 2))
        name = next(name for name in names if name not in taken)
        self.parties[leg_id] = Party(name, number, known.plan, self.rate_hz, self._frame)
        self._log.note("party", party=name, event="answered", call=leg_id, number=number)

    def _note_moment(self, leg_id: str, heard: frozenset[str]) -> None:
        party = self.parties[leg_id]
        names = sorted(self.parties[one].name if one in self.parties else one for one in heard)
        self._log.note("hears", party=party.name, whom=names)
        together = any(one in self.parties for one in heard)
        if together:
            party.note("joined", self._frame)
        elif party.was("joined"):
            party.note("left", self._frame)

    def _rewire(self) -> None:
        for leg_id in self._audible.legs:
            streams = {one.source for one in self._open if one.leg_id == leg_id and not one.stream.one_way}
            self._mixer.hear(leg_id, self._audible.heard.get(leg_id, frozenset()) | streams)

    # The mix

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while self._log.started + (self._frame + 1) * FRAME_S <= time.monotonic():
            self._mix(self._frame)
            self.mixed_at.append(time.monotonic() - self._log.started)
            self._frame += 1
        due = self._log.started + (self._frame + 1) * FRAME_S
        self._timer = loop.call_later(max(due - time.monotonic(), 0.001), self._tick)

    def _mix(self, frame: int) -> None:
        legs = [*self._audible.legs]
        frames = {leg_id: self.parties[leg_id].speak(frame) for leg_id in legs}
        for one in self._open:
            assert one.port is not None, "an open stream has a port"
            self._send(one, one.port.advance(frame))
            frames[one.source] = one.port.speak(frame)
        for name, loop in self._loops.items():
            frames[name] = _piece(loop, frame, self._mixer.frame_samples)
        heard = self._mixer.mix(frames)
        for leg_id in legs:
            self.parties[leg_id].hear(heard[leg_id], frame)
        for one in [*self._open]:
            if one.leg_id in heard:
                self._feed(one, frames[one.leg_id], heard[one.leg_id], frame)
        for leg_id in legs:
            self._act(leg_id, frame)

    def _feed(self, one: CarriedStream, inbound: Samples, outbound: Samples, frame: int) -> None:
        assert one.port is not None, "an open stream has a port"
        assert one.leg is not None, "an open stream has a socket"
        if one.leg.backlog > CONGESTED_BYTES:
            one.stream.audio_discarded()
            return
        self._send(one, one.port.hear({"inbound": inbound, "outbound": outbound}, frame))

    def _act(self, leg_id: str, frame: int) -> None:
        party = self.parties[leg_id]
        for digit in party.keys(frame):
            self._log.note("party", party=party.name, event="pressed", key=digit)
            for one in self._open:
                if one.leg_id == leg_id and one.port is not None:
                    self._send(one, one.port.key(digit, frame))
            self._press(leg_id, digit)
        if leg_id not in self.hung_up and party.hangs_up(frame):
            self.hung_up.add(leg_id)
            self._log.note("party", party=party.name, event="hangs up", call=leg_id)
            self._hang_up(leg_id)


def _piece(loop: Samples, frame: int, samples: int) -> Samples:
    """The frame of this number of a sound that is repeated."""
    if not len(loop):
        return np.zeros(samples, np.int16)
    return np.take(loop, range(frame * samples, (frame + 1) * samples), mode="wrap")
