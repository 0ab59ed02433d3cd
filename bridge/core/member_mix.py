"""What one member of a room hears: the sum of those who speak, frame by frame, driven by the frames that come.

A frame waits for one of each other speaker who sends, at most until their next one should have come. How long that is follows
how evenly each of them sends. A speaker who stalls is not waited for. A speaker whose frames came late, all at once, is
behind the others until there is a pause to be skipped. No clock: `now` is seconds.
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
"""A speaker who sends evenly is not waited for where nothing has come for so long: a frame and a half."""

LONGEST_WAIT_S = 0.065
"""The same of a speaker whose frames come unevenly: a frame that is 40 ms late is waited for."""

MARGIN_S = 0.005
"""What is added to the longest time between two frames of a speaker."""

EASES_S = 0.00005
"""So much less, at each frame, is waited for a speaker who sends evenly again: 30 ms in 12 s."""

MOST_WAITING = 8
"""So many frames of one speaker may wait, 160 ms; then the oldest is skipped."""

BEHIND = 25
"""A speaker of whom a frame has waited behind so many in turn is behind the others, and does not only send unevenly."""

PAUSE = 5
"""So many quiet frames in turn are a pause, 100 ms, in which one may be skipped or added: no word is changed by that."""

QUIET = 130
"""Samples up to this, -48 dBFS, are quiet."""

LOUDEST, QUIETEST = 32_767, -32_768
"""The range of a linear sample of 16 bits; a sum beyond it is saturated."""


_BYTES = np.arange(256, dtype=np.uint8).tobytes()


@cache
def _sums(line: AudioFormat) -> NDArray[np.uint8]:
    """The sum of any two samples of a format whose samples are one byte, shape (256, 256)."""
    samples = decoder(line)(_BYTES).astype(np.int32)
    sums = np.clip(samples[:, None] + samples[None, :], QUIETEST, LOUDEST).astype(np.int16)
    return np.frombuffer(encoder(line)(sums.ravel()), np.uint8).reshape(256, 256)


@cache
def _quiet_bytes(line: AudioFormat) -> bytes:
    """The samples that are quiet, of a format whose samples are one byte."""
    samples = np.abs(decoder(line)(_BYTES).astype(np.int32))
    return bytes(np.flatnonzero(samples <= QUIET).tolist())


class Mixer:
    """The sum of frames. `line`: the format of the frames, in and out. Raises ValueError on more than one channel."""

    def __init__(self, line: AudioFormat) -> None:
        self._decode, self._encode = decoder(line), encoder(line)
        self.silence = line.silence * line.samples_in(line.bytes_in(FRAME_MS))
        """A silent frame."""
        self._sums = _sums(line) if line.sample_bytes == 1 else None
        self._quiet = _quiet_bytes(line) if line.sample_bytes == 1 else None

    def add_two(self, one: bytes, other: bytes) -> bytes:
        """The sum of two frames of the same length; where one alone has a sound, that one, untouched."""
        if one == self.silence:
            return other
        if other == self.silence:
            return one
        if self._sums is not None:
            return self._sums[np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8)].tobytes()
        return self._sum([one, other])

    def add(self, frames: Iterable[bytes]) -> bytes:
        """The same of any number of frames."""
        sounds = [frame for frame in frames if frame != self.silence]
        if len(sounds) < 2:
            return sounds[0] if sounds else self.silence
        return self.add_two(*sounds) if len(sounds) == 2 else self._sum(sounds)

    def _sum(self, sounds: list[bytes]) -> bytes:
        samples = self._decode(b"".join(sounds)).reshape(len(sounds), -1)
        total = samples.sum(axis=0, dtype=np.int32)
        return self._encode(np.clip(total, QUIETEST, LOUDEST).astype(np.int16))

    def is_quiet(self, frame: bytes) -> bool:
        """Whether nothing is heard in this frame."""
        if frame == self.silence:
            return True
        if self._quiet is not None:
            return not frame.translate(None, self._quiet)
        return int(np.abs(self._decode(frame).astype(np.int32)).max()) <= QUIET


class _Voice:
    """One speaker, as one member hears them."""

    __slots__ = ("behind", "came_at", "has_spoken", "quiet", "wait_s", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.came_at = -inf
        self.wait_s = STALLED_S
        self.has_spoken = False  # so far there was quiet alone
        self.behind = 0  # frames in turn that came while the one before still waited
        self.quiet = 0  # so many of these are quiet, up to the last

    def comes(self, now: float) -> None:
        """A frame comes."""
        since_s = now - self.came_at + MARGIN_S
        self.came_at = now
        if since_s > self.wait_s:
            if since_s != inf:
                self.wait_s = min(since_s, LONGEST_WAIT_S)
        elif self.wait_s > STALLED_S:
            self.wait_s -= EASES_S


class MemberMix:
    """What one member hears of these speakers. `before`: what the same member heard so far, which goes on."""

    def __init__(self, mixer: Mixer, speakers: frozenset[Member], before: "MemberMix | None" = None) -> None:
        self.speakers = speakers
        """Whom this member hears."""
        self.skipped = 0
        """Frames that were not heard because their speaker was behind the others."""
        self._mixer = mixer
        self._by_member: dict[Member, _Voice] = {speaker: _Voice() for speaker in speakers}
        if before is not None:
            self.skipped = before.skipped
            for speaker in speakers & before.speakers:
                self._by_member[speaker] = before._by_member[speaker]
        self._voices = [*self._by_member.values()]
        self._others = {
            speaker: next(other for other in self._voices if other is not voice)
            for speaker, voice in self._by_member.items()
            if len(speakers) == 2
        }
        self.is_of_one = False
        """There is one speaker alone: each frame is what is heard, and none need be given to `take`."""
        self._look()

    def take(self, speaker: Member, frame: bytes, now: float) -> list[bytes]:
        """A frame of one speaker: return what is heard now, as frames."""
        voice = self._by_member[speaker]
        voice.comes(now)
        had_spoken = voice.has_spoken
        if not had_spoken:
            voice.has_spoken = not self._mixer.is_quiet(frame)
        waiting, other = voice.waiting, self._others.get(speaker)
        if waiting:
            waiting.append(frame)
            self._catch_up(voice, frame, had_spoken)
        else:
            voice.behind = 0
            if other is not None:  # the usual case
                if other.waiting:
                    return [self._mixer.add_two(other.waiting.popleft(), frame)]
                if now - other.came_at >= other.wait_s:
                    return [frame]
                waiting.append(frame)
                return []
            waiting.append(frame)
        heard = self._due(now)
        if len(self._voices) == 1:
            self._look()
        return heard

    def _look(self) -> None:
        self.is_of_one = len(self._voices) == 1 and not self._voices[0].waiting

    def pause(self, speaker: Member, now: float) -> list[bytes]:
        """This speaker says nothing for now: return what has waited for it."""
        self._by_member[speaker].came_at = -inf
        return self._due(now)

    def rest(self) -> list[bytes]:
        """Return all that waits: nobody is waited for any more."""
        for voice in self._voices:
            voice.came_at = -inf
        return self._due(0.0)

    def _catch_up(self, voice: _Voice, frame: bytes, had_spoken: bool) -> None:
        """This frame came while the one before still waited. `had_spoken`: not all before it were quiet."""
        waiting = voice.waiting
        voice.quiet = voice.quiet + 1 if voice.behind and self._mixer.is_quiet(frame) else 0
        voice.behind += 1
        is_pause = voice.behind >= BEHIND and voice.quiet >= max(PAUSE, len(waiting))
        if is_pause or not had_spoken or len(waiting) > MOST_WAITING:
            waiting.popleft()
            self.skipped += 1

    def _due(self, now: float) -> list[bytes]:
        heard: list[bytes] = []
        voices = self._voices
        while True:
            ready = [voice.waiting for voice in voices if voice.waiting]
            if not ready or (len(ready) < len(voices) and self._is_awaited(now)):
                return heard
            if len(ready) == 1:
                heard.append(ready[0].popleft())
            else:
                heard.append(self._mixer.add([waiting.popleft() for waiting in ready]))

    def _is_awaited(self, now: float) -> bool:
        """Whether a frame of somebody who has none waiting should come soon."""
        return any(not voice.waiting and now - voice.came_at < voice.wait_s for voice in self._voices)
