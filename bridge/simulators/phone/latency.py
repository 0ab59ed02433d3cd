"""Computes latencies from what the simulated phone sent and received, and when.

There are two measures. *Echo*: if the audio that comes back is byte for byte what was sent, each frame is timed by
itself; this is the delay that the bridge and the network add. *Turns*: the time from the caller's last sound to the
first sound of a reply. Units: times are seconds of any one clock, latencies are milliseconds. Audio is in frames of
equal length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf

import numpy as np
from numpy.typing import NDArray

from telecodecs.codec import decoder
from telecodecs.format import AudioFormat

PAUSE_MS = 500
"""A shorter silence is a pause within a turn and does not end it."""

SOUND_DBFS = -40.0
"""A frame above this level is sound: well above line noise, well below the quietest syllable."""

Arrival = tuple[float, bytes]
"""When a piece of audio arrived, seconds, and the piece."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles by the nearest-rank method: each is a latency that was measured."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, samples_ms: Sequence[float]) -> "Latency | None":
        """The percentiles of these samples, which may come from many calls; None if there are none."""
        if not samples_ms:
            return None
        ranked = sorted(samples_ms)
        p50, p95, p99 = (ranked[ceil(len(ranked) * percent / 100) - 1] for percent in (50, 95, 99))
        return cls(len(ranked), p50, p95, p99, ranked[-1])


def echo_ms(sent: bytes, sent_at: Sequence[float], received: Sequence[Arrival]) -> list[float]:
    """The latency in ms of each frame that came back; empty if the audio received is not an echo.

    An echo is a continuous part of what was sent, is not only silence, and began to come back before all of it had been
    sent; otherwise it is a reply that repeats the caller. `sent_at`: when each frame of `sent` was sent.
    """
    heard = b"".join(audio for _, audio in received)
    offset = sent.find(heard)
    if offset < 0 or len(set(heard)) < 2:
        return []
    frame_bytes = len(sent) // len(sent_at)
    if received[0][0] > sent_at[(offset + len(heard) - 1) // frame_bytes]:
        return []
    latencies: list[float] = []
    frame, returned = offset // frame_bytes, offset
    for at, audio in received:
        returned += len(audio)
        whole = returned // frame_bytes
        latencies += [(at - sent_at[index]) * 1000 for index in range(frame, whole)]
        frame = whole
    return latencies


def turns_ms(
    line: AudioFormat,
    sent: bytes,
    sent_at: Sequence[float],
    received: Sequence[Arrival],
    plays: AudioFormat | None = None,
) -> list[float]:
    """The latency in ms of each reply that began after one of the caller's turns and before the next.

    `line`: the format of what was sent. `plays`: the format of what was received; None for the same. `sent_at`: when
    each frame of `sent` was sent.
    """
    if not received or not sent_at:
        return []
    frames = decoder(line)(sent).reshape(len(sent_at), -1)
    frame_ms = frames.shape[1] * 1000 / line.rate_hz
    spoken = [at for at, sounds in zip(sent_at, _sounds(frames), strict=True) if sounds]
    decode = decoder(plays or line)
    replied = [at for at, audio in received if audio and _sounds(decode(audio))]
    replies = _runs(replied, PAUSE_MS / 1000)
    turns = _runs(spoken, (PAUSE_MS + frame_ms) / 1000)
    latencies: list[float] = []
    for (_, ended), (resumed, _) in pairwise([*turns, (inf, inf)]):
        reply = next((began for began, _ in replies if ended <= began < resumed), None)
        if reply is not None:
            latencies.append((reply - ended) * 1000)
    return latencies


def _sounds(samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether the audio along the last axis is above `SOUND_DBFS`."""
    power = np.mean(np.square(samples, dtype=np.float64), axis=-1)
    return np.asarray(power > 32768.0**2 * 10 ** (SOUND_DBFS / 10))


def _runs(times: Sequence[float], pause_s: float) -> list[tuple[float, float]]:
    """The first and last time of each run of times that follow each other within `pause_s`."""
    runs: list[tuple[float, float]] = []
    for at in times:
        if runs and at - runs[-1][1] < pause_s:
            runs[-1] = (runs[-1][0], at)
        else:
            runs.append((at, at))
    return runs
