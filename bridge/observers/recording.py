"""The recording of a call as it was heard, a stereo WAV of 16 bits: left the caller, right the assistant.

Left follows the carrier's clock: each frame is put where its timestamp says, to the nearest frame, so timestamps may
vary by half a frame without a gap. Pauses keep their length, up to a minute; a frame may come two seconds late. A frame
whose timestamp is further back, or further ahead than time has passed, is dropped. After a second of only such frames
the carrier must have set its clock, and they are put behind what was there. A stream that is resumed begins at the time
of its first frame.
Right plays what was sent as the carrier does, one sample for each of the caller's, and is cut where a clear cut it, to
the sample that the ledger says. On a stream that listens to both tracks, right is the other party, on the same clock.
Left is silent where sensitive keys may sound: `recording_redaction` says where.
The file is written during the call: it is a valid WAV at any moment and lacks at most its last second.
Positions are bytes of the line's format, on either track, from the first frame on.
"""

import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from bridge.core.media import Conversion
from bridge.observers.call_file import AT_ONCE, CallFile, Encrypt, FileQueue, is_accepted
from bridge.observers.recording_redaction import RecordingRedaction, Span
from bridge.vocabulary.commands import (
    ClearPlayback,
    EnterDigits,
    HangUp,
    OpenAssistant,
    PlayAudio,
    SetSensitive,
    TypeDigit,
)
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallerAudio, CallStarted, DigitPressed, OtherPartyAudio, Word
from bridge.vocabulary.people import CloseStream, PeopleJoined
from telecodecs.codec import decoder

KEPT_MS = 2_000
"""How much is kept in memory after it was written, for late frames and for a clear that cuts what was just played."""

WRITTEN_MS = 500
"""How much is written at a time."""

AHEAD_MS = 2_000
"""How far silence may run ahead of the time that has passed; not more than `KEPT_MS`, so that frames still fit in."""

LONGEST_GAP_MS = 60_000
"""A longer pause is shortened to this, so that one frame cannot fill a disk."""

RESTARTED_MS = 1_000
"""After so much audio in a row with timestamps that do not fit, the carrier has set its clock."""

MOST_BYTES = 2**32 - 1024
"""The most audio in one file: a WAV counts its bytes with 32 bits."""

HEADER_BYTES = 44
STEREO_BYTES = 4  # a sample of both tracks

LEFT, RIGHT = 0, 1


@dataclass(slots=True)
class _Track:
    """One side of the recording. `origin_ms`: the carrier's clock at position 0."""

    origin_ms: int
    end: int = 0  # where its last frame ended
    audio: bytearray = field(default_factory=bytearray)  # what is kept
    strays: list[tuple[bytes, int]] = field(
        default_factory=list
    )  # frames that do not fit, with their timestamps
    strayed_at: int = 0  # where the recording ended when the first of them came


class Recording:
    """An observer that records one call. The file is made when the call is accepted."""

    sees: frozenset[type[Word]] = frozenset(
        {
            *(CallStarted, OpenAssistant, HangUp, CallerAudio, OtherPartyAudio, PlayAudio, ClearPlayback),
            *(DigitPressed, TypeDigit, EnterDigits, SetSensitive, CloseStream, PeopleJoined),
        }
    )

    def __init__(
        self, directory: Path, started: datetime, files: FileQueue = AT_ONCE, encrypt: Encrypt | None = None
    ) -> None:
        self._directory = directory
        self._encrypt = encrypt
        self._files = files
        self._started = started
        self._call: CallStarted | None = None
        self._file: CallFile | None = None
        self._keys: RecordingRedaction

    @property
    def path(self) -> Path | None:
        """See `CallFile.path`; None where nothing is recorded."""
        return None if self._file is None else self._file.path

    def saw(self, word: Word, now: float) -> None:
        """Record audio, and mask sensitive keys."""
        if self._file is None and not self._begins(word, now):
            return
        match word:
            case CallerAudio(audio, at_ms):
                self._hear(LEFT, audio, at_ms, now)
            case OtherPartyAudio(audio, at_ms):
                self._hear(RIGHT, audio, at_ms, now)
            case CallStarted():
                self._is_resumed = True
            case CloseStream() | PeopleJoined():  # the stream takes with it what it has not played
                self._queued.clear()
            case PlayAudio(audio):
                self._queued += self._played_as.feed(audio)
            case ClearPlayback(unheard_samples):
                unheard = unheard_samples * self._line.rate_hz // self._plays.rate_hz
                self._cut(unheard * self._line.sample_bytes)
            case DigitPressed() | TypeDigit() | EnterDigits() | SetSensitive():
                self._blank(self._keys.saw(word, self._end, now))

    def _begins(self, word: Word, now: float) -> bool:
        """Whether the call is accepted by this word, so that its file is made."""
        if self._call is not None and is_accepted(self._call, word):
            self._open(self._call, now)
            return True
        if isinstance(word, CallStarted):
            self._call, self._keys = word, RecordingRedaction(word.line)
        elif self._call is not None:
            self._keys.saw(word, 0, now)
        return False

    def begin(self, now: float) -> None:
        """Begin the file after `CallStarted`, though no word says that the call was accepted."""
        if self._call is not None and self._file is None:
            self._open(self._call, now)

    def _open(self, call: CallStarted, now: float) -> None:
        self._line = call.line
        self._decode = decoder(call.line)
        self._plays = call.plays or call.line
        self._played_as = Conversion(self._plays, self._line)
        self._begun = now
        self._is_resumed = False  # on another stream, with a clock of its own
        self._tracks: list[_Track] = []  # from the first frame on
        self._queued = bytearray()  # sent, and by this clock not played yet
        self._voice: deque[tuple[int, int]] = deque(maxlen=64)  # where what was sent has played
        self._played = 0  # the right track's clock
        self._kept = 0  # what is kept begins here
        self._end = 0  # and ends here
        self._changed = 0  # not in the file yet from here on
        self._written = 0  # where the recording ended when it was last written
        self._file = CallFile(
            self._directory, call.call_id, self._started, ".wav", self._files, self._encrypt
        )
        self._file.append(_header(call.line.rate_hz, data_bytes=0))

    # Where a frame goes

    def _hear(self, side: int, audio: bytes, at_ms: int, now: float) -> None:
        audio = audio[: len(audio) // self._line.sample_bytes * self._line.sample_bytes]
        if not audio:
            return
        if not self._tracks:
            self._tracks = [_Track(at_ms), _Track(at_ms)]
        is_resumed, self._is_resumed = self._is_resumed, False
        if is_resumed:
            self._set_clock(at_ms, now)
        track = self._tracks[side]
        if side == LEFT:
            audio, blanks = self._keys.listen(audio, self._end, now)
            self._blank(blanks)
        if self._place(track, audio, at_ms, now):
            track.strays.clear()
        else:
            self._stray(track, audio, at_ms, now)
        if side == LEFT:
            if is_resumed:  # nothing was heard in between
                self._played = max(self._played, track.end - len(audio))
            self._play(track.end)
        if self._end - self._written >= self._line.bytes_in(WRITTEN_MS):
            self._write()

    def _set_clock(self, at_ms: int, now: float) -> None:
        """Put the first frame of another stream at the time when it came."""
        for track in self._tracks:
            track.origin_ms = at_ms - int((now - self._begun) * 1000)
            track.strays.clear()

    def _place(self, track: _Track, audio: bytes, at_ms: int, now: float) -> bool:
        """Put a frame where its timestamp says. Returns False if the timestamp does not fit."""
        length = len(audio)
        ahead = self._line.bytes_in(at_ms - track.origin_ms) - track.end
        start = track.end + (ahead + length // 2) // length * length
        latest = self._line.bytes_in(int((now - self._begun) * 1000) + AHEAD_MS)
        if start < self._kept or start > max(self._end, latest):
            return False
        start -= self._shorten(start - self._end)
        self._lengthen(start + length)
        self._put(track, start, audio)
        if track is self._tracks[LEFT]:
            self._blank(self._keys.within(start, start + length))
        track.end = start + length
        return True

    def _blank(self, spans: Iterable[Span]) -> None:
        """Silence what of these spans is recorded already."""
        for span in spans:
            start = max(span.start, self._kept)
            length = min(span.stop, self._end) - start
            if length > 0:
                silence = self._line.silence * self._line.samples_in(length)
                self._put(self._tracks[LEFT], start, silence)

    def _shorten(self, gap: int) -> int:
        """Return by how much a gap is too long, and move both tracks by that."""
        too_long_ms = int(self._line.duration_ms(gap)) - LONGEST_GAP_MS
        if too_long_ms <= 0:
            return 0
        for track in self._tracks:
            track.origin_ms += too_long_ms
        return self._line.bytes_in(too_long_ms)

    def _stray(self, track: _Track, audio: bytes, at_ms: int, now: float) -> None:
        if not track.strays:
            track.strayed_at = self._end
        track.strays.append((audio, at_ms))
        if len(track.strays) * len(audio) < self._line.bytes_in(RESTARTED_MS):
            return
        (_, first_ms), *_ = track.strays
        set_by_ms = first_ms - round(self._line.duration_ms(track.strayed_at)) - track.origin_ms
        for other in self._tracks:
            if other.strays:  # one clock, two tracks
                strays, other.strays = other.strays, []
                other.origin_ms += set_by_ms
                for stray in strays:
                    self._place(other, *stray, now)

    def _lengthen(self, end: int) -> None:
        if end > self._end:
            silence = self._line.silence * ((end - self._end) // self._line.sample_bytes)
            for track in self._tracks:
                track.audio += silence
            self._end = end

    def _put(self, track: _Track, start: int, audio: bytes | bytearray) -> None:
        at = start - self._kept
        if at < 0:  # too old to be changed
            at, audio = 0, audio[-at:]
        track.audio[at : at + len(audio)] = audio
        self._changed = min(self._changed, self._kept + at)

    # What was sent is played

    def _play(self, end: int) -> None:
        """The clock has reached `end`: play what is queued up to there."""
        if end <= self._played:
            return
        start, self._played = self._played, end
        if not self._queued:
            return
        played = self._queued[: end - start]
        del self._queued[: end - start]
        self._put(self._tracks[RIGHT], start, played)
        stop = start + len(played)
        if self._voice and self._voice[-1][1] == start:
            start, _ = self._voice.pop()
        self._voice.append((start, stop))

    def _cut(self, unheard: int) -> None:
        """Of what was sent, all but the last `unheard` bytes were heard: the rest is queued, or was played here too early."""
        early = unheard - len(self._queued)
        del self._queued[max(0, -early) :]
        while early > 0 and self._voice:
            start, stop = self._voice.pop()
            heard = max(start, stop - early)
            self._put(self._tracks[RIGHT], heard, self._line.silence * self._line.samples_in(stop - heard))
            if start < heard:
                self._voice.append((start, heard))
            early -= stop - heard

    # The file

    def _write(self) -> None:
        assert self._file is not None
        first, samples = self._line.samples_in(self._changed), self._line.samples_in(self._end)
        if samples * STEREO_BYTES > MOST_BYTES:
            self._file.give_up("a WAV file holds no more")
        else:
            stereo = np.empty((samples - first, 2), "<i2")
            for side, track in enumerate(self._tracks):
                stereo[:, side] = self._decode(bytes(track.audio[self._changed - self._kept :]))
            self._file.amend(HEADER_BYTES + first * STEREO_BYTES, stereo.tobytes())
            self._file.amend(0, _header(self._line.rate_hz, samples * STEREO_BYTES))
        self._written = self._changed = self._end
        keep_from = self._keys.keeps_from(self._end)
        too_old = min(self._end - self._line.bytes_in(KEPT_MS), keep_from) - self._kept
        if too_old > 0:
            self._kept += too_old
            self._keys.forget(self._kept)
            for track in self._tracks:
                del track.audio[:too_old]

    def close(self, now: float, account: Account) -> None:
        """Write what is left, and close the file."""
        if self._file is not None:
            self._write()
            self._file.close()


def _header(rate_hz: int, data_bytes: int) -> bytes:
    """Return the header of a RIFF WAVE file: PCM, two channels of 16 bits."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + data_bytes, b"WAVE"),
        *(b"fmt ", 16, 1, 2, rate_hz, rate_hz * STEREO_BYTES, STEREO_BYTES, 16),
        *(b"data", data_bytes),
    )
