"""Describes what audio bytes mean (encoding, rate, channels) and how many bytes a span of time takes.

Sources: ITU-T G.711 (PCMU, PCMA), RFC 3551 section 4.5 (the encodings' names; L16 in network byte order).
Units: bytes, Hz, milliseconds. A sample is one instant of all channels, interleaved.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 20
"""The length of a frame, the audio that a telephone stream carries in one message."""

Samples = NDArray[np.int16]
"""Linear 16-bit audio of one channel, shape (n,), in the machine's byte order."""


class Encoding(StrEnum):
    """How one sample is written as bytes."""

    PCMU = "pcmu"
    """G.711 mu-law, 8 bits."""
    PCMA = "pcma"
    """G.711 A-law, 8 bits."""
    L16 = "l16"
    """Linear, 16 bits, little endian: "pcm16" or "s16le" in the assistants' documents."""
    L16_BE = "l16be"
    """Linear, 16 bits, big endian: the L16 of RFC 3551, section 4.5.11."""


_SILENCE = {
    Encoding.PCMU: b"\xff",
    Encoding.PCMA: b"\xd5",
    Encoding.L16: b"\x00\x00",
    Encoding.L16_BE: b"\x00\x00",
}

_RATES_HZ = range(4_000, 192_001)
_CHANNELS = range(1, 9)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of one audio stream; compared by value, printed as in SDP: `pcmu/8000`, `l16/24000/2`.

    Raises ValueError on an unknown encoding, and on a rate or a number of channels out of range.
    """

    encoding: Encoding
    rate_hz: int
    """Samples per second of each channel."""
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in _SILENCE:
            raise ValueError(f"encoding {self.encoding!r} is unknown; expected one of {', '.join(Encoding)}")
        if self.rate_hz not in _RATES_HZ:
            raise ValueError(
                f"rate_hz {self.rate_hz!r} is out of range; expected 4000 to 192000 (8000 on most lines)"
            )
        if self.channels not in _CHANNELS:
            raise ValueError(
                f"channels {self.channels!r} is out of range; expected 1 to 8 (1 on a telephone line)"
            )

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return len(_SILENCE[self.encoding]) * self.channels

    @property
    def silence(self) -> bytes:
        """One sample of silence, `sample_bytes` long."""
        return _SILENCE[self.encoding] * self.channels

    def bytes_in(self, ms: int) -> int:
        """Bytes of the whole samples that fit into `ms`."""
        return self.rate_hz * ms // 1000 * self.sample_bytes

    def samples_in(self, audio_bytes: int) -> int:
        """Whole samples in `audio_bytes`."""
        return audio_bytes // self.sample_bytes

    def duration_ms(self, audio_bytes: int) -> float:
        """Milliseconds that `audio_bytes` take to play."""
        return audio_bytes * 1000 / (self.rate_hz * self.sample_bytes)

    def __str__(self) -> str:
        name = f"{self.encoding}/{self.rate_hz}"
        return name if self.channels == 1 else f"{name}/{self.channels}"


PCMU_8K = AudioFormat(Encoding.PCMU, 8_000)
PCMA_8K = AudioFormat(Encoding.PCMA, 8_000)
L16_8K = AudioFormat(Encoding.L16, 8_000)
L16_16K = AudioFormat(Encoding.L16, 16_000)
L16_24K = AudioFormat(Encoding.L16, 24_000)
