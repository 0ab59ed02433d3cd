"""DTMF tones: those in the caller's audio, detected where the carrier does not report keys, and muted for the assistant;
and those that the bridge plays where the carrier does not press keys.

A key that is both reported and heard is one key, whichever comes first. No clock: `now` is seconds.
"""

from collections import deque
from functools import lru_cache
from typing import NamedTuple

from bridge.core.entries import KeypadRules
from telecodecs.codec import decoder, encoder
from telecodecs.dtmf import dialled
from telecodecs.dtmf_detector import RATES_HZ, ToneDetector
from telecodecs.format import AudioFormat

SAME_PRESS_S = 1.0
"""How far apart a carrier's report of a key and its tone may come."""

MOST_NOTICED = 8
"""The most keys that were noticed one way and may still be noticed the other way."""


@lru_cache(maxsize=256)  # the keys and pauses in a dozen formats
def key_sound(key: str, plays: AudioFormat) -> bytes:
    """One key, or a pause, as a telephone would dial it, in the format `plays`: see `telecodecs.dtmf.dialled`."""
    return encoder(plays)(dialled(key, plays.rate_hz))


def keys_sound(keys: str, plays: AudioFormat) -> bytes:
    """All of these keys, one after the other."""
    return b"".join(key_sound(key, plays) for key in keys)


class _Noticed(NamedTuple):
    digit: str
    heard: bool  # as a tone; else the carrier reported it
    at: float


class KeyTones:
    """The tones in one call's audio, of the format `line`. Only audio at one of `RATES_HZ` is listened to."""

    def __init__(self, line: AudioFormat, rules: KeypadRules) -> None:
        self._line = line
        self._mute_s = rules.mute_s
        self.detector: ToneDetector | None = None
        """Listens for tones; None where it should not, or cannot."""
        if rules.in_band and line.rate_hz in RATES_HZ:
            self.detector = ToneDetector(line.rate_hz)
            self._decode = decoder(line)
        self.muted_until = 0.0
        """Until then a tone may sound that the assistant should not hear."""
        self._noticed: deque[_Noticed] = deque(maxlen=MOST_NOTICED)
        self.repeated = 0
        """Keys that were both reported and heard."""

    def is_listening(self, now: float) -> bool:
        """Whether `listen` wants the frames that come now."""
        return self.detector is not None or now < self.muted_until

    def listen(self, frame: bytes, now: float) -> tuple[bytes, list[str]]:
        """Return a frame of the caller's, muted where tones may sound, and the keys that were heard by its end."""
        heard: list[str] = []
        sounds = False
        if self.detector is not None:
            tones = self.detector.feed(self._decode(frame))
            heard = [tone.digit for tone in tones if self.notice(tone.digit, now, heard=True)]
            sounds = self._mute_s > 0 and self.detector.sounding
        if sounds or now < self.muted_until:
            frame = self._line.silence * self._line.samples_in(len(frame))
        return frame, heard

    def notice(self, digit: str, now: float, *, heard: bool) -> bool:
        """A key was heard, or reported: its tone may sound for `mute_s`. Returns False if it was noticed the other way."""
        self.muted_until = now + self._mute_s
        if self.detector is None:
            return True
        for noticed in self._noticed:
            if noticed.digit == digit and noticed.heard != heard and now - noticed.at <= SAME_PRESS_S:
                self._noticed.remove(noticed)
                self.repeated += 1
                return False
        self._noticed.append(_Noticed(digit, heard, now))
        return True
