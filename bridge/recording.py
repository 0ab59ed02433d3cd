"""A call as it was heard, as a stereo WAV (16 bit): left the caller, right the assistant.

Left lies on the carrier's clock: each frame stands where its timestamp says. Right plays what was sent as the carrier
does, one sample for each of the caller's, and is cut where a clear cut it, to the sample that the ledger names. On a
stream that listens to both tracks, right is the other party, on the same clock.
Written as it happens: the file is a valid WAV at any moment and lacks at most its last second.
"""

import struct
from datetime import datetime
from pathlib import Path

import numpy as np

from bridge.call_file import CallFile
from bridge.events import CallerAudio, CallStarted, ClearPlayback, OtherPartyAudio, PlayAudio, Word
from telecodecs.codec import decoder
from telecodecs.format import AudioFormat

KEPT_MS = 500
"""Kept in memory at least: late frames still find their place, and a clear may cut what was just played."""

WRITTEN_MS = 500
"""Written at a time."""

LONGEST_GAP_MS = 60_000
"""A timestamp further ahead than this is an error of the carrier's, not a silence."""

LEFT, RIGHT = 0, 1


class Recording:
    """A witness that records. The file is made when the call has a name and a format."""

    def __init__(self, directory: Path, started: datetime) -> None:
        self._directory = directory
        self._started = started
        self._file: CallFile | None = None

    def saw(self, word: Word, now: float) -> None:
        """Take what is sound."""
        match word:
            case CallerAudio(audio, at_ms):
                self._place(LEFT, audio, at_ms)
            case OtherPartyAudio(audio, at_ms):
                self._place(RIGHT, audio, at_ms)
            case PlayAudio(audio):
                self._queued += audio
            case ClearPlayback(unheard_samples):
                self._cut(unheard_samples * self._line.sample_bytes)
            case CallStarted(call=call, line=line):
                self._open(call, line)

    def _open(self, call: str, line: AudioFormat) -> None:
        if self._file is not None:
            return
        self._line = line
        self._decode = decoder(line)
        self._tracks = (bytearray(), bytearray())  # what is not written yet, from `_written` on
        self._queued = bytearray()  # sent, and by this clock not played yet
        self._origin_ms: int | None = None
        self._written = 0  # bytes of each track
        self._played = 0  # likewise: the right track's clock
        self._file = CallFile(self._directory, call, self._started, ".wav")
        self._file.append(_header(line.rate_hz, data_bytes=0))

    def _place(self, track: int, audio: bytes, at_ms: int) -> None:
        if self._file is None:
            return
        if self._origin_ms is None:
            self._origin_ms = at_ms
        start = self._line.bytes_in(at_ms - self._origin_ms) - self._written
        if start < 0 or start - len(self._tracks[LEFT]) > self._line.bytes_in(LONGEST_GAP_MS):
            return
        self._lengthen(start + len(audio))
        self._tracks[track][start : start + len(audio)] = audio
        if track == LEFT:
            self._play(self._written + start + len(audio))
        if len(self._tracks[LEFT]) >= self._line.bytes_in(KEPT_MS + WRITTEN_MS):
            self._write(len(self._tracks[LEFT]) - self._line.bytes_in(KEPT_MS))

    def _lengthen(self, end: int) -> None:
        for track in self._tracks:
            track.extend(self._line.silence * ((end - len(track)) // self._line.sample_bytes))

    def _play(self, end: int) -> None:
        """The clock has reached `end`: what is queued has played up to there."""
        if end <= self._played:
            return
        played = self._queued[: end - self._played]
        del self._queued[: end - self._played]
        start = self._played - self._written
        self._tracks[RIGHT][start : start + len(played)] = played
        self._played = end

    def _cut(self, unheard: int) -> None:
        """All but the last `unheard` bytes sent were heard: the rest is queued, or was played here a little early."""
        early = unheard - len(self._queued)
        del self._queued[max(0, -early) :]
        if early > 0:
            end = self._played - self._written
            start = max(0, end - early)
            self._tracks[RIGHT][start:end] = self._line.silence * ((end - start) // self._line.sample_bytes)

    def _write(self, length: int) -> None:
        assert self._file is not None
        stereo = np.empty((length // self._line.sample_bytes, 2), "<i2")
        for side, track in enumerate(self._tracks):
            stereo[:, side] = self._decode(bytes(track[:length]))
            del track[:length]
        self._written += length
        self._file.append(stereo.tobytes())
        stereo_bytes = self._line.samples_in(self._written) * stereo.itemsize * 2
        self._file.amend(0, _header(self._line.rate_hz, stereo_bytes))

    def close(self, now: float, counts: dict[str, int]) -> None:
        """Write what is left."""
        if self._file is not None:
            self._write(len(self._tracks[LEFT]))
            self._file.close()
            self._file = None


def _header(rate_hz: int, data_bytes: int) -> bytes:
    """RIFF WAVE, PCM, two channels of 16 bits."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + data_bytes, b"WAVE"),
        *(b"fmt ", 16, 1, 2, rate_hz, rate_hz * 4, 4, 16),
        *(b"data", data_bytes),
    )
