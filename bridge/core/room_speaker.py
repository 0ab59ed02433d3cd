"""What the assistant says into a room: taken as fast as it sends, given frame by frame in the time that it takes to hear.

To the assistant's side this is a carrier: it takes `PlayAudio`, `SendMark` and `ClearPlayback`, and returns marks.
No clock: `now` is seconds.
"""

from collections import deque
from typing import NamedTuple

from bridge.vocabulary.commands import ClearPlayback, PlayAudio, SendMark
from telecodecs.format import FRAME_MS, AudioFormat

MOST_BEHIND_S = 0.1
"""Where nobody asked for so long, what was due meanwhile is put off."""

FRAME_S = FRAME_MS / 1000

EARLY_S = 0.008
"""Once a reply has begun, a frame may be given so much too early: so each of those who ask every 20 ms, more or less, gets one."""


class Spoken(NamedTuple):
    """What is due: `frames` to be heard now, and `marks` of what was heard."""

    frames: list[bytes]
    marks: list[str]


NOTHING = Spoken([], [])


class Speaker:
    """The assistant of one room, whose frames have the format `line`."""

    def __init__(self, line: AudioFormat) -> None:
        self._frame = line.bytes_in(FRAME_MS)
        self._queue: deque[bytes | str] = deque()  # audio, and names of marks
        self._at = 0  # bytes of the first of it that were given
        self._due_at = 0.0  # of the next frame
        self._begins = False

    @property
    def is_speaking(self) -> bool:
        """Whether there is more to be heard."""
        return bool(self._queue)

    def tell(self, command: PlayAudio | SendMark | ClearPlayback, now: float) -> None:
        """Take what a carrier is told."""
        if isinstance(command, ClearPlayback):
            self._queue.clear()
            self._at = 0
            return
        if not self._queue:
            self._begins = self._due_at + EARLY_S <= now
            self._due_at = max(self._due_at, now)
        self._queue.append(command.name if isinstance(command, SendMark) else command.audio)

    def begins_at(self, at: float) -> None:
        """Nothing is due before this time."""
        self._due_at = at

    def due(self, now: float) -> Spoken:
        """Give what is due by `now`."""
        if not self._queue or self._due_at > now:
            return NOTHING
        if self._begins:
            self._begins = False
            if now < self._due_at + 2 * FRAME_S:
                self._due_at = now - EARLY_S
        self._due_at = max(self._due_at, now - MOST_BEHIND_S)
        frames, marks = list[bytes](), list[str]()
        while self._queue and self._due_at <= now:
            first = self._queue[0]
            if isinstance(first, str):
                marks.append(first)
                self._queue.popleft()
                continue
            frames.append(first[self._at : self._at + self._frame])
            self._at += self._frame
            self._due_at += FRAME_S
            if self._at >= len(first):
                self._queue.popleft()
                self._at = 0
        return Spoken(frames, marks)

    def drain(self) -> list[PlayAudio | SendMark]:
        """Give all that was not heard, as a carrier is told it."""
        rest, at = self._queue, self._at
        self._queue, self._at = deque(), 0
        told: list[PlayAudio | SendMark] = []
        for one in rest:
            told.append(SendMark(one) if isinstance(one, str) else PlayAudio(one[at:]))
            at = 0
        return told
