"""The assistant's voice on its way to the caller: in the line's format, accounted, and dropped where interrupted.

An assistant speaks faster than a caller hears. The carrier is sent `AHEAD_S` of it, which bridges any pause on the
way; the rest waits here, where a clear costs nothing and a minute of speech that comes at once holds nobody up.
No clock: `now` is seconds; what falls due is in the call's `timers`.
"""

from collections import deque

from bridge.core.media import FRAME_MS, Downlink
from bridge.core.playout import Playout
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import Command, ConfirmHeard, DropReply, TruncateReply
from telecodecs.format import AudioFormat

AHEAD_S = 5.0
"""Sent before it is played; topped up each second."""

TOP_UP_S = 1.0

MOST_WAITING_S = 600.0
"""Of speech that waits; what is beyond is dropped and counted. Nobody listens to ten minutes."""

MOST_INSERTS = 16
"""Sounds of the bridge's own that wait for the end of an item; one more is dropped and counted."""


class Voice:
    """One call's. Before `open` nothing can be said."""

    def __init__(self, line: AudioFormat, timers: Timers) -> None:
        self._line = line
        self._second = line.bytes_in(1000)
        self._timers = timers
        self._playout = Playout(line)
        self._downlink: Downlink
        self.speaking: str | None = None
        """The item whose audio is coming in."""
        self._interrupted: set[str] = set()  # items whose late audio is dropped until they end
        self._lengths: dict[str, int] = {}  # bytes of each item, until it is known what became of it
        self._waiting: deque[tuple[str, bytes | None]] = deque()  # not sent yet; None: the item ends here
        self._waiting_bytes = 0
        self._going_out = ""  # the item that was sent last
        self._held = False  # nobody can hear
        self._paused = False  # the caller may be about to speak
        self._inserts: deque[tuple[str, bytes]] = deque()  # to follow the item that is coming in
        self._own: set[str] = set()  # items that are the bridge's
        self._own_until = 0.0  # the last of them that was sent is heard by then
        self.late = 0
        """Pieces of replies that came after they had been interrupted."""
        self.too_long = 0
        """Pieces of replies that were not to be waited for."""

    def open(self, speaks: AudioFormat, now: float, *, may_pause: bool = False) -> list[Command]:
        """From now on it is spoken in this format. Raises ValueError if that cannot be converted."""
        downlink = Downlink(speaks, self._line)
        commands = self.go_on(now) + self.finish(now)
        self._playout.keep(may_pause)
        self._downlink = downlink
        self._interrupted.clear()  # the next assistant may give the same names
        return commands

    def recite(self, sentence: bytes, spoken: AudioFormat, now: float) -> list[Command]:
        """The bridge's own words; none if they are empty."""
        return self.open(spoken, now) + self.play("sentence", sentence, now) if sentence else []

    def play(self, item: str, audio: bytes, now: float) -> list[Command]:
        """The next piece of an item; a new one ends the one before."""
        if item == self.speaking:
            return self._send(item, self._downlink.feed(audio), now)
        if item in self._interrupted:
            self.late += 1
            return []
        commands = self.finish(now)
        self.speaking = item
        return commands + self._send(item, self._downlink.feed(audio), now)

    def end(self, item: str, now: float) -> list[Command]:
        """No more of this item will come."""
        self._interrupted.discard(item)
        return self.finish(now) if item == self.speaking else []

    def finish(self, now: float) -> list[Command]:
        """What was begun is all there is of it."""
        item, self.speaking = self.speaking, None
        if item is None:
            return []
        commands = self._end(item, self._downlink.finish(), now)
        while self._inserts:
            commands += self._end(*self._inserts.popleft(), now)
        return commands

    def _end(self, item: str, audio: bytes, now: float) -> list[Command]:
        commands = self._send(item, audio, now)
        if self._waiting:
            self._waiting.append((item, None))
            return commands
        return commands + self._settle(self._playout.end_item(item))

    def insert(self, item: str, audio: bytes, now: float) -> list[Command]:
        """Sound of the bridge's own, whole frames of the line's, on top of nothing: behind the item that is coming in."""
        if len(self._inserts) == MOST_INSERTS:
            self.too_long += 1
            return []
        self._own.add(item)
        if self.speaking is None:
            return self._end(item, audio, now)
        self._inserts.append((item, audio))
        return []

    def plays_own(self, now: float) -> bool:
        """Whether sound of the bridge's own is still to be heard to its end."""
        waits = self._inserts or any(item in self._own for item, _ in self._waiting)
        return bool(waits) or now < self._own_until

    # Not more than the carrier should have

    def _send(self, item: str, audio: bytes, now: float) -> list[Command]:
        self._lengths[item] = self._lengths.get(item, 0) + len(audio)
        if self._waiting or self._held or self._paused:
            self._wait(item, audio)
            return []
        if self._playout.ahead_s(now) + len(audio) / self._second <= AHEAD_S:
            return self._play_out(item, audio, now)
        self._wait(item, audio)
        return self.top_up(now)

    def _play_out(self, item: str, audio: bytes, now: float) -> list[Command]:
        self._going_out = item
        commands = self._playout.play(item, audio, now)
        if item in self._own:
            self._own_until = now + self._playout.left_s(now)
        return commands

    def _wait(self, item: str, audio: bytes) -> None:
        if self._waiting_bytes > MOST_WAITING_S * self._second:
            self.too_long += 1
            return
        if audio:
            self._waiting.append((item, audio))
            self._waiting_bytes += len(audio)

    def top_up(self, now: float) -> list[Command]:
        """Send what there is room for by now."""
        if self._held or self._paused:
            return []
        room_ms = round((AHEAD_S - self._playout.ahead_s(now)) * 1000)
        room = self._line.bytes_in(room_ms - room_ms % FRAME_MS)
        commands: list[Command] = []
        while self._waiting:
            item, audio = self._waiting[0]
            if audio is None:
                commands += self._settle(self._playout.end_item(item))
            elif room <= 0:
                self._timers.set(Timer.ROOM, now + TOP_UP_S)
                return commands
            else:
                piece = audio[:room]
                if len(piece) < len(audio):
                    self._waiting[0] = item, audio[room:]
                room -= len(piece)
                self._waiting_bytes -= len(piece)
                commands += self._play_out(item, piece, now)
                if len(piece) < len(audio):
                    continue
            self._waiting.popleft()
        self._timers.stop(Timer.ROOM)
        return commands

    # What became of it

    def interrupt(self, now: float) -> list[Command]:
        """Stop the carrier at once, then say of each item what of it was heard. Nothing, if all was heard."""
        commands = self._playout.interrupt(now)
        waited = dict.fromkeys(item for item, _ in self._waiting)
        commands += [DropReply(item) for item in waited if item != self._going_out]
        commands = self._settle(commands)
        self._own.difference_update(item for item, _ in self._inserts)
        self._own_until = 0.0
        self._inserts.clear()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._paused = False
        self._timers.stop(Timer.ROOM)
        if commands:
            self._downlink.discard()
            if self.speaking is not None:
                self._interrupted.add(self.speaking)
                self.speaking = None
        return commands

    def hold(self, now: float) -> list[Command]:
        """The caller is away: what is on the way is not heard, and what comes from now on waits."""
        self._held = True
        return self.interrupt(now)

    def resume(self, now: float) -> list[Command]:
        """The caller is back."""
        self._held = False
        return self.top_up(now)

    def pause(self, now: float) -> list[Command]:
        """The caller may be about to speak: what is not heard by now waits, to be heard later or dropped."""
        if self._paused or self._held or not self.pending:
            return []
        self._paused = True
        self._timers.stop(Timer.ROOM)
        commands, rests = self._playout.pause(now)
        for item, audio, complete in reversed(rests):
            if complete:
                self._waiting.appendleft((item, None))
            if audio:
                self._waiting.appendleft((item, audio))
                self._waiting_bytes += len(audio)
        self._going_out = rests[0].item if rests else ""
        return self._settle(commands)

    def go_on(self, now: float) -> list[Command]:
        """It was nothing."""
        if not self._paused:
            return []
        self._paused = False
        return self.top_up(now)

    def length_ms(self, item: str) -> float:
        """How much came of an item; to be asked once, when it is known that no more counts."""
        return self._line.duration_ms(self._lengths.pop(item, 0))

    def mark_end(self) -> list[Command]:
        """A mark behind all that was sent, unless one stands there, or more is to come."""
        return [] if self._waiting else self._playout.mark_end()

    def mark_reached(self, name: str, now: float) -> list[Command]:
        """The carrier returned a mark."""
        return self._settle(self._playout.mark_reached(name, now))

    def _settle(self, commands: list[Command]) -> list[Command]:
        """What became of the bridge's own sounds is no assistant's business."""
        told: list[Command] = []
        for command in commands:
            is_own = False
            if isinstance(command, ConfirmHeard | TruncateReply | DropReply):
                is_own = command.item in self._own
                if is_own or isinstance(command, ConfirmHeard):
                    self._lengths.pop(command.item, None)
                self._own.discard(command.item)
            if not is_own:
                told.append(command)
        return told

    @property
    def pending(self) -> bool:
        """Whether something is coming in, or waits, or the carrier still owes us a mark."""
        return self.speaking is not None or bool(self._waiting) or self._playout.pending

    def left_s(self, now: float) -> float:
        """Seconds of audio that the caller has still to hear."""
        return self._playout.left_s(now) + self._waiting_bytes / self._second

    @property
    def round_trip_ms(self) -> int | None:
        """To the carrier and back; None as long as no mark has told it."""
        return self._playout.round_trip_ms

    @property
    def stray_marks(self) -> int:
        """Marks that came back though nobody sent them."""
        return self._playout.stray_marks
