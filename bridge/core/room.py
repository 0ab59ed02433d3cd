"""A room: its members, who of them hears whom, and what each of them hears.

Bytes in, bytes out. A frame that comes is given at once to whoever hears its speaker alone, untouched; where somebody hears
several speakers, `member_mix` adds them up. No clock: `now` is seconds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.core.member_mix import MemberMix, Mixer
from bridge.vocabulary.room import Member, Role
from telecodecs.format import FRAME_MS, AudioFormat
from telecodecs.framing import Framer


@dataclass(frozen=True, slots=True)
class Part:
    """What one member does in the room. `to`: whom a member who whispers is heard by."""

    role: Role
    to: Member | None = None


def who_hears_whom(parts: Mapping[Member, Part]) -> dict[Member, frozenset[Member]]:
    """The matrix: for each member those whom this member hears. Nobody hears themselves."""

    def is_heard(speaker: Member, listener: Member) -> bool:
        part = parts[speaker]
        return part.role is Role.TALKS or (part.role is Role.WHISPERS and part.to is listener)

    return {
        listener: frozenset(
            speaker
            for speaker in parts
            if speaker is not listener and part.role is not Role.HELD and is_heard(speaker, listener)
        )
        for listener, part in parts.items()
    }


class Room:
    """One room, whose frames have the format `line`. Raises ValueError if that has more than one channel."""

    def __init__(self, line: AudioFormat) -> None:
        self.line = line
        """The format of all frames."""
        self._mixer = Mixer(line)
        self._frame = line.bytes_in(FRAME_MS)
        self._parts: dict[Member, Part] = {}
        self._mixes: dict[Member, MemberMix] = {}
        self._framers: dict[Member, Framer] = {}
        self._heard_by: dict[Member, tuple[tuple[Member, MemberMix], ...]] = {}

    @property
    def skipped(self) -> int:
        """Frames that were not heard because their speaker was behind the others."""
        return sum(mix.skipped for mix in self._mixes.values())

    @property
    def parts(self) -> Mapping[Member, Part]:
        """What each member does."""
        return self._parts

    def hears(self, listener: Member) -> Collection[Member]:
        """Whom this member hears."""
        return self._mixes[listener].speakers if listener in self._mixes else frozenset()

    def place(self, member: Member, role: Role, to: Member | None = None) -> None:
        """A member joins, or has another role from the next frame on."""
        self._parts[member] = Part(role, to)
        self._framers.setdefault(member, Framer(self._frame, self.line.silence))
        self._follow()

    def leave(self, member: Member) -> None:
        """A member leaves; nothing if it is not there."""
        if self._parts.pop(member, None) is not None:
            del self._framers[member]
            self._follow()

    def _follow(self) -> None:
        """Make the mixes that the matrix asks for; one whose speakers stay the same goes on."""
        matrix = who_hears_whom(self._parts)
        before, self._mixes = self._mixes, {}
        for listener, speakers in matrix.items():
            mix = before.get(listener)
            if mix is None or mix.speakers != speakers:
                mix = MemberMix(self._mixer, speakers, mix)
            self._mixes[listener] = mix
        self._heard_by = {
            speaker: tuple(
                (listener, mix) for listener, mix in self._mixes.items() if speaker in mix.speakers
            )
            for speaker in self._parts
        }

    def speak(self, member: Member, audio: bytes, now: float) -> list[tuple[Member, bytes]]:
        """A frame of this member: return what is to be played now, and to whom.

        Audio that is not one frame long is cut into frames, and the rest of it waits for more.
        """
        if member not in self._parts:
            return []
        framer = self._framers[member]
        if len(audio) == self._frame and not framer.kept:
            return self._speak(member, audio, now)
        whole, played = framer.feed(audio), list[tuple[Member, bytes]]()
        for at in range(0, len(whole), self._frame):
            played += self._speak(member, whole[at : at + self._frame], now)
        return played

    def _speak(self, member: Member, frame: bytes, now: float) -> list[tuple[Member, bytes]]:
        played: list[tuple[Member, bytes]] = []
        for listener, mix in self._heard_by[member]:
            if mix.is_of_one:
                played.append((listener, frame))
            else:
                played += [(listener, heard) for heard in mix.take(member, frame, now)]
        return played

    def rest(self, listener: Member) -> list[tuple[Member, bytes]]:
        """What this member is still to hear of what was said so far: the room is about to end."""
        return (
            [(listener, heard) for heard in self._mixes[listener].rest()] if listener in self._mixes else []
        )

    def pause(self, member: Member, now: float) -> list[tuple[Member, bytes]]:
        """This member says nothing for now: nobody waits for a further frame. Returns what has waited for one."""
        return [
            (listener, heard)
            for listener, mix in self._heard_by.get(member, ())
            if not mix.is_of_one
            for heard in mix.pause(member, now)
        ]
