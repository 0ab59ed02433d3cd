"""What one member of a room hears: the sum of those who speak, frame by frame, driven by the frames that come.

A frame waits for one of each other speaker who sends, at most until their next one should have come. A speaker who stalls
is not waited for. A speaker whose frames came late, all at once, is behind the others until there is quiet to be skipped.
No clock: `now` is seconds.
"""

from collections import deque
from collections.abc import Iterable
from functools import cache
from math import inf

import numpy as np
from numpy.typing import NDArray

from bridge.vocabulary.room import Member
from telecodecs.codec import decoder, encoder
from telecodecs.format import FRAME_MS, AudioFormat

STALLED_S = 0.03
"""A speaker of whom nothing has come for so long is not waited for: a frame and a half."""

MOST_WAITING = 8
"""So many frames of one speaker may wait, 160 ms; then the oldest is skipped."""

QUIET = 130
"""Samples up to this, -48 dBFS, may be skipped."""

LOUDEST, QUIETEST = 32_767, -32_768
"""The range of a linear sample of 16 bits; a sum beyond it is saturated."""


_BYTES = np.arange(256, dtype=np.uint8).tobytes()


@cache
def _sums(line: AudioFormat) -> NDArray[np.uint8]:
    """The sum of any two samples of a format whose samples are one byte, shape (256, 256)."""
    samples = decoder(line)(_BYTES).astype(np.int32)
    sums = np.clip(samples[:, None] + samples[None, :], QUIETEST, LOUDEST).astype(np.int16)
    return np.frombuffer(encoder(line)(sums.ravel()), np.uint8).reshape(256, 256)


class Mix:
    """The sum of frames. `line`: the format of the frames, in and out. Raises ValueError on more than one channel."""

    def __init__(self, line: AudioFormat) -> None:
        self._decode, self._encode = decoder(line), encoder(line)
        self.silence = line.silence * line.samples_in(line.bytes_in(FRAME_MS))
        """A silent frame."""
        self._sums = _sums(line) if line.sample_bytes == 1 else None

    def add(self, frames: Iterable[bytes]) -> bytes:
        """The sum of these frames, all of the same length; where one alone has a sound, that one, untouched."""
        sounds = [frame for frame in frames if frame != self.silence]
        if len(sounds) < 2:
            return sounds[0] if sounds else self.silence
        if self._sums is not None and len(sounds) == 2:
            one, other = (np.frombuffer(frame, np.uint8) for frame in sounds)
            return self._sums[one, other].tobytes()
        samples = self._decode(b"".join(sounds)).reshape(len(sounds), -1)
        total = samples.sum(axis=0, dtype=np.int32)
        return self._encode(np.clip(total, QUIETEST, LOUDEST).astype(np.int16))

    def is_quiet(self, frame: bytes) -> bool:
        """Whether this frame may be skipped without being missed."""
        return frame == self.silence or int(np.abs(self._decode(frame).astype(np.int32)).max()) <= QUIET


class Ear:
    """What one member hears of these speakers. `before`: what the same member heard so far, which goes on."""

    def __init__(self, mix: Mix, speakers: frozenset[Member], before: "Ear | None" = None) -> None:
        self.speakers = speakers
        """Whom this member hears."""
        self.skipped = 0
        """Frames that were not heard because their speaker was behind the others."""
        self._mix = mix
        self._waiting: dict[Member, deque[bytes]] = {speaker: deque() for speaker in speakers}
        self._came_at = dict.fromkeys(speakers, -inf)
        if before is not None:
            self.skipped = before.skipped
            for speaker in speakers & before.speakers:
                self._waiting[speaker] = before._waiting[speaker]
                self._came_at[speaker] = before._came_at[speaker]
        self._queues = [*self._waiting.values()]
        self.is_of_one = False
        """There is one speaker alone: each frame is what is heard, and none need be given to `take`."""
        self._look()

    def take(self, speaker: Member, frame: bytes, now: float) -> list[bytes]:
        """A frame of one speaker: return what is heard now, as frames."""
        self._came_at[speaker] = now
        waiting = self._waiting[speaker]
        waiting.append(frame)
        if len(waiting) > 1:
            self._catch_up(waiting)
        heard = self._due(now)
        if len(self._queues) == 1:
            self._look()
        return heard

    def _look(self) -> None:
        self.is_of_one = len(self._queues) == 1 and not any(self._queues)

    def pause(self, speaker: Member, now: float) -> list[bytes]:
        """This speaker says nothing for now: return what has waited for it."""
        self._came_at[speaker] = -inf
        return self._due(now)

    def rest(self) -> list[bytes]:
        """Return all that waits: nobody is waited for any more."""
        self._came_at = dict.fromkeys(self._came_at, -inf)
        return self._due(0.0)

    def _catch_up(self, waiting: deque[bytes]) -> None:
        if len(waiting) > MOST_WAITING or self._mix.is_quiet(waiting[0]):
            waiting.popleft()
            self.skipped += 1

    def _due(self, now: float) -> list[bytes]:
        heard: list[bytes] = []
        queues = self._queues
        while True:
            ready = [waiting for waiting in queues if waiting]
            if not ready or (len(ready) < len(queues) and self._is_awaited(now)):
                return heard
            if len(ready) == 1:
                heard.append(ready[0].popleft())
            else:
                heard.append(self._mix.add([waiting.popleft() for waiting in ready]))

    def _is_awaited(self, now: float) -> bool:
        """Whether a frame of somebody who has none waiting should come soon."""
        return any(
            not waiting and now - self._came_at[speaker] < STALLED_S
            for speaker, waiting in self._waiting.items()
        )
