"""The chains between two audio formats: `Uplink` from the caller to the assistant, `Downlink` back.

Bytes in, bytes out. Equal formats pass untouched, the very same object. A chain says what it is:
`str(uplink)` is "pcmu/8000 -> l16/24000".
"""

from collections import deque

from telecodecs.codec import decoder, encoder
from telecodecs.format import AudioFormat
from telecodecs.framing import Framer
from telecodecs.jitter import Reorder
from telecodecs.resample import Resampler
from telecodecs.silence import ComfortNoise

FRAME_MS = 20

HELD_MS = 2_000
"""The caller's audio kept while the assistant opens."""


class Conversion:
    """One format into another, as a stream. Raises ValueError for a pair of formats that it cannot convert."""

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._name = str(source) if source == target else f"{source} -> {target}"
        self.needed = source != target
        """Whether there is anything to do; a chain of equal formats is passed by."""
        if self.needed:
            self._decode = decoder(source)
            self._resampler = Resampler(source.rate_hz, target.rate_hz)
            self._encode = encoder(target)

    def feed(self, audio: bytes) -> bytes:
        """Whole samples in; the same stretch of time out, later by the resampler's delay."""
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

    def __str__(self) -> str:
        return self._name


class Uplink:
    """The caller's frames, put in order, their holes filled, in the format that the assistant hears.

    `noise_dbfs`: holes and pauses are faint noise, instead of silence.

    Until `open` first names that format they are held, `HELD_MS` of them; then the oldest are dropped and counted.
    """

    def __init__(self, line: AudioFormat, reorder_ms: int, noise_dbfs: float | None = None) -> None:
        self._line = line
        fill = None if noise_dbfs is None else ComfortNoise(line, noise_dbfs).take
        self._order = Reorder(line, reorder_ms, fill=fill)
        self._conversion: Conversion | None = None
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._most_held = line.bytes_in(HELD_MS)
        self._dropped = 0
        self._paused_ms = 0

    def open(self, hears: AudioFormat) -> list[bytes]:
        """What was held, and from now on what comes. Raises ValueError as `Conversion` does."""
        self._conversion = Conversion(self._line, hears)
        held = list(self._held)
        self._held.clear()
        self._held_bytes = 0
        return self.convert(held)

    def close(self) -> None:
        """Nobody hears, until `open` again: what comes is old by then, and dropped."""
        self._conversion = None
        self._most_held = 0

    @property
    def is_open(self) -> bool:
        """Whether anybody hears."""
        return self._conversion is not None

    @property
    def holding(self) -> bool:
        """Whether frames wait for one that is missing."""
        return self._order.holding

    def order(self, audio: bytes, at_ms: int) -> list[bytes]:
        """One frame in; those that are due, in the line's format, to be given to `convert`."""
        return self._order.feed(at_ms, audio)

    def fill_in(self, ms: int) -> list[bytes]:
        """The carrier pauses: so much silence as if it had come; none while nobody hears."""
        if self._conversion is None:
            return []
        self._paused_ms += ms
        silence = self._order.fill_in(self._line.samples_in(self._line.bytes_in(ms)))
        return self.convert([silence])

    def restart(self) -> None:
        """The carrier's clock begins anew."""
        self._order.restart()

    def release(self) -> list[bytes]:
        """Give up on the missing frame: what was held, with silence in the hole; as `order` gives it."""
        return self._order.release()

    def convert(self, frames: list[bytes]) -> list[bytes]:
        """Frames in order, as the assistant hears them; held while nobody does."""
        conversion = self._conversion
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
        order = self._order
        return {
            "late": order.late,
            "repeated": order.repeated,
            "holes": order.holes,
            "filled_ms": order.filled_ms,
            "paused_ms": self._paused_ms,
            "dropped_while_opening": self._dropped,
        }

    def __str__(self) -> str:
        return str(self._conversion or self._line)


class Downlink:
    """The assistant's audio in the line's format, in whole frames; the tail of an item is padded with silence."""

    def __init__(self, speaks: AudioFormat, line: AudioFormat) -> None:
        self._conversion = Conversion(speaks, line)
        self._framer = Framer(line.bytes_in(FRAME_MS), line.silence)

    def feed(self, audio: bytes) -> bytes:
        """A piece of an item in; the frames that are whole, out."""
        return self._framer.feed(self._conversion.feed(audio))

    def finish(self) -> bytes:
        """The end of the item: what is left, padded to a whole frame."""
        return self._framer.feed(self._conversion.flush()) + self._framer.finish()

    def discard(self) -> None:
        """The item was interrupted: forget what is left of it."""
        self._conversion.reset()
        self._framer.discard()

    def __str__(self) -> str:
        return str(self._conversion)
