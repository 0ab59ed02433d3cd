"""Keys as sound in the caller's audio: heard where the carrier does not tell of them, and kept from the assistant.

A key that is told and heard is one key, whichever comes first. No clock: `now` is seconds.
"""

from collections import deque
from typing import NamedTuple

from bridge.core.entries import KeypadRules
from telecodecs.codec import decoder
from telecodecs.dtmf_detector import RATES_HZ, ToneDetector
from telecodecs.format import AudioFormat

SAME_PRESS_S = 1.0
"""How far apart a carrier's word of a key and its tone may come."""

MOST_NOTICED = 8
"""Keys whose other sign may still come."""


class _Noticed(NamedTuple):
    digit: str
    heard: bool
    """As a tone, and not told."""
    at: float


class KeyTones:
    """Those of one call, on a line of this format; none are heard at a rate that is not listened to."""

    def __init__(self, line: AudioFormat, rules: KeypadRules) -> None:
        self._line = line
        self._mute_s = rules.mute_s
        self._detector: ToneDetector | None = None
        if rules.in_band and line.rate_hz in RATES_HZ:
            self._detector = ToneDetector(line.rate_hz)
            self._decode = decoder(line)
        self._muted_until = 0.0
        self._once: deque[_Noticed] = deque(maxlen=MOST_NOTICED)
        self.repeated = 0
        """Keys that were told as well as heard."""

    def concern(self, now: float) -> bool:
        """Whether a frame has to be looked at."""
        return self._detector is not None or now < self._muted_until

    def listen(self, frame: bytes, now: float) -> tuple[bytes, list[str]]:
        """A frame of the caller's, silent where it would sound of keys; and the keys that were heard by its end."""
        heard: list[str] = []
        sounds = False
        if self._detector is not None:
            tones = self._detector.feed(self._decode(frame))
            heard = [tone.digit for tone in tones if self.notice(tone.digit, now, heard=True)]
            sounds = self._mute_s > 0 and self._detector.sounding
        if sounds or now < self._muted_until:
            frame = self._line.silence * self._line.samples_in(len(frame))
        return frame, heard

    def notice(self, digit: str, now: float, *, heard: bool) -> bool:
        """A key: its tone may sound for a while. False if it was noticed the other way already."""
        self._muted_until = now + self._mute_s
        if self._detector is None:
            return True
        for noticed in self._once:
            if noticed.digit == digit and noticed.heard != heard and now - noticed.at <= SAME_PRESS_S:
                self._once.remove(noticed)
                self.repeated += 1
                return False
        self._once.append(_Noticed(digit, heard, now))
        return True
