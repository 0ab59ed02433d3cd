"""What the caller hears: the carrier's playout buffer, played in real time.

Audio is played in the order it came, without pause while there is any, silence otherwise. A mark comes back when
all audio before it was played, at once if nothing is buffered; a clear throws the buffer away and returns every
mark that was pending (Twilio, "Media Streams - WebSocket Messages": mark, clear; Telnyx, "Media streaming over
WebSockets", likewise).
No clock: `now` is seconds, and positions are samples since the start, so that nothing drifts.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from telecodecs.codec import decoder
from telecodecs.format import AudioFormat

CLOCK_SLACK = 0.001
"""Samples by which a float time may miss the sample that it means."""

HUSH = 32
"""A linear sample up to this, -60 dBFS, is silence: what a codec, or one law after the other, makes of zeros is none."""


@dataclass(frozen=True, slots=True)
class MarkReturned:
    """A mark went back to the server. `at_ms`: where the playing was, from the start of the call."""

    name: str
    at_ms: float
    cleared: bool
    """Returned by a clear: the audio before it was not played to its end."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A clear came. `at_ms`: where the playing was; `dropped_ms`: how much audio it threw away."""

    at_ms: float
    dropped_ms: float


class Earpiece:
    """One caller's ear. `plays`: what comes; `started`: the time of the first sample; `now` may not be earlier."""

    def __init__(self, plays: AudioFormat, started: float) -> None:
        self.marks: list[MarkReturned] = []
        self.clears: list[Cleared] = []
        self._plays = plays
        self._hush = _hush(plays) if plays.sample_bytes == 1 else b""
        self._started = started
        self._played = 0  # samples
        self._track = bytearray()  # what was heard, then what is still to be played
        self._sound_bytes = 0  # the track up to its last byte that is not silence
        self._pending: deque[tuple[str, int]] = deque()  # name and position in samples

    def play(self, audio: bytes, now: float) -> None:
        """Queue whole samples behind what is buffered."""
        self._move(now)
        pause = self._played - self._buffered_to
        if pause > 0:
            self._track += self._plays.silence * pause
        sound = self._sound_in(audio)
        if sound:
            self._sound_bytes = len(self._track) + sound
        self._track += audio

    def mark(self, name: str, now: float) -> list[str]:
        """Set a mark behind what is buffered. Returns the marks that are reached, this one among them if none is."""
        reached = self.advance(now)
        self._pending.append((name, max(self._buffered_to, self._played)))
        return reached + self.advance(now)

    def clear(self, now: float) -> list[str]:
        """Throw away what is not played. Returns all pending marks."""
        names = self.advance(now)
        dropped = self._drop()
        self.clears.append(Cleared(self._ms(self._played), self._ms(dropped)))
        self.marks += [MarkReturned(name, self._ms(self._played), cleared=True) for name, _ in self._pending]
        names += [name for name, _ in self._pending]
        self._pending.clear()
        return names

    def cut(self, now: float) -> None:
        """The stream is gone, and with it what is not played and every mark that is pending."""
        self.advance(now)
        self._drop()
        self._pending.clear()

    def advance(self, now: float) -> list[str]:
        """Play on until `now`. Returns the marks that were reached, in order."""
        self._move(now)
        names: list[str] = []
        while self._pending and self._pending[0][1] <= self._played:
            name, position = self._pending.popleft()
            self.marks.append(MarkReturned(name, self._ms(position), cleared=False))
            names.append(name)
        return names

    def deadline(self) -> float | None:
        """When the next mark is reached; None if none is pending."""
        return self._time_of(self._pending[0][1]) if self._pending else None

    @property
    def heard(self) -> bytes:
        """All that was played from the start until the last `now`, pauses as silence."""
        length = self._played * self._plays.sample_bytes
        audio = bytes(self._track[:length])
        return audio + self._plays.silence * self._plays.samples_in(length - len(audio))

    @property
    def sounds_until(self) -> float:
        """The time at which the last sound is or was played; buffered silence is none."""
        return self._time_of(self._plays.samples_in(self._sound_bytes))

    def _drop(self) -> int:
        """Throw away what is not played; returns how many samples that was."""
        dropped = max(self._buffered_to - self._played, 0)
        del self._track[self._played * self._plays.sample_bytes :]
        self._sound_bytes = min(self._sound_bytes, len(self._track))
        return dropped

    def _sound_in(self, audio: bytes) -> int:
        """The bytes up to the last that is no silence."""
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
    """The codes of G.711 that are silence."""
    codes = np.arange(256, dtype=np.uint8).tobytes()
    return bytes(np.flatnonzero(np.abs(decoder(plays)(codes).astype(np.int32)) <= HUSH).tolist())
