"""Two clocks of the audio that the model was sent: the server's, which counts all of it, and that of the caller's audio.

Silence that the bridge inserts moves the first one only. Units: milliseconds of audio, from the beginning of the session.
"""

from typing import NamedTuple

from telecodecs.format import AudioFormat

MOST_REMEMBERED = 100
"""Insertions that are kept one by one. Older ones are added up: the server sends no times from before them any more."""


class _Insertion(NamedTuple):
    begin_ms: float
    length_ms: float


class ModelClock:
    """The two clocks of one session."""

    def __init__(self) -> None:
        self._given_ms = 0.0  # in formats before the present one
        self.bytes = 0
        """Audio of the caller's, and of the bridge's own, that was sent in the present format."""
        self._byte_ms = 0.0
        self._inserted: list[_Insertion] = []
        self._forgotten_ms = 0.0

    def hears(self, format: AudioFormat) -> None:
        """Audio is sent in this format from now on."""
        self._given_ms, self.bytes = self.given_ms, 0
        self._byte_ms = format.duration_ms(1)

    @property
    def given_ms(self) -> float:
        """The server's clock, once it has read everything that was sent."""
        return self._given_ms + self.bytes * self._byte_ms

    def append(self, audio_bytes: int) -> None:
        """Audio of the caller's was sent, so many bytes."""
        self.bytes += audio_bytes

    def insert(self, audio_bytes: int) -> None:
        """Silence of the bridge's was sent, so many bytes."""
        self._inserted.append(_Insertion(self.given_ms, audio_bytes * self._byte_ms))
        self.bytes += audio_bytes
        if len(self._inserted) > MOST_REMEMBERED:
            self._forgotten_ms += self._inserted.pop(0).length_ms

    def own_ms(self, at_ms: float) -> int:
        """A time by the server's clock as a time in the caller's audio; within an insertion, where it was inserted."""
        at_ms = min(at_ms, self.given_ms)
        inserted_ms = sum(
            min(length_ms, at_ms - begin_ms) for begin_ms, length_ms in self._inserted if begin_ms < at_ms
        )
        return max(0, round(at_ms - self._forgotten_ms - inserted_ms))
