"""The ledger of one call: what was sent to the caller, how much of it was heard, and what a clear threw away.

Lengths and positions are samples of the line's format, counted from the first one sent. A mark that returns proves a
position; between two marks the position runs with the clock, never past the next mark and never past what was sent. A
clear begins a new generation: the carrier returns the older marks as if they had been played, and they prove nothing.

A clear travels as long as the audio before it did, so it finds the carrier where it would be now on a line without
delay. Positions are computed for such a line. A mark confirms a position one round trip later; the round trip is
measured with marks behind audio that found the carrier's buffer empty. No clock: `now` is seconds.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median_low
from typing import NamedTuple

from bridge.vocabulary.commands import (
    ClearPlayback,
    Command,
    ConfirmHeard,
    DropReply,
    PlayAudio,
    SendMark,
    TruncateReply,
)
from telecodecs.format import FRAME_MS, AudioFormat

MESSAGE_MS = 200
"""The most audio in one message: a message that is on its way cannot be cleared."""

MARK_EVERY_MS = 200
"""How much audio is sent from one mark to the next."""

MOST_MARKS = 1_000
"""The most marks that are waited for, minutes of audio. If the carrier returns none, the oldest are forgotten."""

MOST_ITEMS = 1_000
"""The most items of which it is not known how much was heard. If the carrier returns no marks, the oldest are forgotten."""

TRIPS = 5
"""How many round trips are remembered. Their median counts, so one late mark changes nothing."""

LONGEST_TRIP_S = 1.0
"""A longer round trip is counted as this: the carrier held the mark up, not the line."""

MOST_KEPT_S = 30.0
"""The most audio that is kept for `pause`. If the carrier returns no marks, the oldest is forgotten."""

CLOCK_SLACK = 0.001
"""Samples by which a float time may fall short of the sample that it stands for."""


@dataclass(slots=True)
class _Stretch:
    """The audio of one item: samples `start` to `end`, `complete` when no more will come."""

    item: str
    start: int
    end: int
    complete: bool = False


class Rest(NamedTuple):
    """The audio of an item that was sent and not heard. `complete`: no more of the item will come."""

    item: str
    audio: bytes
    complete: bool


class Playout:
    """The ledger of one call, whose played audio has the format `line`."""

    def __init__(self, line: AudioFormat) -> None:
        self._rate_hz = line.rate_hz
        self._sample_bytes = line.sample_bytes
        self._second = line.bytes_in(1000)
        self._message_bytes = line.bytes_in(MESSAGE_MS)
        self._mark_samples = line.rate_hz * MARK_EVERY_MS // 1000
        self._frame_samples = line.rate_hz * FRAME_MS // 1000  # some codecs begin at whole frames only
        self._most_kept = int(line.rate_hz * MOST_KEPT_S)
        self._sent = 0
        self._proved = 0  # the position of the last mark that came back
        self._run_start = 0  # audio from this position on is played without a gap
        self._run_began_at = 0.0  # when that began, on a line without delay
        self._stretches: deque[_Stretch] = deque()
        self._marks: dict[str, int] = {}  # names and positions of the marks that have not come back, in order
        self._marked = 0
        self._generation = 0
        self._cleared = False  # nothing was sent since the last clear
        self._marks_sent = 0
        self._round_trip_s = 0.0
        self._trips: deque[float] = deque(maxlen=TRIPS)
        self._probe = ("", 0.0)  # a mark, and when it would come back on a line without delay
        self._keeps = False
        self._kept: deque[bytes] = deque()
        self._kept_from = 0  # the position of the first of it
        self.stray_marks = 0
        """Marks that came back and were never sent."""

    @property
    def is_pending(self) -> bool:
        """Whether the carrier still owes us a mark."""
        return bool(self._marks)

    @property
    def kept(self) -> int:
        """How many items, marks and pieces are kept."""
        return len(self._stretches) + len(self._marks) + len(self._kept)

    @property
    def round_trip_ms(self) -> int | None:
        """The round trip to the carrier; None until a mark has measured it."""
        return round(self._round_trip_s * 1000) if self._trips else None

    def heard(self, now: float) -> int:
        """How many of the samples sent were heard, or thrown away, as far as marks can have proved it by `now`."""
        return max(self._proved, min(self._next_mark, self._position(now - self._round_trip_s)))

    def left_s(self, now: float) -> float:
        """Seconds until a mark behind all that was sent would be back."""
        return (self._sent - self.heard(now)) / self._rate_hz

    def ahead_s(self, now: float) -> float:
        """Seconds of audio that were sent and, on a line without delay, are still to be played."""
        return max(0.0, self._played_at() - now)

    @property
    def _next_mark(self) -> int:
        return next(iter(self._marks.values())) if self._marks else self._sent

    def _position(self, now: float) -> int:
        played = int(max(now - self._run_began_at, 0.0) * self._rate_hz + CLOCK_SLACK)
        return min(self._sent, self._run_start + played)

    def _played_at(self) -> float:
        """When all that was sent will have been played, on a line without delay."""
        return self._run_began_at + (self._sent - self._run_start) / self._rate_hz

    def keep(self, keeps: bool) -> None:
        """Set whether what is sent from now on is kept until it is heard, for `pause`."""
        self._keeps = keeps
        if not keeps:
            self._kept.clear()

    def play(self, item: str, audio: bytes, now: float) -> list[Command]:
        """Account `audio` (whole frames, any length) as the next of `item`, and send it with its marks."""
        stretches = self._stretches
        if not stretches or stretches[-1].item != item:
            stretches.append(_Stretch(item, self._sent, self._sent))
            if len(stretches) > MOST_ITEMS:
                stretches.popleft()
        if self._played_at() < now:
            self._run_start, self._run_began_at = self._sent, now
        commands: list[Command] = []
        for start in range(0, len(audio), self._message_bytes):
            commands += self._send(audio[start : start + self._message_bytes])
        return commands

    def play_on(self, item: str, audio: bytes, now: float, most_ahead_s: float) -> list[Command] | None:
        """As `play`, if this goes on with the item that was sent last, in one message, without a pause in what is played.

        None: it does not, or the carrier would then have more than `most_ahead_s` to play; nothing was done.
        """
        stretches, sent = self._stretches, self._sent
        ahead_s = self._run_began_at + (sent - self._run_start) / self._rate_hz - now
        end = sent + len(audio) // self._sample_bytes
        if (
            not stretches
            or stretches[-1].item != item
            or ahead_s < 0.0
            or ahead_s + len(audio) / self._second > most_ahead_s
            or not 0 < len(audio) <= self._message_bytes
        ):
            return None
        self._cleared = False
        if self._keeps:
            self._remember(audio)
        self._sent = stretches[-1].end = end
        if end - self._marked < self._mark_samples:
            return [PlayAudio(audio)]
        return [PlayAudio(audio), self._mark()]

    def _send(self, audio: bytes) -> list[Command]:
        self._cleared = False
        if self._keeps:
            self._remember(audio)
        self._sent += len(audio) // self._sample_bytes
        self._stretches[-1].end = self._sent
        if self._sent - self._marked < self._mark_samples:
            return [PlayAudio(audio)]
        return [PlayAudio(audio), self._mark()]

    def _remember(self, audio: bytes) -> None:
        if not self._kept:
            self._kept_from = self._sent
        self._kept.append(audio)
        needed_from = max(self._proved, self._sent - self._most_kept)
        while (end := self._kept_from + len(self._kept[0]) // self._sample_bytes) <= needed_from:
            self._kept_from = end
            self._kept.popleft()

    def end_item(self, item: str) -> list[Command]:
        """No more audio of `item` will come: put a mark behind it, unless there is one."""
        if not self._stretches or self._stretches[-1].item != item:
            return []
        self._stretches[-1].complete = True
        return self.mark_end() or self._confirm()

    def mark_end(self) -> list[Command]:
        """A mark behind all that was sent, unless there is one."""
        return [self._mark()] if self._marked < self._sent else []

    def _mark(self) -> SendMark:
        self._marks_sent += 1
        name = f"{self._generation}.{self._marks_sent}"
        if self._marked <= self._run_start and not self._marks:
            self._probe = (name, self._played_at())
        self._marks[name] = self._marked = self._sent
        if len(self._marks) > MOST_MARKS:
            del self._marks[next(iter(self._marks))]
        return SendMark(name)

    def mark_reached(self, name: str, now: float) -> list[Command]:
        """The carrier returned a mark: what was sent before it was heard, and items that end there are confirmed."""
        position = self._marks.get(name)
        if position is None:
            self.stray_marks += not self._is_cleared(name)
            return []
        for earlier in list(self._marks):  # marks that got lost were sent before one that came back
            del self._marks[earlier]
            if earlier == name:
                break
        probe, due_at = self._probe
        if name == probe:
            self._trips.append(min(max(now - due_at, 0.0), LONGEST_TRIP_S))
            self._round_trip_s = median_low(self._trips)
        self._proved = position
        run_began_at = now - self._round_trip_s - (position - self._run_start) / self._rate_hz
        if position > self._run_start or run_began_at > self._run_began_at:
            self._run_began_at = run_began_at  # not before what was sent earlier has been played
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
        """Stop the carrier at once, then say how much of each item was heard by then. Nothing, if all of it was."""
        heard = self._heard_by_a_clear(now)
        if all(stretch.complete and stretch.end <= heard for stretch in self._stretches):
            return []
        commands: list[Command] = [] if self._cleared else [ClearPlayback(self._sent - heard)]
        commands += [self._outcome(stretch, heard) for stretch in self._stretches]
        self._stretches.clear()
        self._begin_generation(now)
        return commands

    def pause(self, now: float) -> tuple[list[Command], list[Rest]]:
        """Stop the carrier at once, as if what is not heard by then had not been sent.

        Returns the commands, and the rest of each item in order, to be played again or dropped. Audio that was not kept
        is missing from the rests.
        """
        heard = self._heard_by_a_clear(now)
        heard -= (heard - self._proved) % self._frame_samples
        commands: list[Command] = [] if self._cleared else [ClearPlayback(self._sent - heard)]
        kept, kept_from = b"".join(self._kept), self._kept_from if self._kept else self._sent
        rests: list[Rest] = []
        for stretch in self._stretches:
            if stretch.end > heard or not stretch.complete:
                begin = max(0, stretch.start - kept_from, heard - kept_from) * self._sample_bytes
                end = max(0, stretch.end - kept_from) * self._sample_bytes
                rests.append(Rest(stretch.item, kept[begin:end], stretch.complete))
            else:
                commands.append(ConfirmHeard(stretch.item))
        begun = [stretch for stretch in self._stretches if stretch.start <= heard][-1:] if rests else []
        for stretch in begun:
            stretch.end, stretch.complete = heard, False
        self._stretches = deque(begun)
        self._sent = heard
        self._begin_generation(now)
        return commands, rests

    def _begin_generation(self, now: float) -> None:
        self._marks.clear()
        self._kept.clear()
        self._cleared = True
        self._generation += 1
        self._proved = self._marked = self._run_start = self._sent
        self._run_began_at = now

    def _heard_by_a_clear(self, now: float) -> int:
        """Where a clear that is sent now finds the carrier: at most a round trip past the next mark."""
        trip_s = self._round_trip_s if self._trips else LONGEST_TRIP_S
        limit = self._next_mark + round(trip_s * self._rate_hz)
        return max(self._proved, min(limit, self._position(now)))

    def _outcome(self, stretch: _Stretch, heard: int) -> Command:
        if stretch.complete and stretch.end <= heard:
            return ConfirmHeard(stretch.item)
        heard_ms = (heard - stretch.start) * 1000 // self._rate_hz
        return TruncateReply(stretch.item, heard_ms) if heard_ms > 0 else DropReply(stretch.item)
