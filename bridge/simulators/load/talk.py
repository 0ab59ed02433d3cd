"""What the callers say: one recording as frames, each of which can be recognised when it comes back.

Silent frames look all the same. Where a frame occurs twice, its number is written into samples of silence, as mu-law's
negative zero or the lowest bit: nobody can hear that, and an echo of it can be told from the others.
Sound is what `telecodecs.sound` says; positions are frames from the beginning, times are ms.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS, AudioFormat, Encoding
from telecodecs.sound import BLOCK_MS, block_levels, sounds

SHORTEST_MS = 10_000
"""A shorter recording is followed by silence up to this length, then it is repeated: a frame must not come again before
the last one of its kind has come back or is lost."""

PAUSE_MS = 500
"""A shorter silence is a pause within a turn and does not end it."""

_QUIETEST = 10  # percent of the blocks: noise, if there is any
_NUMBER_BITS = 24

_ZEROS = {
    Encoding.PCMU: (b"\xff", b"\x7f"),
    Encoding.PCMA: (b"\xd5", b"\x55"),
    Encoding.L16: (b"\x00\x00", b"\x01\x00"),
    Encoding.L16_BE: (b"\x00\x00", b"\x00\x01"),
}
"""Two samples that sound alike, for the bits of a number."""


@dataclass(frozen=True, slots=True)
class TurnBegins:
    """The caller's speech begins in this frame. `offset_ms`: where, counted from the end of the frame, so at most 0."""

    offset_ms: float


@dataclass(frozen=True, slots=True)
class TurnEnds:
    """The caller's speech ends in this frame; `offset_ms` likewise."""

    offset_ms: float


@dataclass(frozen=True, slots=True)
class Talk:
    """One recording in the format of the line. It is repeated from the beginning when it has ended."""

    name: str
    line: AudioFormat
    frames: tuple[bytes, ...]
    edges: dict[int, tuple[TurnBegins | TurnEnds, ...]]
    """Where turns begin and end, by frame."""
    beginnings: tuple[int, ...]
    """The frames in which turns begin, in order."""
    digits: tuple[tuple[int, str], ...] = ()
    """Keys that were pressed in the recording: ms from the beginning, key."""

    def next_turn(self, frame: int) -> int:
        """The frame in which the next turn at or after this one begins. There must be one in the recording."""
        return next((begins for begins in self.beginnings if begins >= frame), self.beginnings[0])


def make_talk(name: str, audio: bytes, line: AudioFormat, digits: tuple[tuple[int, str], ...] = ()) -> Talk:
    """The recording as frames. `audio`: in the format of the line. Raises `ConfigurationError` if it is empty."""
    if len(audio) < line.sample_bytes:
        raise ConfigurationError(f"{name}: there is no audio in it: expected at least one frame of 20 ms")
    frame_bytes = line.bytes_in(FRAME_MS)
    wanted = max(ceil(len(audio) / frame_bytes) * frame_bytes, line.bytes_in(SHORTEST_MS))
    audio += line.silence * line.samples_in(wanted - len(audio))
    frames = [audio[at : at + frame_bytes] for at in range(0, len(audio), frame_bytes)]
    edges, beginnings = _turns(audio, line)
    return Talk(name, line, tuple(_told_apart(frames, line)), edges, beginnings, digits)


def _told_apart(frames: list[bytes], line: AudioFormat) -> list[bytes]:
    """The frames with their numbers in those that occur twice and have silence enough for it."""
    zero, one = _ZEROS[line.encoding]
    seen: set[bytes] = set()
    told: list[bytes] = []
    for number, frame in enumerate(frames):
        unique = _numbered(frame, number, zero, one) if frame in seen else frame
        seen.add(unique)
        told.append(unique)
    return told


def _numbered(frame: bytes, number: int, zero: bytes, one: bytes) -> bytes:
    size = len(zero)
    samples = [frame[at : at + size] for at in range(0, len(frame), size)]
    silent = [at for at, sample in enumerate(samples) if sample in (zero, one)][:_NUMBER_BITS]
    for bit, at in enumerate(silent):
        samples[at] = one if number >> bit & 1 else zero
    return b"".join(samples)


def _turns(
    audio: bytes, line: AudioFormat
) -> tuple[dict[int, tuple[TurnBegins | TurnEnds, ...]], tuple[int, ...]]:
    levels = block_levels(decoder(line)(audio), line.rate_hz)
    found = np.flatnonzero(sounds(levels, float(np.percentile(levels, _QUIETEST))))
    runs: list[tuple[int, int]] = []
    for block in map(int, found):
        if runs and (block - runs[-1][1]) * BLOCK_MS <= PAUSE_MS + BLOCK_MS:
            runs[-1] = (runs[-1][0], block)
        else:
            runs.append((block, block))
    edges: dict[int, tuple[TurnBegins | TurnEnds, ...]] = {}
    for first, last in runs:
        begins_ms, ends_ms = first * BLOCK_MS, (last + 1) * BLOCK_MS
        begins, ends = begins_ms // FRAME_MS, (ends_ms - 1) // FRAME_MS
        edges[begins] = (*edges.get(begins, ()), TurnBegins(begins_ms - (begins + 1) * FRAME_MS))
        edges[ends] = (*edges.get(ends, ()), TurnEnds(ends_ms - (ends + 1) * FRAME_MS))
    return edges, tuple(first * BLOCK_MS // FRAME_MS for first, _ in runs)
