"""Mixes what two people who talk with each other say, frame by frame, for an assistant that listens to both.

Bytes in, bytes out; frames are matched by the stream's clock. No clock of its own.
"""

from math import inf

import numpy as np

from telecodecs.codec import decoder, encoder
from telecodecs.format import FRAME_MS, AudioFormat

LATE_FRAMES = 3
"""So many frames one party may be behind the other; then what the other one says is passed on alone."""

LOUDEST, QUIETEST = 32_767, -32_768
"""The range of a linear sample of 16 bits; a sum beyond it is saturated."""


class TalkMixer:
    """The sum of two voices. `line`: the format of the frames, in and out."""

    def __init__(self, line: AudioFormat) -> None:
        self._decode, self._encode = decoder(line), encoder(line)
        self._waiting: dict[
            int, tuple[int, bytes, bool]
        ] = {}  # by frame: at, audio, whether it is the caller's
        self._passed_on = -inf  # the last frame
        self.late = 0
        """Frames that came too late to be mixed, or twice; they are dropped."""

    def feed(self, audio: bytes, at_ms: int, *, is_callers: bool) -> list[tuple[bytes, int]]:
        """Take one frame; return what is due, as frames and the time of each on the stream's clock, ms."""
        frame = at_ms // FRAME_MS
        other = self._waiting.get(frame)
        if frame <= self._passed_on or (other is not None and other[2] is is_callers):
            self.late += 1
            return []
        if other is None:
            self._waiting[frame] = at_ms, audio, is_callers
            return self._pass_on(frame - LATE_FRAMES)
        self._waiting[frame] = other[0], self._sum(other[1], audio), is_callers
        return self._pass_on(frame)

    def _pass_on(self, last: int) -> list[tuple[bytes, int]]:
        """Everything up to this frame."""
        due = sorted(frame for frame in self._waiting if frame <= last)
        self._passed_on = max(self._passed_on, last)
        return [(audio, at_ms) for at_ms, audio, _ in map(self._waiting.pop, due)]

    def _sum(self, one: bytes, other: bytes) -> bytes:
        first, second = self._decode(one).astype(np.int32), self._decode(other)
        if len(first) < len(second):
            first, second = second.astype(np.int32), first.astype(np.int16)
        first[: len(second)] += second
        return self._encode(np.clip(first, QUIETEST, LOUDEST).astype(np.int16))
