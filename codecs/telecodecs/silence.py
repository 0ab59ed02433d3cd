"""Makes the silence that assistants are sent: digital silence or comfort noise.

An assistant that detects turns itself gets `closing_ms` of silence behind the caller's audio, to end the turn. While the
carrier pauses, an assistant gets `silence` so that its clock goes on, or `ComfortNoise` if it takes digital silence for
a dead line. Nothing here goes to the caller: the last frame of a reply is padded by `framing`.
Units: milliseconds, dBFS as in `level`.
"""

from functools import lru_cache

import numpy as np

from telecodecs.codec import encoder
from telecodecs.format import AudioFormat, Samples

SURPLUS_MS = 100
"""How much longer the silence that ends a turn is than the silence that the assistant waits for."""

STEP_MS = 20
"""Appended silence is made of whole frames."""

LEVELS_DBFS = (-80.0, -20.0)
"""Lowest and highest level of comfort noise: below it G.711 has no step, above it is as loud as speech."""

_LOOP_MS = 2_000
_BAND_HZ = (300, 3_400)
_SEED = 3389  # any number; this is the RFC of comfort noise


def closing_ms(silence_duration_ms: int) -> int:
    """How much silence to send to an assistant that ends a turn after `silence_duration_ms`: whole 20 ms frames."""
    return -(-(silence_duration_ms + SURPLUS_MS) // STEP_MS) * STEP_MS


def silence(format: AudioFormat, ms: int) -> bytes:
    """Digital silence of `ms`, in bytes."""
    return format.silence * format.samples_in(format.bytes_in(ms))


class ComfortNoise:
    """Faint noise between 300 and 3400 Hz, for one stream; each piece continues the one before.

    The noise is the same in every stream of a format and level. Raises ValueError on a level outside `LEVELS_DBFS`, and
    on more than one channel.
    """

    def __init__(self, format: AudioFormat, level_dbfs: float) -> None:
        quietest, loudest = LEVELS_DBFS
        if not quietest <= level_dbfs <= loudest:
            raise ValueError(
                f"level_dbfs {level_dbfs:g} is out of range; expected {quietest:g} to {loudest:g}"
            )
        self._format = format
        self._loop = _loop(format, float(level_dbfs))
        self._at = 0

    def take(self, samples: int) -> bytes:
        """The next piece of noise, that many samples, as bytes."""
        length, loop, at = samples * self._format.sample_bytes, self._loop, self._at
        audio = loop[at : at + length]
        while len(audio) < length:
            audio += loop[: length - len(audio)]
        self._at = (at + length) % len(loop)
        return audio


@lru_cache(maxsize=8)
def _loop(format: AudioFormat, level_dbfs: float) -> bytes:
    return encoder(format)(_noise(format.rate_hz, level_dbfs))


def _noise(rate_hz: int, level_dbfs: float) -> Samples:
    """Noise that is flat within the band, and periodic so that it can be repeated without a click."""
    length = rate_hz * _LOOP_MS // 1000
    at_hz = np.fft.rfftfreq(length, 1 / rate_hz)
    low_hz, high_hz = _BAND_HZ
    in_band = (at_hz >= low_hz) & (at_hz <= high_hz) & (at_hz < rate_hz / 2)
    phases = np.random.default_rng(_SEED).uniform(0, 2 * np.pi, len(at_hz))
    wave = np.fft.irfft(np.where(in_band, np.exp(1j * phases), 0), length)
    rms = 32_768 / np.sqrt(2) * 10 ** (level_dbfs / 20)
    samples: Samples = np.rint(wave * rms / np.sqrt(np.mean(wave**2))).astype(np.int16)
    return samples
