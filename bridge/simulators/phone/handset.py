"""One call from the caller's side: what is sent when, and what the caller hears.

Every 20 ms a frame, by deadlines counted from the start; between them digits, marks as the earpiece reaches them,
and at the end `stop`. A handset that is woken late sends what is due at once, and does not drift.
No socket, no clock: `begin`, then `hear` what arrives and ask `due` no later than `deadline`, until `ending` is set;
all of them return messages to send. `now` is seconds. What the dialect is, the carrier has_assistant. Where a carrier dials
again, `lost` and `begin_again` stand between two streams of the call; the caller talks on, to nobody.
"""

from enum import StrEnum
from math import inf

from bridge.simulators.carriers.contract import Clear, Mark, Play, Refused, SimulatedStream
from bridge.simulators.phone.disorder import IN_ORDER, Disorder, DisorderedWay, Mishaps
from bridge.simulators.phone.earpiece import Earpiece
from bridge.simulators.phone.latency import Arrival
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.contracts import WireMessage
from telecodecs.format import FRAME_MS


class Ending(StrEnum):
    """How a call came to its end."""

    HUNG_UP = "the caller hung up as planned"
    QUIET = "all was said, and the line fell quiet"
    TOO_LONG = "the call reached its longest length"
    TOLD_TO = "the carrier ended the call, as it was told to"
    DIED = "the connection was broken as planned"
    SERVER_LEFT = "the server closed the stream"


class Handset:
    """One caller in one call, as `plan` says; `begin` comes first. `disorder`: of the network to the server."""

    def __init__(self, plan: CallPlan, carrier: SimulatedStream, disorder: Disorder = IN_ORDER) -> None:
        self.ending: Ending | None = None
        self.dropped = False
        """The connection is broken, as planned; the shell should see to it."""
        self.pressed: list[str] = []
        self.sent_at: list[float] = []
        """When each frame was due and sent."""
        self.received: list[Arrival] = []
        self.earpiece: Earpiece
        self._plan = plan
        self._carrier = carrier
        self._audio = {"inbound": plan.audio, "outbound": plan.other_party}
        self._frame_bytes = carrier.line.bytes_in(FRAME_MS)
        self._silence = carrier.line.silence * carrier.line.samples_in(self._frame_bytes)
        self._digits = sorted(plan.digits, key=lambda digit: digit.at_ms) if not carrier.one_way else []
        self._way = DisorderedWay(disorder)
        self._drop_at_ms = plan.drop_at_ms
        self._opening: list[str] = []  # what is left of it, if the call rang first
        self._started = 0.0
        self._stream_from = 0  # the frame that the carrier's clock counts from
        self._said_at = 0.0
        self._limit: tuple[float, Ending]

    def ring(self) -> list[str]:
        """The socket is open before the call is answered: what comes before the start."""
        first, *self._opening = self._carrier.opening()
        return [first]

    def begin(self, now: float) -> list[str]:
        """The stream is open: this is its start."""
        self._started = now
        self.earpiece = Earpiece(self._carrier.plays, now)
        audio_ms = max(self._carrier.line.duration_ms(len(audio)) for audio in self._audio.values())
        self._said_at = now + max([audio_ms, *(digit.at_ms for digit in self._digits)]) / 1000
        plan = self._plan
        self._limit = min(
            (now + plan.longest_s, Ending.TOO_LONG),
            (inf if plan.hang_up_at_ms is None else now + plan.hang_up_at_ms / 1000, Ending.HUNG_UP),
            (inf if plan.die_at_ms is None else now + plan.die_at_ms / 1000, Ending.DIED),
        )
        return self._opening or self._carrier.opening()

    def hear(self, message: WireMessage, now: float) -> list[str]:
        """A message came. Returns the marks that it sets free, or the carrier's refusal."""
        if self.ending is not None:
            return []
        names: list[str] = []
        match self._carrier.decode(message, now):
            case Play(audio):
                self.received.append((now, audio))
                self.earpiece.play(audio, now)
            case Mark(name):
                names = self.earpiece.mark(name, now)
            case Clear():
                names = self.earpiece.clear(now)
            case Refused(answer):
                return [answer]
            case None:
                pass
        return [self._carrier.mark(name) for name in names]

    def due(self, now: float, *, congested: bool = False) -> list[str]:
        """All that is due by `now`. `congested`: the server reads too slowly; audio is discarded instead of sent."""
        if self.ending is not None:
            return []
        messages = [self._carrier.mark(name) for name in self.earpiece.advance(now)]
        over_at, ending = self._over()
        while (frame_at := self._frame_at(len(self.sent_at))) <= now and frame_at < over_at:
            messages += self._digits_until(frame_at)
            if congested:
                self._carrier.audio_discarded()
            else:
                messages += self._frame(len(self.sent_at))
            self.sent_at.append(now)
        if now >= over_at:
            messages += self._end(ending)
        self.dropped = self.dropped or now >= self._drop_at()
        return messages

    def hang_up(self, now: float) -> list[str]:
        """The carrier was told to end the call."""
        if self.ending is not None:
            return []
        self.earpiece.advance(now)
        return self._end(Ending.TOLD_TO)

    def server_left(self, now: float) -> None:
        """The connection is gone; if the phone did not end the call, that did."""
        if self.ending is None:
            self.ending = Ending.DIED if self.dropped else Ending.SERVER_LEFT
            self.earpiece.advance(now)

    def lost(self, now: float) -> None:
        """The connection is gone, but the carrier will dial again. Until then what is to be sent goes nowhere."""
        if self.dropped:
            self._drop_at_ms = None
        self.dropped = False
        self._way.left()
        self.earpiece.cut(now)

    def begin_again(self, carrier: SimulatedStream) -> list[str]:
        """The stream is open again, and this is its start. `carrier`: the same call's, as new."""
        self._carrier = carrier
        self._stream_from = len(self.sent_at)
        return carrier.opening()

    def deadline(self) -> float:
        """When `due` has something to do again."""
        mark_at = self.earpiece.deadline()
        drop_at = inf if self.dropped else self._drop_at()
        return min(
            self._frame_at(len(self.sent_at)), self._over()[0], drop_at, inf if mark_at is None else mark_at
        )

    @property
    def mishaps(self) -> Mishaps:
        """What befell the frames on their way."""
        return self._way.mishaps

    @property
    def said(self) -> bytes:
        """The caller's audio as far as it was sent, whole frames, silence after its end."""
        length = len(self.sent_at) * self._frame_bytes
        audio = self._plan.audio[:length]
        return audio + self._carrier.line.silence * self._carrier.line.samples_in(length - len(audio))

    def _frame_at(self, index: int) -> float:
        return self._started + index * FRAME_MS / 1000

    def _frame(self, index: int) -> list[str]:
        begin, end = index * self._frame_bytes, (index + 1) * self._frame_bytes
        messages: list[str] = []
        for track in self._carrier.tracks:
            audio = self._audio[track][begin:end]
            whole = audio + self._silence[len(audio) :]
            at_ms = (index - self._stream_from) * FRAME_MS
            messages += self._way.put(track, self._carrier.media(track, whole, at_ms))
        return messages

    def _digits_until(self, frame_at: float) -> list[str]:
        messages: list[str] = []
        while self._digits and self._started + self._digits[0].at_ms / 1000 <= frame_at:
            key = self._digits.pop(0)
            self.pressed.append(key.digit)
            messages.append(self._carrier.digit(key.digit, key.at_ms))
        return messages

    def _end(self, ending: Ending) -> list[str]:
        self.ending = ending
        return [] if ending is Ending.DIED else [*self._way.left(), self._carrier.closing()]

    def _drop_at(self) -> float:
        return inf if self._drop_at_ms is None else self._started + self._drop_at_ms / 1000

    def _over(self) -> tuple[float, Ending]:
        """When the call ends, as things stand, and why."""
        quiet_at = max(self._said_at, self.earpiece.sounds_until) + self._plan.linger_s
        return min(self._limit, (quiet_at, Ending.QUIET))
