"""Simulates the carrier's playout buffer, and keeps what the caller hears.

Audio is played in the order in which it came, without a pause while there is any, and silence otherwise. A mark is
returned when all audio before it has been played, at once if the buffer is empty. A clear empties the buffer and returns
every pending mark (Twilio, "Media Streams - WebSocket Messages": mark, clear; the same in Telnyx, "Media streaming over
WebSockets").
There is no clock: `now` is seconds, and positions are samples since the start, so that nothing drifts.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from telecodecs.codec import decoder
from telecodecs.format import AudioFormat

CLOCK_SLACK = 0.001
"""Rounding error, in samples, of a time that is a float."""

HUSH = 32
"""A linear sample up to this, -60 dBFS, counts as silence: codecs, and one G.711 law after the other, change zeros."""


@dataclass(frozen=True, slots=True)
class MarkReturned:
    """A mark was returned to the server. `at_ms`: the playout position, from the start of the call."""

    name: str
    at_ms: float
    cleared: bool
    """It was returned because of a clear: the audio before it was not played to its end."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A clear came. `at_ms`: the playout position; `dropped_ms`: how much audio was discarded."""

    at_ms: float
    dropped_ms: float


class Earpiece:
    """The playout buffer of one call.

    `plays`: the format of the audio. `started`: when the call began, seconds; no `now` may be earlier.
    """

    def __init__(self, plays: AudioFormat, started: float) -> None:
        self.marks: list[MarkReturned] = []
        self.clears: list[Cleared] = []
        self._plays = plays
        self._hush = _hush(plays) if plays.sample_bytes == 1 else b""
        self._started = started
        self._played = 0  # samples
        self._track = bytearray()  # the audio that was played, then the audio still to be played
        self._sound_bytes = 0  # length of the track up to its last byte that is not silence
        self._pending: deque[tuple[str, int]] = deque()  # name and position in samples

    def play(self, audio: bytes, now: float) -> None:
        """Queue audio, whole samples, behind what is buffered."""
        self._move(now)
        pause = self._played - self._buffered_to
        if pause > 0:
            self._track += self._plays.silence * pause
        sound = self._sound_in(audio)
        if sound:
            self._sound_bytes = len(self._track) + sound
        self._track += audio

    def mark(self, name: str, now: float) -> list[str]:
        """Set a mark behind what is buffered. Returns the marks reached by now, with this one if the buffer is empty."""
        reached = self.advance(now)
        self._pending.append((name, max(self._buffered_to, self._played)))
        return reached + self.advance(now)

    def clear(self, now: float) -> list[str]:
        """Discard the audio that is not played yet. Returns all pending marks."""
        names = self.advance(now)
        dropped = self._drop()
        self.clears.append(Cleared(self._ms(self._played), self._ms(dropped)))
        self.marks += [MarkReturned(name, self._ms(self._played), cleared=True) for name, _ in self._pending]
        names += [name for name, _ in self._pending]
        self._pending.clear()
        return names

    def cut(self, now: float) -> None:
        """The stream is gone: discard the audio that is not played yet and every pending mark."""
        self.advance(now)
        self._drop()
        self._pending.clear()

    def advance(self, now: float) -> list[str]:
        """Play up to `now`. Returns the marks that were reached, in order."""
        self._move(now)
        names: list[str] = []
        while self._pending and self._pending[0][1] <= self._played:
            name, position = self._pending.popleft()
            self.marks.append(MarkReturned(name, self._ms(position), cleared=False))
            names.append(name)
        return names

    def deadline(self) -> float | None:
        """When the next mark is reached, seconds; None if no mark is pending."""
        return self._time_of(self._pending[0][1]) if self._pending else None

    @property
    def heard(self) -> bytes:
        """All audio that was played from the start to the last `now`; pauses are silence."""
        length = self._played * self._plays.sample_bytes
        audio = bytes(self._track[:length])
        return audio + self._plays.silence * self._plays.samples_in(length - len(audio))

    def between(self, first: int, last: int) -> bytes:
        """The audio at the positions `first` to `last`, samples since the start, which are played; pauses are silence."""
        size = self._plays.sample_bytes
        audio = bytes(self._track[first * size : last * size])
        return audio + self._plays.silence * (last - first - self._plays.samples_in(len(audio)))

    @property
    def sounds_until(self) -> float:
        """When the last sound was or will have been played, seconds; silence does not count."""
        return self._time_of(self._plays.samples_in(self._sound_bytes))

    def _drop(self) -> int:
        """Discard the audio that is not played yet; returns how many samples that was."""
        dropped = max(self._buffered_to - self._played, 0)
        del self._track[self._played * self._plays.sample_bytes :]
        self._sound_bytes = min(self._sound_bytes, len(self._track))
        return dropped

    def _sound_in(self, audio: bytes) -> int:
        """The length of the audio in bytes up to its last sample that is not silence."""
        if self._plays.sample_bytes == 1:
            return len(audio.rstrip(self._hush))
        loud = np.flatnonzero(np.abs(decoder(self._plays)(audio).astype(np.int32)) > HUSH)
        return (int(loud[-1]) + 1) * self._plays.sample_bytes if len(loud) else 0

    @property
    def _buffered_to(self) -> int:
        return self._plays.samples_in(len(self._track))

    def _move(self, now: float) -> None:
        samples = int((now - self._started) * self._plays.rate_hz + CLOCK_SLACK)
        self._played = max(self._played, samples)

    def _time_of(self, samples: int) -> float:
        return self._started + samples / self._plays.rate_hz

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self._plays.rate_hz


def _hush(plays: AudioFormat) -> bytes:
    """The codes of a G.711 law that count as silence."""
    codes = np.arange(256, dtype=np.uint8).tobytes()
    return bytes(np.flatnonzero(np.abs(decoder(plays)(codes).astype(np.int32)) <= HUSH).tolist())
