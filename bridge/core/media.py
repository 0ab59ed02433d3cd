"""The chains between two audio formats: `Uplink` from the caller to the assistant, `Downlink` back.

Bytes in, bytes out. Equal formats pass untouched: the very same object.
"""

from collections import deque
from collections.abc import Callable

from telecodecs.codec import decoder, encoder
from telecodecs.format import FRAME_MS, AudioFormat
from telecodecs.framing import Framer
from telecodecs.jitter import Reorder
from telecodecs.resample import Resampler
from telecodecs.silence import ComfortNoise

HELD_MS = 2_000
"""The most audio of the caller that is held while the assistant opens."""


class Conversion:
    """Converts a stream of audio. Raises ValueError for a pair of formats that it cannot convert."""

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.needed = source != target
        """Whether the formats differ. If not, `feed` need not be called."""
        if self.needed:
            self._decode = decoder(source)
            self._resampler = Resampler(source.rate_hz, target.rate_hz)
            self._encode = encoder(target)

    def feed(self, audio: bytes) -> bytes:
        """Whole samples in; as much audio out, later by the resampler's delay."""
        if not self.needed:
            return audio
        return self._encode(self._resampler.feed(self._decode(audio)))

    def flush(self) -> bytes:
        """What the resampler still holds."""
        return self._encode(self._resampler.flush()) if self.needed else b""

    def reset(self) -> None:
        """Forget what was fed."""
        if self.needed:
            self._resampler.reset()


class Uplink:
    """The caller's frames, put in order, their holes filled, in the format that the assistant hears.

    Until `open` first names that format, up to `HELD_MS` of audio are held; beyond it the oldest frames are dropped and
    counted. `line`: the format of the frames. `noise_dbfs`: the level of the noise in holes and pauses; None: silence.
    """

    def __init__(self, line: AudioFormat, reorder_ms: int, noise_dbfs: float | None = None) -> None:
        self._line = line
        fill = None if noise_dbfs is None else ComfortNoise(line, noise_dbfs).take
        self.reorder = Reorder(line, reorder_ms, fill=fill)
        """What puts the frames in order."""
        self.conversion: Conversion | None = None
        """To the format that the assistant hears; None while there is no assistant."""
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._most_held = line.bytes_in(HELD_MS)
        self._dropped = 0
        self._paused_ms = 0

    def open(self, hears: AudioFormat) -> list[bytes]:
        """Return what was held, and from now on convert what comes. Raises ValueError as `Conversion` does."""
        self.conversion = Conversion(self._line, hears)
        held = list(self._held)
        self._held.clear()
        self._held_bytes = 0
        return self.convert(held)

    def close(self) -> None:
        """No assistant hears, until `open` is called again: what comes meanwhile would be old by then, and is dropped."""
        self.conversion = None
        self._most_held = 0

    @property
    def is_holding(self) -> bool:
        """Whether frames wait for one that is missing."""
        return self.reorder.holding

    def order(self, audio: bytes, at_ms: int) -> list[bytes]:
        """Take one frame; return the frames that are due, in the line's format, to be given to `convert`."""
        return self.reorder.feed(at_ms, audio)

    def fill_in(self, ms: int) -> list[bytes]:
        """The carrier pauses: return `ms` of silence for the assistant, as if the carrier had sent it."""
        if self.conversion is None:
            return []
        self._paused_ms += ms
        silence = self.reorder.fill_in(self._line.samples_in(self._line.bytes_in(ms)))
        return self.convert([silence])

    def restart(self) -> None:
        """Another stream begins: the carrier's clock starts again."""
        self.reorder.restart()

    def release(self) -> list[bytes]:
        """Give up on a missing frame: return what waited for it, with silence in the hole, as `order` does."""
        return self.reorder.release()

    def convert(self, frames: list[bytes]) -> list[bytes]:
        """Convert frames that are in order to the format that the assistant hears; hold them while there is no assistant."""
        conversion = self.conversion
        if conversion is None:
            return self._hold(frames)
        return [conversion.feed(frame) for frame in frames] if conversion.needed else frames

    def _hold(self, frames: list[bytes]) -> list[bytes]:
        for frame in frames:
            self._held.append(frame)
            self._held_bytes += len(frame)
        while self._held_bytes > self._most_held:
            self._held_bytes -= len(self._held.popleft())
            self._dropped += 1
        return []

    def counts(self) -> dict[str, int]:
        """What was wrong with the caller's audio so far."""
        order = self.reorder
        return {
            "late": order.late,
            "repeated": order.repeated,
            "holes": order.holes,
            "filled_ms": order.filled_ms,
            "paused_ms": self._paused_ms,
            "dropped_while_opening": self._dropped,
        }


class Downlink:
    """The assistant's audio in the line's format, in whole frames; the tail of an item is padded with silence."""

    def __init__(self, speaks: AudioFormat, line: AudioFormat) -> None:
        self._conversion = Conversion(speaks, line)
        self._framer = Framer(line.bytes_in(FRAME_MS), line.silence)
        self.feed: Callable[[bytes], bytes] = self._convert if self._conversion.needed else self._framer.feed
        """Takes a piece of an item; returns the frames that are whole."""

    def _convert(self, audio: bytes) -> bytes:
        return self._framer.feed(self._conversion.feed(audio))

    def finish(self) -> bytes:
        """The item ends: return what is left of it, padded to a whole frame."""
        return self._framer.feed(self._conversion.flush()) + self._framer.finish()

    def discard(self) -> None:
        """The item was interrupted: forget what is left of it."""
        self._conversion.reset()
        self._framer.discard()
