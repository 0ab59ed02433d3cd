"""Hold music: a recording that is played over and over on the caller's own stream, a little ahead of what is heard.

No clock: `now` is seconds; when there is room for more is in the call's `timers`.
"""

from typing import Protocol

from bridge.core.media import Downlink
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import Command
from telecodecs.format import AudioFormat

AHEAD_S = 2.0
"""The most of it that the carrier has before it plays it: a stall of the process is bridged, and the end of it is soon."""

LOOK_AGAIN_S = 0.5
"""From one look for room to the next."""

FRAME_MS = 20


class Player(Protocol):
    """What plays it: the voice of a call, or the far end of a room."""

    is_dropped: bool
    """The caller's stream is."""

    def ahead_s(self, now: float) -> float:
        """How much the carrier has still to play, seconds."""
        ...

    def play_hold(self, audio: bytes, now: float) -> list[Command]:
        """Play whole frames of it."""
        ...

    def interrupt(self, now: float) -> list[Command]:
        """Stop it at once, also what the carrier has of it."""
        ...


class HoldMusic:
    """The hold music of one call, played by `voice`, whose format is `plays`."""

    def __init__(self, voice: Player, plays: AudioFormat, timers: Timers) -> None:
        self._voice = voice
        self._plays = plays
        self._timers = timers
        self._music = b""
        self._at = 0  # bytes of it that were played since it began anew
        self.is_playing = False

    def start(self, music: bytes, spoken: AudioFormat, now: float) -> list[Command]:
        """Play `music`, in the format `spoken`, until `stop`; nothing if it is empty."""
        downlink = Downlink(spoken, self._plays)
        self._music = downlink.feed(music) + downlink.finish()
        self._at, self.is_playing = 0, bool(self._music)
        return self.due(now)

    def stop(self, now: float) -> list[Command]:
        """Stop it at once, also what the carrier has of it."""
        is_playing = self.is_playing
        self.leave()
        return self._voice.interrupt(now) if is_playing else []

    def leave(self) -> None:
        """No more of it: the stream is gone, or about to be."""
        self._timers.stop(Timer.HOLD)
        self.is_playing = False

    def due(self, now: float) -> list[Command]:
        """Give the carrier as much as it has room for."""
        if not self.is_playing or self._voice.is_dropped:
            return []
        self._timers.set(Timer.HOLD, now + LOOK_AGAIN_S)
        room_ms = round((AHEAD_S - self._voice.ahead_s(now)) * 1000)
        room = self._plays.bytes_in(room_ms - room_ms % FRAME_MS)
        commands: list[Command] = []
        while room > 0:
            piece = self._music[self._at : self._at + room]
            self._at = (self._at + len(piece)) % len(self._music)
            room -= len(piece)
            commands += self._voice.play_hold(piece, now)
        return commands
