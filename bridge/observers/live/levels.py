"""The levels of the caller's voice and of the assistant's as the caller hears it, from one frame each, while somebody watches.

A frame is kept as it is: its level is computed when it is asked for, for all calls together. No clock: `now` is seconds.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from bridge.vocabulary.commands import ClearPlayback, PlayAudio
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import CallerAudio, CallStarted, Word
from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS, AudioFormat

SILENCE_DBFS = -90
"""What is softer counts as this."""

STALE_S = 0.2
"""A caller's frame that is older says nothing: the carrier pauses."""

MOST_AHEAD = 3_000
"""Pieces of the assistant's audio that wait to be heard, at most."""

_FULL_SCALE_POWER = 32_768.0**2 / 2

Frame = tuple[AudioFormat, bytes]


class VoiceFrames:
    """An observer of one call: the frames that are heard now. It sees each frame, so it is there only while somebody watches."""

    def __init__(self, line: AudioFormat, plays: AudioFormat) -> None:
        self._set(line, plays)

    def _set(self, line: AudioFormat, plays: AudioFormat) -> None:
        self._line = line
        self._plays = plays
        self._bytes_per_s = plays.bytes_in(1000)
        self._caller: tuple[float, bytes] = (0.0, b"")
        self._ahead: deque[tuple[float, bytes]] = deque(
            maxlen=MOST_AHEAD
        )  # with the end of each, when it is heard
        self._played_at = 0.0

    @property
    def sees(self) -> Mapping[type[Word], Callable[["VoiceFrames", Any, float], None]]:
        """What sees each type of word; see `core.engine.SeesWords`."""
        return _SEEN

    def saw(self, word: Word, now: float) -> None:
        """See `Observer`."""
        _SEEN[type(word)](self, word, now)

    def close(self, now: float, account: Account) -> None:
        """The call is over."""

    def _start(self, word: CallStarted, _now: float) -> None:
        """The stream came back, perhaps with other formats."""
        self._set(word.line, word.plays or word.line)

    def _hear(self, word: CallerAudio, now: float) -> None:
        self._caller = now, word.audio

    def _play(self, word: PlayAudio, now: float) -> None:
        self._played_at = max(self._played_at, now) + len(word.audio) / self._bytes_per_s
        self._ahead.append((self._played_at, word.audio))

    def _clear(self, _word: ClearPlayback, now: float) -> None:
        self._ahead.clear()
        self._played_at = now

    def frames(self, now: float) -> tuple[Frame, Frame]:
        """What the caller says, and what the assistant says to them, at `now`; empty for silence."""
        came, said = self._caller
        while self._ahead and self._ahead[0][0] < now:
            self._ahead.popleft()
        heard = b""
        if self._ahead:
            ends, piece = self._ahead[0]
            frame = self._plays.bytes_in(FRAME_MS)
            at = max(0, len(piece) - round((ends - now) * self._bytes_per_s)) // frame * frame
            heard = piece[at : at + frame]
        return (self._line, said if now - came < STALE_S else b""), (self._plays, heard)


_SEEN: Mapping[type[Word], Callable[[VoiceFrames, Any, float], None]] = dict(
    [
        on(CallStarted, VoiceFrames._start),
        on(CallerAudio, VoiceFrames._hear),
        on(PlayAudio, VoiceFrames._play),
        on(ClearPlayback, VoiceFrames._clear),
    ]
)


class _Key(NamedTuple):
    format: AudioFormat
    length: int


def levels_of(frames: Iterable[Frame]) -> list[int]:
    """The level of each frame in whole dBFS, as in `telecodecs.level`; frames of one format and length at one go."""
    found: list[int] = []
    alike: dict[_Key, list[int]] = {}
    audio: list[bytes] = []
    for number, (format_, frame) in enumerate(frames):
        found.append(SILENCE_DBFS)
        audio.append(frame)
        if frame and format_.channels == 1 and not len(frame) % format_.sample_bytes:
            alike.setdefault(_Key(format_, len(frame)), []).append(number)
    for key, numbers in alike.items():
        samples = decoder(key.format)(b"".join([audio[number] for number in numbers])).astype(np.float32)
        rows = samples.reshape(len(numbers), -1)
        power = np.einsum("ij,ij->i", rows, rows) / (rows.shape[1] * _FULL_SCALE_POWER)
        loud = 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DBFS / 10)))
        for number, level in zip(numbers, loud.round().astype(int).tolist(), strict=True):
            found[number] = level
    return found
