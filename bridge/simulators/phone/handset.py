"""Decides what the simulated phone sends, and when, in one call; and plays what the caller hears.

A frame is sent every 20 ms, at times counted from the start of the call; between frames keys, and marks as soon as the
earpiece has played up to them; at the end the message `stop`. A handset that is woken late sends at once what is due,
and does not drift.
There is no socket and no clock here: call `begin`, then `hear` for each message that arrives and `due` no later than
`deadline`, until `ending` is set. All of them return messages to send. `now` is seconds. The carrier's
`SimulatedStream` words the messages. If the carrier connects again, call `lost` and `reopen` between two streams of the
call; the caller goes on talking meanwhile, and is not heard.
"""

from enum import StrEnum
from math import inf

from bridge.simulators.carriers.contract import Clear, Mark, Play, Refused, SimulatedStream
from bridge.simulators.phone.earpiece import Earpiece
from bridge.simulators.phone.latency import Arrival
from bridge.simulators.phone.network_disorder import IN_ORDER, Disorder, DisorderCounts, DisorderedFrames
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.contracts import WireMessage
from telecodecs.format import FRAME_MS


class Ending(StrEnum):
    """Why a call ended."""

    HUNG_UP = "the caller hung up as planned"
    QUIET = "the caller had nothing left to say, and the line was quiet"
    TOO_LONG = "the call reached its longest duration"
    TOLD_TO = "the carrier ended the call, as the server asked it to"
    INTERRUPTED = "the call was interrupted"
    DIED = "the connection was broken as planned"
    SERVER_LEFT = "the server closed the stream"


class Handset:
    """The caller's side of one call, which follows `plan`. `disorder`: of the network to the server.

    To be called first: `begin`, or `ring` and then `begin`.
    """

    def __init__(self, plan: CallPlan, stream: SimulatedStream, disorder: Disorder = IN_ORDER) -> None:
        self.ending: Ending | None = None
        self.dropped = False
        """The plan wants the connection broken now; whoever owns the socket should abort it."""
        self.pressed: list[str] = []
        self.sent_at: list[float] = []
        """When each frame was sent, seconds."""
        self.received: list[Arrival] = []
        self.earpiece: Earpiece
        self._plan = plan
        self._stream = stream
        self._audio = {"inbound": plan.audio, "outbound": plan.other_party}
        self._frame_bytes = stream.line.bytes_in(FRAME_MS)
        self._silence = stream.line.silence * stream.line.samples_in(self._frame_bytes)
        self._digits = sorted(plan.digits, key=lambda digit: digit.at_ms) if not stream.one_way else []
        self._network = DisorderedFrames(disorder)
        self._drop_at_ms = plan.drop_at_ms
        self._opening: list[str] = []  # the messages after the first, if the call rang before it was answered
        self._started = 0.0
        self._stream_from = 0  # number of the stream's first frame, where its timestamps begin
        self._said_at = 0.0
        self._limit: tuple[float, Ending]

    def ring(self) -> list[str]:
        """The socket was opened before the call is answered: the message that comes before `start`."""
        first, *self._opening = self._stream.opening()
        return [first]

    def begin(self, now: float) -> list[str]:
        """The stream is open and the call answered: the messages before the first audio."""
        self._started = now
        self.earpiece = Earpiece(self._stream.plays, now)
        audio_ms = max(self._stream.line.duration_ms(len(audio)) for audio in self._audio.values())
        self._said_at = now + max([audio_ms, *(digit.at_ms for digit in self._digits)]) / 1000
        plan = self._plan
        self._limit = min(
            (now + plan.longest_s, Ending.TOO_LONG),
            (inf if plan.hang_up_at_ms is None else now + plan.hang_up_at_ms / 1000, Ending.HUNG_UP),
            (inf if plan.die_at_ms is None else now + plan.die_at_ms / 1000, Ending.DIED),
        )
        return self._opening or self._stream.opening()

    def hear(self, message: WireMessage, now: float) -> list[str]:
        """A message arrived. Returns the marks that are due by it, or the carrier's refusal of the message."""
        if self.ending is not None:
            return []
        names: list[str] = []
        match self._stream.decode(message, now):
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
        return [self._stream.mark(name) for name in names]

    def due(self, now: float, *, congested: bool = False) -> list[str]:
        """The messages due by `now`. `congested`: the server reads too slowly; audio is discarded instead of sent."""
        if self.ending is not None:
            return []
        messages = [self._stream.mark(name) for name in self.earpiece.advance(now)]
        over_at, ending = self._over()
        while (frame_at := self._frame_at(len(self.sent_at))) <= now and frame_at < over_at:
            messages += self._digits_until(frame_at)
            if congested:
                self._stream.audio_discarded()
            else:
                messages += self._frame(len(self.sent_at))
            self.sent_at.append(now)
        if now >= over_at:
            messages += self._end(ending)
        self.dropped = self.dropped or now >= self._drop_at()
        return messages

    def hang_up(self, now: float, ending: Ending = Ending.TOLD_TO) -> list[str]:
        """The call is ended from outside: by default the server asked the carrier to. Returns the last messages."""
        if self.ending is not None:
            return []
        self.earpiece.advance(now)
        return self._end(ending)

    def server_left(self, now: float) -> None:
        """The connection is closed. If the phone did not end the call before, this does."""
        if self.ending is None:
            self.ending = Ending.DIED if self.dropped else Ending.SERVER_LEFT
            self.earpiece.advance(now)

    def lost(self, now: float) -> None:
        """The connection broke, and the carrier will connect again. What is due until then is not sent."""
        if self.dropped:
            self._drop_at_ms = None
        self.dropped = False
        self._network.flush()
        self.earpiece.cut(now)

    def reopen(self, stream: SimulatedStream) -> list[str]:
        """The carrier has connected again. `stream`: a new one of the same call. Returns its first messages."""
        self._stream = stream
        self._stream_from = len(self.sent_at)
        return stream.opening()

    def deadline(self) -> float:
        """When `due` is to be called at the latest, seconds."""
        mark_at = self.earpiece.deadline()
        drop_at = inf if self.dropped else self._drop_at()
        return min(
            self._frame_at(len(self.sent_at)), self._over()[0], drop_at, inf if mark_at is None else mark_at
        )

    @property
    def disorder_counts(self) -> DisorderCounts:
        """How many frames the network has swapped, lost and repeated."""
        return self._network.disorder_counts

    @property
    def said(self) -> bytes:
        """The caller's audio as far as it was sent: whole frames, with silence after the end of the plan's audio."""
        length = len(self.sent_at) * self._frame_bytes
        audio = self._plan.audio[:length]
        return audio + self._stream.line.silence * self._stream.line.samples_in(length - len(audio))

    def _frame_at(self, index: int) -> float:
        return self._started + index * FRAME_MS / 1000

    def _frame(self, index: int) -> list[str]:
        begin, end = index * self._frame_bytes, (index + 1) * self._frame_bytes
        messages: list[str] = []
        for track in self._stream.tracks:
            audio = self._audio[track][begin:end]
            whole = audio + self._silence[len(audio) :]
            at_ms = (index - self._stream_from) * FRAME_MS
            messages += self._network.put(track, self._stream.media(track, whole, at_ms))
        return messages

    def _digits_until(self, frame_at: float) -> list[str]:
        messages: list[str] = []
        while self._digits and self._started + self._digits[0].at_ms / 1000 <= frame_at:
            key = self._digits.pop(0)
            self.pressed.append(key.digit)
            messages.append(self._stream.digit(key.digit, key.at_ms))
        return messages

    def _end(self, ending: Ending) -> list[str]:
        self.ending = ending
        return [] if ending is Ending.DIED else [*self._network.flush(), self._stream.closing()]

    def _drop_at(self) -> float:
        return inf if self._drop_at_ms is None else self._started + self._drop_at_ms / 1000

    def _over(self) -> tuple[float, Ending]:
        """When the call will end if nothing more happens, and why."""
        quiet_at = max(self._said_at, self.earpiece.sounds_until) + self._plan.linger_s
        return min(self._limit, (quiet_at, Ending.QUIET))
