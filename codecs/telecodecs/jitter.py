"""Puts frames in the order of the sender's timestamps and fills the holes with silence.

Time is the sender's: the timestamp, in milliseconds, of each frame's first sample. There is no clock and no playout
delay: frames in order are returned at once, and only a hole makes the frames behind it wait. When the sender pauses, a
caller with a clock fills in silence; the timestamp of the next frame shows how long the pause was.
The position is counted in audio returned, so timestamps may drift by up to half a frame without a gap in the audio.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable

from telecodecs.format import AudioFormat

# Timestamps are in ms and lengths in bytes; in ticks of a thousandth of a byte both are whole numbers at any rate.
TICKS = 1000
"""In the time of a byte."""

_REMEMBERED = 64  # timestamps, to tell a repeated frame from a late one: more than a second of 20 ms frames
_RESTARTED_MS = 1000  # after so much late audio in a row the sender must have set its clock back


class Reorder:
    """Puts the frames of one stream in order.

    `window_ms`: how much audio may wait behind a hole before the hole is filled; 0 where order is certain.
    `max_gap_ms`: the most silence for one hole; over a wider hole the position jumps. `fill`: makes that many samples
    of silence; digital silence by default. The first frame sets the position: frames with an earlier timestamp are late.
    Raises ValueError on a negative window or gap.
    """

    def __init__(
        self,
        format: AudioFormat,
        window_ms: int,
        max_gap_ms: int = 1000,
        fill: Callable[[int], bytes] | None = None,
    ) -> None:
        if window_ms < 0 or max_gap_ms < 0:
            raise ValueError(f"window_ms {window_ms}, max_gap_ms {max_gap_ms}: expected zero or more")
        self.late = 0
        """Frames dropped because audio or silence was already returned for their time."""
        self.repeated = 0
        """Frames dropped because a frame with the same timestamp was returned or is held."""
        self.holes = 0
        """Holes that were filled or jumped over."""
        self._fill = fill or format.silence.__mul__
        self.due = 0
        """The position of the next sample to return, in ticks of the sender's clock."""
        self.given: deque[int] = deque(maxlen=_REMEMBERED)
        """The timestamps of the latest frames that were returned; empty before a first frame."""
        self.held: list[tuple[int, bytes]] = []
        """Timestamp and audio of each frame behind a hole, sorted."""
        self.ticks_per_ms = format.rate_hz * format.sample_bytes
        self._sample_bytes = format.sample_bytes
        self._window = window_ms * self.ticks_per_ms
        self._max_gap = max_gap_ms * self.ticks_per_ms
        self._filled_bytes = 0
        self._ahead = 0  # ticks that were filled in for a pause, until the next frame
        self._late_run = 0  # ticks of late audio since the position last moved
        self._late_run_due = 0  # that position

    @property
    def filled_ms(self) -> int:
        """Milliseconds of silence returned in place of frames that never came."""
        return self._filled_bytes * TICKS // self.ticks_per_ms

    @property
    def holding(self) -> bool:
        """Whether frames wait behind a hole; `release` gives up on it."""
        return bool(self.held)

    def passes(self, at_ms: int, audio: bytes) -> bool:
        """Take one frame if it is in order, behind one that was: it is due now. False: give it to `feed`."""
        if self.given and not self.held:
            length = len(audio) * TICKS
            # Half a frame ahead still fits, half a frame behind does not: it may be the last one, repeated.
            if -length < 2 * (at_ms * self.ticks_per_ms - self.due) <= length:
                self.due += length
                self.given.append(at_ms)
                return True
        return False

    def feed(self, at_ms: int, audio: bytes) -> list[bytes]:
        """Take one frame and return the audio that is due now. A frame in order is returned as the same object.

        `at_ms`: the sender's timestamp of the frame's first sample.
        """
        return [audio] if self.passes(at_ms, audio) else self._feed_unordered(at_ms, audio)

    def release(self) -> list[bytes]:
        """Wait for no hole any longer: return all audio that is held, with the holes filled."""
        return self._drain(window=0)

    def fill_in(self, samples: int) -> bytes:
        """Return that many samples of silence, as if the sender had sent them, because it pauses.

        If the timestamp of the next frame shows that the audio was only delayed, or that the sender's clock stood still
        meanwhile, that frame is not late.
        """
        silence = self._fill(samples)
        self.due += len(silence) * TICKS
        self._ahead += len(silence) * TICKS
        self.given.clear()
        return silence

    def restart(self) -> None:
        """The sender's clock starts again: the next frame sets the position. Held frames are dropped; see `release`."""
        self.given.clear()
        self.held.clear()
        self._ahead = 0

    def _feed_unordered(self, at_ms: int, audio: bytes) -> list[bytes]:
        if not audio:
            return []
        at = at_ms * self.ticks_per_ms
        if not self.given and not self.held:
            self._begin(at)
        length = len(audio) * TICKS
        if any(at_ms == stamp for stamp, _ in self.held):
            self.repeated += 1
        elif 2 * (at - self.due) > -length:
            insort(self.held, (at_ms, audio))
        elif at_ms in self.given:
            self.repeated += 1
        elif self._clock_restarted(length):
            before = self.release()
            self.due = at + length
            self.given.append(at_ms)
            return [*before, audio]
        else:
            self.late += 1
        return self._drain(self._window)

    def _begin(self, at: int) -> None:
        """The first frame, or the first after a pause."""
        if not self._ahead:
            self.due = at
        elif at >= self.due - self._ahead:
            self.due = min(at, self.due)
            self._ahead = 0

    def _drain(self, window: int) -> list[bytes]:
        """The frames held, up to the first hole behind which at most `window` ticks of audio wait."""
        given: list[bytes] = []
        while self.held:
            at_ms, audio = self.held[0]
            at, length = at_ms * self.ticks_per_ms, len(audio) * TICKS
            if 2 * (at - self.due) > length:
                if self._span() <= window:
                    break
                given += self._fill_hole(at - self.due)
                self.due = at
            del self.held[0]
            if 2 * (at - self.due) <= -length:  # a longer frame covers its time
                self.late += 1
                continue
            self.due += length
            self.given.append(at_ms)
            given.append(audio)
        return given

    def _fill_hole(self, gap: int) -> list[bytes]:
        self.holes += 1
        silence = self._fill(min(gap, self._max_gap) // (TICKS * self._sample_bytes))
        self._filled_bytes += len(silence)
        return [silence] if silence else []

    def _span(self) -> int:
        (first_ms, _), (last_ms, last) = self.held[0], self.held[-1]
        return (last_ms - first_ms) * self.ticks_per_ms + len(last) * TICKS

    def _clock_restarted(self, late: int) -> bool:
        """Whether late audio has come for so long that the sender must have started its clock again."""
        if self._late_run_due != self.due:
            self._late_run_due, self._late_run = self.due, 0
        self._late_run += late
        return self._late_run > _RESTARTED_MS * self.ticks_per_ms
