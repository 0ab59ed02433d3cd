"""Replies on their way to the caller: in the line's format, accounted, and dropped where they are interrupted.

An assistant sends faster than the caller hears. The carrier is sent at most `AHEAD_S` of a reply, which bridges a pause
of the network; the rest waits here, where it can be dropped at no cost. No clock: `now` is seconds; what falls due is
in the call's `timers`.
"""

from collections import deque
from collections.abc import Callable

from bridge.core.media import Downlink
from bridge.core.playout import Playout
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import Command, ConfirmHeard, DropReply, TruncateReply
from bridge.vocabulary.events import ReplyAudio
from telecodecs.format import FRAME_MS, AudioFormat

AHEAD_S = 5.0
"""The most audio that the carrier has before it plays it."""

TOP_UP_S = 1.0
"""From one top-up of the carrier to the next."""

MOST_WAITING_S = 600.0
"""The most audio that waits here; what comes beyond it is dropped and counted."""

MOST_PIECES = 40_000
"""The most pieces of it that wait here: `MOST_WAITING_S` in frames of 15 ms."""

MOST_ITEMS = 256
"""The most items that wait here: all of them are reported at once when the caller interrupts."""

MOST_REMEMBERED = 2_000
"""Items that were interrupted and have not ended, and items of which it is not known how much was heard; older ones are
forgotten."""

SIGNAL, ANNOUNCEMENT, HOLD = (f"voicebridge: {sound}" for sound in ("waiting signal", "announcement", "hold"))
"""Items of the bridge's own sounds; no assistant knows them."""

MOST_INSERTS = 16
"""The most sounds of the bridge's own that wait for the end of an item; one more is dropped and counted."""

MOST_SOUNDS = 64
"""The most sounds of the bridge's own that are not known to be heard; one more is dropped and counted."""


class Voice:
    """The audio that is played in one call, in the format `line`. Before `open` replies have that format, too.

    `cut` is called with each item that was interrupted, and the share of it that was heard, 0 to 1.
    """

    def __init__(self, line: AudioFormat, timers: Timers, cut: Callable[[str, float], None]) -> None:
        self._line = line
        self._second = line.bytes_in(1000)
        self._timers = timers
        self._cut = cut
        self._playout = Playout(line)
        self._downlink = Downlink(line, line)  # until `open`
        self.incoming_item: str | None = None
        """The item whose audio is coming in."""
        self._interrupted: dict[str, None] = {}  # items whose late audio is dropped until they end
        self._lengths: dict[str, int] = {}  # bytes of each item, until it is known how much of it was heard
        self._waiting: deque[tuple[str, bytes | None]] = deque()  # not sent yet; None: the item ends here
        self._waiting_bytes = 0
        self._waiting_ends = 0
        self._sent_item = ""  # the item that was sent last
        self.is_dropped = False
        """The stream is: the caller hears nothing."""
        self._is_paused = False  # the caller may be about to speak
        self.has_signal = False
        """The waiting signal was played, and is neither known to be heard to its end nor cut."""
        self._inserts: deque[tuple[str, bytes]] = deque()  # to follow the item that is coming in
        self._own: set[str] = set()  # items that are the bridge's own
        self._own_until = 0.0  # the last of them that was sent is heard by then
        self._announcement = b""  # until it is known to be heard to its end
        self.late_pieces = 0
        """Pieces of replies that came after they had been interrupted."""
        self.dropped_pieces = 0
        """Pieces of replies, and sounds of the bridge's own, for which there was no room."""

    def open(self, speaks: AudioFormat, now: float, *, may_pause: bool = False) -> list[Command]:
        """From now on replies come in the format `speaks`. Raises ValueError if that cannot be converted.

        `may_pause`: what is sent is kept until it is heard, for `pause`.
        """
        downlink = Downlink(speaks, self._line)
        commands = self.resume(now) + self.finish(now)
        self._playout.keep(may_pause)
        self._downlink = downlink
        self._interrupted.clear()  # the next assistant may give the same names
        return commands

    def play_sentence(self, sentence: bytes, spoken: AudioFormat, now: float) -> list[Command]:
        """Play a recorded sentence, in the format `spoken`; nothing if it is empty."""
        return self.open(spoken, now) + self.play("sentence", sentence, now) if sentence else []

    def play_signal(self, signal: bytes, spoken: AudioFormat, now: float) -> list[Command]:
        """Play the waiting signal, in the format `spoken`, while no item is coming in."""
        assert self.incoming_item is None, "the signal is played between items"
        downlink = Downlink(spoken, self._line)
        self.has_signal = True
        return self._end(SIGNAL, downlink.feed(signal) + downlink.finish(), now)

    def end_signal(self, now: float) -> list[Command]:
        """Cut the waiting signal, if it is not over: what comes next should not wait for it."""
        return self.interrupt(now) if self.has_signal else []

    def announce(self, announcement: bytes, spoken: AudioFormat, now: float) -> list[Command]:
        """Play a recording, in the format `spoken`, that nothing interrupts and that replies wait for.

        If the stream is dropped before it was heard to its end, it is played again when the stream is resumed.
        """
        downlink = Downlink(spoken, self._line)
        self._announcement = downlink.feed(announcement) + downlink.finish()
        return self.insert(ANNOUNCEMENT, self._announcement, now) if announcement else []

    def straight(self, event: ReplyAudio, now: float) -> list[Command] | None:
        """Play the next piece of the item that is coming in, as `play` does, if nothing waits or is paused, and the carrier
        has room for it. See `lanes.Lane`.
        """
        item, feed = event.item, self._downlink.feed
        if (
            item != self.incoming_item
            or item not in self._lengths
            or item in self._own
            or self._waiting
            or self.is_dropped
            or self._is_paused
            or self._timers.next_due is None
            or now >= self._timers.next_due
        ):
            return None
        audio = feed(event.audio)
        commands = self._playout.play_on(item, audio, now, AHEAD_S)
        if commands is None:
            return self._send(item, audio, now)
        self._lengths[item] += len(audio)
        self._sent_item = item
        return commands

    def play(self, item: str, audio: bytes, now: float) -> list[Command]:
        """Play the next piece of an item; a new item ends the one before."""
        if item == self.incoming_item:
            return self._send(item, self._downlink.feed(audio), now)
        if item in self._interrupted:
            self.late_pieces += 1
            return []
        commands = self.finish(now)
        self.incoming_item = item
        return commands + self._send(item, self._downlink.feed(audio), now)

    def refuse(self, item: str) -> bool:
        """Nothing of this item is played, now or later. Returns False if that was said before."""
        is_new = item not in self._interrupted
        self._interrupted[item] = None
        if len(self._interrupted) > MOST_REMEMBERED:
            del self._interrupted[next(iter(self._interrupted))]
        return is_new

    def end(self, item: str, now: float) -> list[Command]:
        """No more of this item will come."""
        self._interrupted.pop(item, None)
        return self.finish(now) if item == self.incoming_item else []

    def finish(self, now: float) -> list[Command]:
        """No more of the item that is coming in will come; what waits behind it follows."""
        item, self.incoming_item = self.incoming_item, None
        if item is None:
            return []
        commands = self._end(item, self._downlink.finish(), now)
        while self._inserts:
            commands += self._end(*self._inserts.popleft(), now)
        return commands

    def _end(self, item: str, audio: bytes, now: float) -> list[Command]:
        commands = self._send(item, audio, now)
        if not self._waiting:
            return commands + self._settle(self._playout.end_item(item))
        if item not in (self._sent_item, self._waiting[-1][0]):  # there was no room for any of it
            return commands + self._settle([DropReply(item)])
        self._waiting.append((item, None))
        self._waiting_ends += 1
        return commands

    def insert(self, item: str, audio: bytes, now: float) -> list[Command]:
        """Play a sound of the bridge's own, such as DTMF tones, behind the item that is coming in.

        `audio` is whole frames of the line's format. Ask `has_room_for_sound` before.
        """
        self._own.add(item)
        if self.incoming_item is None:
            return self._end(item, audio, now)
        self._inserts.append((item, audio))
        return []

    def play_hold(self, audio: bytes, now: float) -> list[Command]:
        """Play whole frames of hold music, of which no assistant knows, until `interrupt`."""
        self._own.add(HOLD)
        return self._send(HOLD, audio, now)

    def has_room_for_sound(self) -> bool:
        """Whether there is room for a sound of the bridge's own; one for which there is none counts as dropped."""
        has_room = len(self._inserts) < MOST_INSERTS and len(self._own) < MOST_SOUNDS
        self.dropped_pieces += not has_room
        return has_room

    def has_own_sound(self, now: float) -> bool:
        """Whether a sound of the bridge's own has not been heard to its end."""
        is_waiting = bool(self._inserts) or any(item in self._own for item, _ in self._waiting)
        return is_waiting or now < self._own_until

    # Not more than the carrier should have

    def _send(self, item: str, audio: bytes, now: float) -> list[Command]:
        lengths = self._lengths
        lengths[item] = lengths.get(item, 0) + len(audio)
        if len(lengths) > MOST_REMEMBERED:
            del lengths[next(iter(lengths))]
        if self._waiting or self.is_dropped or self._is_paused:
            self._wait(item, audio)
            return []
        if self._playout.ahead_s(now) + len(audio) / self._second <= AHEAD_S:
            return self._play_out(item, audio, now)
        self._wait(item, audio)
        return self.top_up(now)

    def _play_out(self, item: str, audio: bytes, now: float) -> list[Command]:
        self._sent_item = item
        commands = self._playout.play(item, audio, now)
        if item in self._own:
            self._own_until = now + self._playout.left_s(now)
        return commands

    def _wait(self, item: str, audio: bytes) -> None:
        if not audio:
            return
        is_begun = bool(self._waiting) and self._waiting[-1][0] == item
        if (
            self._waiting_bytes > MOST_WAITING_S * self._second
            or len(self._waiting) >= MOST_PIECES
            or (self._waiting_ends >= MOST_ITEMS and not is_begun)
        ):
            self.dropped_pieces += 1
            return
        self._waiting.append((item, audio))
        self._waiting_bytes += len(audio)

    def top_up(self, now: float) -> list[Command]:
        """Send as much of what waits as the carrier has room for."""
        if self.is_dropped or self._is_paused:
            return []
        room_ms = round((AHEAD_S - self._playout.ahead_s(now)) * 1000)
        room = self._line.bytes_in(room_ms - room_ms % FRAME_MS)
        commands: list[Command] = []
        while self._waiting:
            item, audio = self._waiting[0]
            if audio is None:
                self._waiting_ends -= 1
                commands += self._settle(self._playout.end_item(item))
            elif room <= 0:
                self._timers.set(Timer.TOP_UP, now + TOP_UP_S)
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
        self._timers.stop(Timer.TOP_UP)
        return commands

    # Interruptions and pauses

    def interrupt(self, now: float) -> list[Command]:
        """Stop the carrier at once, then say how much of each item was heard. Nothing, if all was heard."""
        commands = self._playout.interrupt(now)
        waited = dict.fromkeys(item for item, _ in self._waiting)
        commands += [DropReply(item) for item in waited if item != self._sent_item]
        commands = self._settle(commands)
        self._own.difference_update(item for item, _ in self._inserts)
        self._own_until = 0.0
        self.has_signal = False
        self._inserts.clear()
        self._waiting.clear()
        self._waiting_bytes = self._waiting_ends = 0
        self._is_paused = False
        self._timers.stop(Timer.TOP_UP)
        if commands:
            self._downlink.discard()
            if self.incoming_item is not None:
                self.refuse(self.incoming_item)
                self.incoming_item = None
        return commands

    def stream_dropped(self, now: float) -> list[Command]:
        """The caller hears nothing any more: what was sent is interrupted, and what comes from now on waits."""
        self.is_dropped = True
        return self.interrupt(now)

    def stream_resumed(self, now: float) -> list[Command]:
        """The caller hears again: send what waits."""
        self.is_dropped = False
        if self._announcement:
            self._own.add(ANNOUNCEMENT)
            self._waiting.extendleft([(ANNOUNCEMENT, None), (ANNOUNCEMENT, self._announcement)])
            self._waiting_bytes += len(self._announcement)
            self._lengths[ANNOUNCEMENT] = len(self._announcement)
        return self.top_up(now)

    def pause(self, now: float) -> list[Command]:
        """Stop the carrier at once; what is not heard by now waits, for `resume` or `interrupt`."""
        if self._is_paused or self.is_dropped or not self.is_pending:
            return []
        self._is_paused = True
        self._timers.stop(Timer.TOP_UP)
        commands, rests = self._playout.pause(now)
        for item, audio, complete in reversed(rests):
            if complete:
                self._waiting.appendleft((item, None))
                self._waiting_ends += 1
            if audio:
                self._waiting.appendleft((item, audio))
                self._waiting_bytes += len(audio)
        self._sent_item = rests[0].item if rests else ""
        return self._settle(commands)

    def resume(self, now: float) -> list[Command]:
        """Go on after `pause`; nothing, if nothing is paused."""
        if not self._is_paused:
            return []
        self._is_paused = False
        return self.top_up(now)

    # What was heard

    def mark_end(self) -> list[Command]:
        """A mark behind all that was sent, unless there is one, or more is to be sent."""
        return [] if self._waiting else self._playout.mark_end()

    def mark_reached(self, name: str, now: float) -> list[Command]:
        """The carrier returned a mark."""
        return self._settle(self._playout.mark_reached(name, now))

    def take_length_ms(self, item: str) -> float:
        """How much came of an item, which is forgotten with this."""
        return self._line.duration_ms(self._lengths.pop(item, 0))

    def _settle(self, commands: list[Command]) -> list[Command]:
        """These commands without those about the bridge's own sounds, which no assistant knows."""
        kept: list[Command] = []
        for command in commands:
            if isinstance(command, ConfirmHeard | TruncateReply | DropReply):
                length_ms = self.take_length_ms(command.item)
                if command.item == SIGNAL:
                    self.has_signal = False
                    continue
                if command.item == ANNOUNCEMENT and isinstance(command, ConfirmHeard):
                    self._announcement = b""
                if command.item in self._own:
                    self._own.discard(command.item)
                    continue
                if not isinstance(command, ConfirmHeard):
                    heard_ms = command.heard_ms if isinstance(command, TruncateReply) else 0
                    self._cut(command.item, heard_ms / max(1.0, length_ms))
            kept.append(command)
        return kept

    @property
    def kept(self) -> int:
        """How many pieces and names of items are kept."""
        known = len(self._interrupted) + len(self._lengths) + len(self._own)
        return len(self._waiting) + len(self._inserts) + known + self._playout.kept

    @property
    def is_pending(self) -> bool:
        """Whether something is coming in, or waits, or the carrier still owes us a mark."""
        return self.incoming_item is not None or bool(self._waiting) or self._playout.is_pending

    def left_s(self, now: float) -> float:
        """Seconds of audio that the caller has still to hear."""
        return self._playout.left_s(now) + self._waiting_bytes / self._second

    def ahead_s(self, now: float, *, sent: bool = False) -> float:
        """Seconds of audio that are still to be played, on a line without delay; no mark is waited for. `sent`: of what was sent."""
        return self._playout.ahead_s(now) + (0.0 if sent else self._waiting_bytes / self._second)

    @property
    def round_trip_ms(self) -> int | None:
        """The round trip to the carrier; None until a mark has measured it."""
        return self._playout.round_trip_ms

    @property
    def stray_marks(self) -> int:
        """Marks that came back and were never sent."""
        return self._playout.stray_marks
