"""Computes latencies from what the simulated phone sent and received, and when.

There are two measures. *Echo*: if the audio that comes back is byte for byte what was sent, each frame is timed by
itself; this is the delay that the bridge and the network add. *Turns*: how long the caller waited for a reply, voice to
voice: from the end of the caller's speech to the first sound of the reply in the earpiece. What sound is, `telecodecs.sound`
says, here as in the bridge. Units: times are seconds of any one clock, latencies are milliseconds. Audio is in frames of
equal length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf

import numpy as np

from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS, AudioFormat
from telecodecs.sound import BLOCK_MS, block_levels, block_samples, sounds

PAUSE_MS = 500
"""A shorter silence is a pause within a turn and does not end it."""

_QUIETEST = 10  # percent of what the caller sends: noise, if there is any
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
    line: AudioFormat, sent: bytes, sent_at: Sequence[float], plays: AudioFormat, heard: bytes
) -> list[float]:
    """The latency in ms of each reply that began after one of the caller's turns and before the next.

    `line`: the format of what was sent. `sent_at`: when each frame of `sent` was complete, and was sent. `plays`: the
    format of what the caller heard. `heard`: all of that, from time 0 on.
    """
    if not sent_at:
        return []
    said = block_levels(decoder(line)(sent), line.rate_hz)
    noise_dbfs = float(np.percentile(said, _QUIETEST))
    spoken_blocks: list[int] = np.flatnonzero(sounds(said, noise_dbfs)).tolist()
    spoken = [_sent_by(block + 1, line, sent_at) for block in spoken_blocks]
    played = np.flatnonzero(sounds(block_levels(decoder(plays)(heard), plays.rate_hz)))
    played_at = played * block_samples(plays.rate_hz) / plays.rate_hz
    replies = _runs(played_at.tolist(), (PAUSE_MS + BLOCK_MS) / 1000)
    turns = _runs(spoken, (PAUSE_MS + BLOCK_MS) / 1000)
    latencies: list[float] = []
    for (_, ended), (resumed, _) in pairwise([*turns, (inf, inf)]):
        reply = next((began for began, _ in replies if ended <= began < resumed), None)
        if reply is not None:
            latencies.append((reply - ended) * 1000)
    return latencies


def _sent_by(block: int, line: AudioFormat, sent_at: Sequence[float]) -> float:
    """When so many blocks of the caller's audio were complete, if each frame was when it was sent."""
    end_s = block * block_samples(line.rate_hz) / line.rate_hz
    frame = min(ceil(end_s * 1000 / FRAME_MS - 1e-6), len(sent_at))
    return sent_at[frame - 1] - (frame * FRAME_MS / 1000 - end_s)


def _runs(times: Sequence[float], pause_s: float) -> list[tuple[float, float]]:
    """The first and last time of each run of times that follow each other within `pause_s`."""
    runs: list[tuple[float, float]] = []
    for at in times:
        if runs and at - runs[-1][1] < pause_s:
            runs[-1] = (runs[-1][0], at)
        else:
            runs.append((at, at))
    return runs
