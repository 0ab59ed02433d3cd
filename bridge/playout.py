"""What was sent to the caller, what of it was heard, and what a clear threw away: the ledger of one call.

Lengths and positions are samples of the line's format, counted from the first one sent. Marks are the truth; between
two of them the position runs with the clock, never past the next mark and never past what was sent. A clear begins a
new generation: the carrier returns the older marks as if they had been played, and they prove nothing.
No clock: `now` is passed in, in seconds.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil

from bridge.events import ClearPlayback, Command, ConfirmHeard, DropReply, PlayAudio, SendMark, TruncateReply
from telecodecs.format import AudioFormat

MESSAGE_MS = 200
"""The most audio in one message: what is under way to the carrier cannot be cleared."""

MARK_EVERY_MS = 200
"""How much audio goes out before the next mark follows it."""

MOST_MARKS = 1_000
"""Marks waited for; minutes of audio. Of a carrier that returns none the oldest are forgotten."""

CLOCK_SLACK = 0.001
"""Samples by which a float time may miss the sample that it means."""


@dataclass(slots=True)
class _Stretch:
    """The audio of one item: samples `start` to `end`, `complete` when no more will come."""

    item: str
    start: int
    end: int
    complete: bool = False


class Playout:
    """The ledger. `play`, `end_item` and `interrupt` return what to command; `heard` is what the caller has heard."""

    def __init__(self, line: AudioFormat) -> None:
        self._rate_hz = line.rate_hz
        self._sample_bytes = line.sample_bytes
        self._message_bytes = line.bytes_in(MESSAGE_MS)
        self._mark_samples = line.rate_hz * MARK_EVERY_MS // 1000
        self._sent = 0
        self._proved = 0  # the position of the last mark that came back
        self._dry_at = 0.0  # when the carrier will have played all that was sent
        self._stretches: deque[_Stretch] = deque()
        self._marks: dict[str, int] = {}  # name and position of those that the carrier owes us, in order
        self._marked = 0
        self._generation = 0
        self._marks_sent = 0
        self.stray_marks = 0
        """Marks that came back though nobody sent them."""

    @property
    def pending(self) -> bool:
        """Whether the carrier still owes us a mark."""
        return bool(self._marks)

    def heard(self, now: float) -> int:
        """How many of the samples sent were heard, or thrown away, by `now`."""
        limit = next(iter(self._marks.values())) if self._marks else self._sent
        unplayed = ceil((self._dry_at - now) * self._rate_hz - CLOCK_SLACK)
        return max(self._proved, min(limit, self._sent - unplayed))

    def left_s(self, now: float) -> float:
        """Seconds of audio that the carrier has still to play."""
        return (self._sent - self.heard(now)) / self._rate_hz

    def play(self, item: str, audio: bytes, now: float) -> list[Command]:
        """Account `audio` (whole frames, any length) as the next of `item`, and send it with its marks."""
        stretches = self._stretches
        if not stretches or stretches[-1].item != item:
            stretches.append(_Stretch(item, self._sent, self._sent))
        self._dry_at = max(self._dry_at, now)  # if it has run dry, this plays from now on
        commands: list[Command] = []
        for start in range(0, len(audio), self._message_bytes):
            commands += self._send(audio[start : start + self._message_bytes])
        return commands

    def _send(self, audio: bytes) -> list[Command]:
        samples = len(audio) // self._sample_bytes
        self._sent += samples
        self._dry_at += samples / self._rate_hz
        self._stretches[-1].end = self._sent
        if self._sent - self._marked < self._mark_samples:
            return [PlayAudio(audio)]
        return [PlayAudio(audio), self._mark()]

    def end_item(self, item: str) -> list[Command]:
        """No more audio of `item`: its end gets a mark, unless one stands there."""
        if not self._stretches or self._stretches[-1].item != item:
            return []
        self._stretches[-1].complete = True
        return self.mark_end() or self._confirm()

    def mark_end(self) -> list[Command]:
        """A mark behind all that was sent, unless one stands there."""
        return [self._mark()] if self._marked < self._sent else []

    def _mark(self) -> SendMark:
        self._marks_sent += 1
        self._marked = self._sent
        name = f"{self._generation}.{self._marks_sent}"
        self._marks[name] = self._sent
        if len(self._marks) > MOST_MARKS:
            del self._marks[next(iter(self._marks))]
        return SendMark(name)

    def mark_reached(self, name: str, now: float) -> list[Command]:
        """The carrier returned a mark: what lies before it was heard, and items that end there are confirmed."""
        position = self._marks.get(name)
        if position is None:
            self.stray_marks += not self._is_cleared(name)
            return []
        for earlier in list(self._marks):  # one that got lost lies before one that came back
            del self._marks[earlier]
            if earlier == name:
                break
        self._proved = position
        self._dry_at = now + (self._sent - position) / self._rate_hz
        return self._confirm()

    def _is_cleared(self, name: str) -> bool:
        generation = name.partition(".")[0]
        return generation.isdecimal() and int(generation) < self._generation

    def _confirm(self) -> list[Command]:
        heard: list[Command] = []
        while self._stretches and self._stretches[0].complete and self._stretches[0].end <= self._proved:
            heard.append(ConfirmHeard(self._stretches.popleft().item))
        return heard

    def interrupt(self, now: float) -> list[Command]:
        """Stop the carrier at once, then say of each item what of it was heard. Nothing, if all was heard."""
        heard = self.heard(now)
        if all(stretch.complete and stretch.end <= heard for stretch in self._stretches):
            return []
        commands: list[Command] = [ClearPlayback(self._sent - heard)]
        commands += [self._tell(stretch, heard) for stretch in self._stretches]
        self._marks.clear()
        self._stretches.clear()
        self._generation += 1
        self._proved = self._marked = self._sent
        self._dry_at = now
        return commands

    def _tell(self, stretch: _Stretch, heard: int) -> Command:
        if stretch.complete and stretch.end <= heard:
            return ConfirmHeard(stretch.item)
        heard_ms = (heard - stretch.start) * 1000 // self._rate_hz
        return TruncateReply(stretch.item, heard_ms) if heard_ms > 0 else DropReply(stretch.item)
