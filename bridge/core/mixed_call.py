"""What a call does with a room: the voices of its members in, and out to each what they hear.

To the assistant the room is a carrier: what it plays is spoken into the room, and what it hears is what the room gives it.
Without a room this costs nothing. No clock: `now` is seconds.
"""

from bridge.core.dialogue import Dialogue
from bridge.core.far_buffer import MOST_S, FarBuffer
from bridge.core.hold_music import HoldMusic
from bridge.core.media import Conversion
from bridge.core.room import Room
from bridge.core.room_speaker import Speaker
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import ClearPlayback, Command, PlayAudio, SendMark
from bridge.vocabulary.events import CallerAudio, MarkReached
from bridge.vocabulary.room import LeaveRoom, Member, MemberAudio, PlayToMember, Role, SetRole
from telecodecs.format import FRAME_MS, AudioFormat
from telecodecs.jitter import Reorder

LONGEST_HOLE_MS = 40
"""The most silence in place of a frame that never came: the room goes on without it."""

SEAM_S = 0.04
"""So much before the far end has played what it has from before the room, more is sent to it."""

MOST_BESIDE_S = 5.0
"""Where the caller has still so much to hear that is no part of the room, nothing is added to it."""

LOOK_S = 0.04
"""From one look whether the assistant has something due to the next, where no frames come."""


class MemberLeg:
    """The leg of a member that is not the caller's: its frames in the room's format, and back. Raises ValueError where
    `line`, the format of its frames, cannot be converted.
    """

    def __init__(self, leg: str, line: AudioFormat, room: AudioFormat, reorder_ms: int) -> None:
        self.leg = leg
        self.order = Reorder(line, reorder_ms, LONGEST_HOLE_MS)
        self.spoken = Conversion(line, room)
        self.heard = Conversion(room, line)


class MixedCall:
    """The room of one call. `line`, `plays`: the formats of the caller's stream. Raises ValueError as `Room` does."""

    def __init__(
        self, line: AudioFormat, plays: AudioFormat, dialogue: Dialogue, timers: Timers, reorder_ms: int
    ) -> None:
        self.room = Room(line)
        self._dialogue = dialogue
        self._timers = timers
        self._reorder_ms = reorder_ms
        self._order = Reorder(line, reorder_ms, LONGEST_HOLE_MS)
        self._far = FarBuffer(plays)
        self.music = HoldMusic(self._far, plays, timers)
        """What a caller hears who is on hold in the room."""
        self._played = Conversion(line, plays)
        self._speaker = Speaker(plays)
        self._spoken = Conversion(plays, line)
        self._legs: dict[Member, MemberLeg] = {}
        self._ear_ms = 0  # the clock of what the assistant hears
        self._look_at = 0.0
        self._out: list[Command] = []  # what the room gives, until `take`
        self._falls_silent = False  # the assistant, once it was heard
        self._asks_carrier = False  # what the caller heard of the assistant

    def counts(self) -> dict[str, int]:
        """What was skipped and added, in frames."""
        return {
            "room_skipped": self.room.skipped + self._far.skipped,
            "room_added": self._far.added,
        }

    @property
    def is_assistant_speaking(self) -> bool:
        """Whether something that the assistant said is still to be heard: then timers move."""
        return self._speaker.is_speaking

    def ask_carrier(self, ahead_s: float, now: float) -> None:
        """What the caller heard of the assistant is what the caller's carrier says: it gets the assistant's marks and clears.

        `ahead_s`: how much it has to play from before the room.
        """
        self._asks_carrier = True
        self._far.has(ahead_s, now)
        self._speaker.begins_at(now + max(0.0, ahead_s - SEAM_S))

    def is_behind(self, now: float) -> bool:
        """Whether the caller has still to hear so much beside the room that nothing else is played to them."""
        return self._far.ahead_s(now) > MOST_S

    def give(self, commands: list[Command]) -> None:
        """These commands are for the carrier, and no part of what the assistant says into the room."""
        self._out += commands

    # Members

    def place(self, member: Member, role: Role, to: Member | None = None) -> None:
        """A member joins, or has another role."""
        if member is Member.ASSISTANT:
            self._falls_silent = False
        self.room.place(member, role, to)
        self._out.append(SetRole(member, role, to))

    def join(self, member: Member, leg: str, line: AudioFormat) -> None:
        """The leg of a member that was placed is there. Raises ValueError as `MemberLeg` does."""
        self._legs[member] = MemberLeg(leg, line, self.room.line, self._reorder_ms)

    def leg_of(self, member: Member) -> str:
        """The leg of this member; empty where there is none."""
        leg = self._legs.get(member)
        return "" if leg is None else leg.leg

    def leave(self, member: Member) -> None:
        """A member leaves; nothing if it is not there."""
        self._legs.pop(member, None)
        if member in self.room.parts:
            self.room.leave(member)
            self._out.append(LeaveRoom(member))

    def caller_dropped(self) -> None:
        """The caller's stream broke: nothing is played there until it is back."""
        self._far.is_dropped = True
        self.music.leave()

    def caller_resumed(self, now: float) -> None:
        """It is back, with a clock of its own."""
        self._far.resumed(now)
        self._order.restart()

    # What members say

    def caller_speaks(self, event: CallerAudio, now: float) -> None:
        """A frame of the caller's."""
        if self._speaker.is_speaking:
            self._assistant_speaks(now)
        if self._order.passes(event.at_ms, event.audio):
            self._play(self.room.speak(Member.CALLER, event.audio, now), now)
        else:
            for frame in self._order.feed(event.at_ms, event.audio):
                self._play(self.room.speak(Member.CALLER, frame, now), now)

    def member_speaks(self, event: MemberAudio, now: float) -> None:
        """A frame of a member's leg; nothing if it has not joined, as that of one who was hung up on."""
        leg = self._legs.get(event.member)
        if leg is None or leg.leg != event.member_leg:
            return
        if self._speaker.is_speaking:
            self._assistant_speaks(now)
        in_order = leg.order.passes(event.at_ms, event.audio)
        for frame in (event.audio,) if in_order else leg.order.feed(event.at_ms, event.audio):
            heard = leg.spoken.feed(frame) if leg.spoken.needed else frame
            self._play(self.room.speak(event.member, heard, now), now)

    def _play(self, played: list[tuple[Member, bytes]], now: float) -> None:
        out = self._out
        for listener, frame in played:
            if listener is Member.CALLER:
                if not self._far.is_dropped:
                    played_as = self._played
                    out += self._far.play(played_as.feed(frame) if played_as.needed else frame, now)
            elif listener is Member.ASSISTANT:
                heard_frame = CallerAudio(frame, self._ear_ms)
                caller = self._dialogue.caller
                straight = caller.straight(heard_frame, now)
                out += caller.audio(heard_frame, now) if straight is None else straight
                self._ear_ms += FRAME_MS
            elif (leg := self._legs.get(listener)) is not None:
                heard = leg.heard.feed(frame) if leg.heard.needed else frame
                out.append(PlayToMember(listener, leg.leg, heard))

    def play_to_caller(self, sound: bytes, now: float) -> bool:
        """Play this to the caller alone, in the format that is played, in place of the voices. False: too much is played so already."""
        if self._far.ahead_s(now) > MOST_BESIDE_S:
            return False
        self._out += self._far.insert(sound, now)
        return True

    def mark_reached(self, event: MarkReached, now: float) -> None:
        """The carrier returned a mark that the room has sent."""
        self._far.mark_reached(event.name, now)

    # What the assistant says

    def take(self, commands: list[Command], now: float) -> list[Command]:
        """Take what the assistant's side would have the carrier play. Returns the other commands, and what the room gives."""
        kept = self._route(commands, now) if commands else commands
        if self._speaker.is_speaking and now >= self._look_at:
            self._assistant_speaks(now)
        out = self._take_out()
        return kept + out if kept else out

    def _take_out(self) -> list[Command]:
        out, self._out = self._out, []
        return out

    def _route(self, commands: list[Command], now: float) -> list[Command]:
        kept: list[Command] = []
        for command in commands:
            if isinstance(command, PlayAudio | SendMark | ClearPlayback):
                if not self._speaker.is_speaking:
                    self._look_at = now + LOOK_S  # their frames are its clock
                    self._timers.set(Timer.ROOM, self._look_at)
                self._speaker.tell(command, now)
                if self._asks_carrier and isinstance(command, ClearPlayback):
                    self._out.append(command)
                    self._far.has(0.0, now)
                    self._speaker.begins_at(now)
            else:
                kept.append(command)
        return kept

    def _assistant_speaks(self, now: float) -> None:
        spoken = self._speaker.due(now)
        for frame in spoken.frames:
            heard = self._spoken.feed(frame) if self._spoken.needed else frame
            self._play(self.room.speak(Member.ASSISTANT, heard, now), now)
        for mark in () if self._asks_carrier else spoken.marks:
            self._out += self._route(self._dialogue.conversation.mark_reached(MarkReached(mark), now), now)
        if not self._speaker.is_speaking:
            self._timers.stop(Timer.ROOM)
            self._play(self.room.pause(Member.ASSISTANT, now), now)
            if self._falls_silent:
                self.place(Member.ASSISTANT, Role.SILENT)
        else:
            self._look_at = now + LOOK_S
            self._timers.set(Timer.ROOM, self._look_at)
        if self._asks_carrier:  # behind the audio: at most one frame of it still waits to be added to another
            self._out += map(SendMark, spoken.marks)

    def fall_silent(self) -> None:
        """The assistant is silent once all that it has said was heard."""
        self._falls_silent = True

    def drop(self) -> list[Command]:
        """The room is over, and what the assistant has said is not heard any more."""
        self._timers.stop(Timer.ROOM)
        return self._take_out()

    def close(self, now: float) -> list[Command]:
        """The room is over: what the assistant has said, and nobody has heard, goes to the caller alone."""
        self._timers.stop(Timer.ROOM)
        self._out += self.music.stop(now)
        self._play(self.room.rest(Member.CALLER), now)
        rest = self._speaker.drain()
        return self._take_out() + ([] if self._far.is_dropped else rest)
