"""What one member of a room hears: the sum of those who speak, frame by frame, driven by the frames that come.

A frame waits for one of each other speaker who sends, at most until their next one should have come. A speaker who stalls
is not waited for. A speaker whose frames came late, all at once, is behind the others until there is quiet to be skipped.
No clock: `now` is seconds.
"""

from collections import deque
from collections.abc import Iterable
from math import inf

import numpy as np

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


class Mix:
    """The sum of frames. `line`: the format of the frames, in and out. Raises ValueError on more than one channel."""

    def __init__(self, line: AudioFormat) -> None:
        self._decode, self._encode = decoder(line), encoder(line)
        self.silence = line.silence * line.samples_in(line.bytes_in(FRAME_MS))
        """A silent frame."""

    def add(self, frames: Iterable[bytes]) -> bytes:
        """The sum of these frames, all of the same length; where one alone has a sound, that one, untouched."""
        sounds = [frame for frame in frames if frame != self.silence]
        if len(sounds) < 2:
            return sounds[0] if sounds else self.silence
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
        self._look()
        return heard

    def _look(self) -> None:
        self.is_of_one = len(self.speakers) == 1 and not any(self._waiting.values())

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
        while True:
            ready = [waiting for waiting in self._waiting.values() if waiting]
            if not ready or (len(ready) < len(self._waiting) and self._is_awaited(now)):
                return heard
            heard.append(self._mix.add([waiting.popleft() for waiting in ready]))

    def _is_awaited(self, now: float) -> bool:
        """Whether a frame of somebody who has none waiting should come soon."""
        return any(
            not waiting and now - self._came_at[speaker] < STALLED_S
            for speaker, waiting in self._waiting.items()
        )
