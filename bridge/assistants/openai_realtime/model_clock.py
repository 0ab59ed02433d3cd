"""Two clocks of what the model was given: the server's, which counts all of it, and that of the caller's own audio.

Silence that the bridge appends moves the first one alone. Units: milliseconds of audio, from the session's beginning.
"""

from typing import NamedTuple

from telecodecs.format import AudioFormat

MOST_REMEMBERED = 100
"""Insertions that are told apart; the oldest are taken together, for nobody speaks of them any more."""


class _Insertion(NamedTuple):
    begin_ms: float
    length_ms: float


class ModelClock:
    """One session's."""

    def __init__(self) -> None:
        self._given_ms = 0.0  # in formats before the present one
        self._bytes = 0
        self._byte_ms = 0.0
        self._inserted: list[_Insertion] = []
        self._forgotten_ms = 0.0

    def hears(self, format: AudioFormat) -> None:
        """In which format audio is given from now on."""
        self._given_ms, self._bytes = self.given_ms, 0
        self._byte_ms = format.duration_ms(1)

    @property
    def given_ms(self) -> float:
        """What the server's clock shows, once it has read all."""
        return self._given_ms + self._bytes * self._byte_ms

    def append(self, audio_bytes: int) -> None:
        """The caller's own audio. The hot path."""
        self._bytes += audio_bytes

    def insert(self, audio_bytes: int) -> None:
        """Audio of ours."""
        self._inserted.append(_Insertion(self.given_ms, audio_bytes * self._byte_ms))
        self._bytes += audio_bytes
        if len(self._inserted) > MOST_REMEMBERED:
            self._forgotten_ms += self._inserted.pop(0).length_ms

    def own_ms(self, at_ms: float) -> int:
        """A time of the server's in the caller's own audio; within an insertion, where that was made."""
        at_ms = min(at_ms, self.given_ms)
        inserted_ms = sum(
            min(length_ms, at_ms - begin_ms) for begin_ms, length_ms in self._inserted if begin_ms < at_ms
        )
        return max(0, round(at_ms - self._forgotten_ms - inserted_ms))
