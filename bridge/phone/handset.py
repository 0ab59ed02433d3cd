"""One call from the caller's side: what is sent when, and what the caller hears.

Every 20 ms a frame, by deadlines counted from the start; between them digits, marks as the earpiece reaches them,
and at the end `stop`. A handset that is woken late sends what is due at once, and does not drift.
No socket, no clock: `begin`, then `hear` what arrives and ask `due` no later than `deadline`, until `ending` is set;
all of them return messages to send. `now` is seconds. What the dialect is, the carrier knows.
"""

from enum import StrEnum
from math import inf

from bridge.contracts import WireMessage
from bridge.phone.carrier import Clear, Mark, Play, PretendCarrier
from bridge.phone.earpiece import Earpiece
from bridge.phone.latency import Arrival
from bridge.phone.plan import CallPlan

FRAME_MS = 20


class Ending(StrEnum):
    """How a call came to its end."""

    HUNG_UP = "the caller hung up as planned"
    QUIET = "all was said, and the line fell quiet"
    TOO_LONG = "the call reached its longest length"
    DIED = "the connection was broken as planned"
    SERVER_LEFT = "the server closed the stream"


class Handset:
    """One caller in one stream, as `plan` says; `begin` comes first."""

    def __init__(self, plan: CallPlan, carrier: PretendCarrier) -> None:
        self.ending: Ending | None = None
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
        self._started = 0.0
        self._said_at = 0.0
        self._limit: tuple[float, Ending]

    def begin(self, now: float) -> list[str]:
        """The stream is open: this is its start."""
        self._started = now
        self.earpiece = Earpiece(self._carrier.line, now)
        audio_ms = max(self._carrier.line.duration_ms(len(audio)) for audio in self._audio.values())
        self._said_at = now + max([audio_ms, *(digit.at_ms for digit in self._digits)]) / 1000
        plan = self._plan
        self._limit = min(
            (now + plan.longest_s, Ending.TOO_LONG),
            (inf if plan.hang_up_at_ms is None else now + plan.hang_up_at_ms / 1000, Ending.HUNG_UP),
            (inf if plan.die_at_ms is None else now + plan.die_at_ms / 1000, Ending.DIED),
        )
        return self._carrier.opening()

    def hear(self, message: WireMessage, now: float) -> list[str]:
        """A message came. Returns the marks that it sets free."""
        if self.ending is not None:
            return []
        names: list[str] = []
        match self._carrier.decode(message):
            case Play(audio):
                self.received.append((now, audio))
                self.earpiece.play(audio, now)
            case Mark(name):
                names = self.earpiece.mark(name, now)
            case Clear():
                names = self.earpiece.clear(now)
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
            self.ending = ending
            if ending is not Ending.DIED:
                messages.append(self._carrier.closing())
        return messages

    def server_left(self, now: float) -> None:
        """The connection is gone; if the phone did not end the call, that did."""
        if self.ending is None:
            self.ending = Ending.SERVER_LEFT
            self.earpiece.advance(now)

    def deadline(self) -> float:
        """When `due` has something to do again."""
        mark_at = self.earpiece.deadline()
        return min(self._frame_at(len(self.sent_at)), self._over()[0], inf if mark_at is None else mark_at)

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
            messages.append(self._carrier.media(track, whole, index * FRAME_MS))
        return messages

    def _digits_until(self, frame_at: float) -> list[str]:
        messages: list[str] = []
        while self._digits and self._started + self._digits[0].at_ms / 1000 <= frame_at:
            digit = self._digits.pop(0).digit
            self.pressed.append(digit)
            messages.append(self._carrier.digit(digit))
        return messages

    def _over(self) -> tuple[float, Ending]:
        """When the call ends, as things stand, and why."""
        quiet_at = max(self._said_at, self.earpiece.sounds_until) + self._plan.linger_s
        return min(self._limit, (quiet_at, Ending.QUIET))
