"""When the caller's last sound ended, by the audio that the assistants are given.

No frame is looked at when it comes: frames are kept, and measured a second at a time or when somebody asks. Of what was
measured only the level of each 10 ms is kept, for ten seconds. Times are seconds on the session's clock.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS, PCMU_8K, AudioFormat
from telecodecs.sound import block_levels, block_samples, sound_ended

MEASURED_FRAMES = 1000 // FRAME_MS
"""So many frames are measured at a time."""

REMEMBERED = 10
"""How many measurements are kept."""


class _Measured(NamedTuple):
    """Blocks in a row. `begin_s`: the position of the first; `lag_s`: when a frame came, less its position, and `lags`: by
    how much more that is for the frame of each block. Small numbers, because all calls keep them.
    """

    begin_s: float
    block_s: float
    levels: NDArray[np.float32]
    lag_s: float
    lags: NDArray[np.float32]


class CallerSound:
    """The level of the caller's latest audio. For each frame append its audio to `frames` and its time to `came`.

    Frames that came in a burst were said before the last of them: they count as if they had come in real time.
    Positions are seconds of audio from the first frame on.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        """Frames that are not measured yet; at `MEASURED_FRAMES` call `measure`."""
        self.came: list[float] = []
        """When each of them came."""
        self._measured: deque[_Measured] = deque(maxlen=REMEMBERED)
        self._position_s = 0.0  # of the first sample that is not measured
        self._rest = np.zeros(0, np.int16)  # less than a block, not measured yet
        self._format = PCMU_8K
        self._bytes = 0  # of frames that were measured

    def change(self, format: AudioFormat) -> None:
        """Frames come in this format from now on. Audio of more than one channel is not measured."""
        self.measure()
        self._format, self._rest = format, np.zeros(0, np.int16)

    def measure(self) -> None:
        """Measure the frames that have come, and let go of them."""
        frames, came = self.frames, np.asarray(self.came)
        self.frames, self.came = [], []
        self._bytes += sum(map(len, frames))
        if not frames or self._format.channels > 1:
            return
        rate_hz = self._format.rate_hz
        samples = np.concatenate([self._rest, decoder(self._format)(b"".join(frames))])
        levels, length = block_levels(samples, rate_hz), block_samples(rate_hz)
        lengths = np.array([len(frame) for frame in frames]) // self._format.sample_bytes
        frame_ends = len(self._rest) + np.cumsum(lengths)  # in samples, as the next two
        ends = np.arange(1, len(levels) + 1) * length
        frame_of = np.minimum(np.searchsorted(frame_ends, ends), len(frames) - 1)
        lags = came[frame_of] - self._position_s - frame_ends[frame_of] / rate_hz
        if len(levels):
            small = levels.astype(np.float32), float(lags[0]), (lags - lags[0]).astype(np.float32)
            self._measured.append(_Measured(self._position_s, length / rate_hz, *small))
        self._rest = samples[len(levels) * length :]
        self._position_s += len(levels) * length / rate_hz

    def take_bytes(self) -> int:
        """The bytes of the frames that were measured since the last call."""
        taken, self._bytes = self._bytes, 0
        return taken

    def ended_at(self) -> float | None:
        """When the last sound before this moment ended; None if there was none in the audio that is remembered."""
        self.measure()
        if not self._measured:
            return None
        levels = np.concatenate([measured.levels for measured in self._measured]).astype(np.float64)
        end = sound_ended(levels)
        if end is None:
            return None
        lags = np.concatenate(
            [measured.lag_s + measured.lags.astype(np.float64) for measured in self._measured]
        )
        return self._position_of(end) + float(lags[end - 1 :].min())

    def _position_of(self, blocks: int) -> float:
        """Where so many of the blocks that are remembered end."""
        for measured in self._measured:
            if blocks <= len(measured.levels):
                return measured.begin_s + blocks * measured.block_s
            blocks -= len(measured.levels)
        raise AssertionError("more blocks than are remembered")
