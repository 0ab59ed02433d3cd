"""The peaks of a recording: how loud each side was in each stretch of it, for a drawing of both voices.

A recording may still be written: what its header says of the length is not waited for.
"""

from collections.abc import Callable
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from bridge.vocabulary.errors import ConfigurationError

FULL = 127
"""The peak of full scale."""

MOST_PEAKS = 6_000
FINEST_S = 0.05
"""The shortest stretch; of a long recording the stretches are longer."""

HEADER_BYTES = 44
FRAME_BYTES = 4
"""A sample of both sides, 16 bits each."""

BATCH_BYTES = 262_144


class Peaks(NamedTuple):
    """Each side's peaks, from 0 to `FULL`, one for each `every_s` from the recording's begin; `length_s` is its length."""

    every_s: float
    length_s: float
    caller: list[int]
    other: list[int]


def read_peaks(recording: Path, rests: Callable[[], object] = lambda: None) -> Peaks:
    """`rests`: called now and then, for a thread beside which calls go on.

    Raises `ConfigurationError` if the file cannot be read or is no recording of ours.
    """
    try:
        with recording.open("rb") as file:
            rate_hz = _rate_hz(file, recording)
            samples = (file.seek(0, SEEK_END) - HEADER_BYTES) // FRAME_BYTES
            stretch = max(round(rate_hz * FINEST_S), -(-samples // MOST_PEAKS))
            file.seek(HEADER_BYTES)
            found = _read(file, stretch, rests)
    except OSError as error:
        raise ConfigurationError(f"{recording}: {error.strerror}") from error
    return Peaks(stretch / rate_hz, samples / rate_hz, found[:, 0].tolist(), found[:, 1].tolist())


def _rate_hz(file: BinaryIO, recording: Path) -> int:
    head = file.read(HEADER_BYTES)
    is_ours = head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt " and head[36:40] == b"data"
    channels, rate_hz = int.from_bytes(head[22:24], "little"), int.from_bytes(head[24:28], "little")
    bits = int.from_bytes(head[34:36], "little")
    if not is_ours or (channels, bits) != (2, 16) or not rate_hz:
        raise ConfigurationError(f"{recording}: not a recording: expected a WAV of two channels of 16 bits")
    return rate_hz


def _read(file: BinaryIO, stretch: int, rests: Callable[[], object]) -> np.ndarray:
    """Shape (stretches, 2)."""
    stretch_bytes = stretch * FRAME_BYTES
    batch_bytes = max(1, BATCH_BYTES // stretch_bytes) * stretch_bytes
    found = [np.zeros((0, 2), np.int64)]
    while batch := file.read(batch_bytes):
        samples = np.frombuffer(batch[: len(batch) // FRAME_BYTES * FRAME_BYTES], "<i2").reshape(-1, 2)
        if len(samples):
            highest = np.maximum.reduceat(
                np.abs(samples.astype(np.int32)), np.arange(0, len(samples), stretch)
            )
            found.append(-(-highest.astype(np.int64) * FULL // 32768))
        rests()
    return np.concatenate(found)
