"""Brings the assistant's clock back to the caller's after a stall of the carrier's network.

While nothing comes, silence is filled in. If the audio of that time comes after all, late and at once, all of it is passed
on, because it may be speech, and the assistant's clock is ahead. Then quiet audio is skipped until it is not. A pause
that shows a turn detector the end of a turn is passed on first, and the quiet just before speech is never skipped: it
may hold a soft beginning.
No clock: `now` is seconds. Amounts are bytes of the line's format.
"""

from collections import deque

import numpy as np

from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS, AudioFormat
from telecodecs.noise import FULL_SCALE_POWER, NoiseFloor

PAUSE_MS = 1_000
"""So much quiet is passed on after speech before any is skipped: a turn detector ends the turn by then."""

LEAD_MS = 100
"""So much quiet before speech is never skipped."""

AHEAD_MS = 40
"""The assistant's clock may be so far ahead: frames do not come as evenly as they were sent."""

SETTLED_S = 1.0
"""If the clock has not been ahead for so long, the silence was rightly filled in: nothing came for that time."""

_LOUD = FULL_SCALE_POWER * 10 ** (-30 / 10)  # as loud as speech: never skipped, however steady it is
_SPEAKING_MS = 200  # after a sound; for the estimate of the noise


class CatchUp:
    """The clocks of one caller and of whoever hears the caller. `line`: the format of the frames."""

    def __init__(self, line: AudioFormat) -> None:
        self.given = 0
        """Audio that was passed on, or would have been if an assistant were there; the caller of this class adds each frame."""
        self.owed = 0
        """Silence that was filled in for audio that may still come. While it is not 0, pass frames through `trim`."""
        self.skipped = 0
        """Quiet audio that was not passed on."""
        self._line = line
        self._second = line.bytes_in(1000)
        self._pause, self._lead = line.bytes_in(PAUSE_MS), line.bytes_in(LEAD_MS)
        self._ahead = line.bytes_in(AHEAD_MS)
        self._speaking = line.bytes_in(_SPEAKING_MS)
        self._began = 0.0  # when the audio began, if it had come evenly
        self._noise = NoiseFloor()
        self._quiet = 0  # since the last sound
        self._held: deque[bytes] = deque()  # quiet frames that may be skipped
        self._held_bytes = 0
        self._unsettled_at = 0.0  # the clock was last ahead, or silence filled in

    def begin(self, now: float) -> None:
        """The first frame of a stream comes: from here on the clocks run together."""
        self._began = now - FRAME_MS / 1000 - self.given / self._second
        self.forget()

    def forget(self) -> None:
        """The assistant was lost, and with it its clock."""
        self.owed, self._quiet = 0, 0
        self._held.clear()
        self._held_bytes = 0

    def fill_in(self, silence: int, now: float) -> None:
        """So much silence was filled in, because nothing comes."""
        self.given += silence
        if self._line.channels == 1:
            self.owed += silence
        self._quiet += silence
        self._unsettled_at = now

    def trim(self, frames: list[bytes], now: float) -> list[bytes]:
        """Return what is to be passed on, after these frames were added to `given`."""
        ahead = self.given - (now - self._began) * self._second
        passed: list[bytes] = []
        for frame in frames:
            ahead -= self._judge(frame, ahead, passed)
        if ahead > self._ahead:
            self._unsettled_at = now
        elif now >= self._unsettled_at + SETTLED_S:
            self.owed = 0
        return passed if self.owed else passed + self.take_held()

    def _judge(self, frame: bytes, ahead: float, passed: list[bytes]) -> int:
        """Pass a frame on, or hold it. Returns how much was skipped for it."""
        self._quiet = 0 if self._is_sound(frame) else self._quiet + len(frame)
        self._held.append(frame)
        self._held_bytes += len(frame)
        if self._quiet <= self._pause or ahead <= self._ahead:
            passed += self.take_held()
        if self._held_bytes <= self._lead or not self.owed:
            return 0
        skipped = len(self._held.popleft())
        self._held_bytes -= skipped
        self.given -= skipped
        self.skipped += skipped
        self.owed = max(0, self.owed - skipped)
        return skipped

    def _is_sound(self, frame: bytes) -> bool:
        samples = decoder(self._line)(frame).astype(np.float64)
        power = float(samples @ samples) / max(1, len(samples))
        is_sound = self._noise.lets_pass(power) or power > _LOUD
        self._noise.hear(power, is_sound or self._quiet < self._speaking)
        return is_sound

    def take_held(self) -> list[bytes]:
        """What was held back, to be passed on now."""
        held = list(self._held)
        self._held.clear()
        self._held_bytes = 0
        return held
