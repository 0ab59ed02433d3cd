"""Converts between linear 16-bit samples and bytes (L16), in either byte order.

Source: RFC 3551, section 4.5.11 (big endian). What assistants call "pcm16" is little endian. Two bytes for each sample,
one channel.
"""

import numpy as np

from telecodecs.format import Samples

BytesLike = bytes | bytearray | memoryview

_LITTLE = np.dtype("<i2")
_BIG = np.dtype(">i2")


def l16_decode(audio: BytesLike) -> Samples:
    """Samples from little-endian bytes; a read-only view of them on a little-endian machine.

    Raises ValueError on an odd number of bytes.
    """
    return _decode(audio, _LITTLE)


def l16_encode(samples: Samples) -> bytes:
    """Little-endian bytes, two for each sample."""
    return samples.astype(_LITTLE, copy=False).tobytes()


def l16be_decode(audio: BytesLike) -> Samples:
    """Samples from big-endian bytes. Raises ValueError on an odd number of bytes."""
    return _decode(audio, _BIG)


def l16be_encode(samples: Samples) -> bytes:
    """Big-endian bytes, two for each sample."""
    return samples.astype(_BIG, copy=False).tobytes()


def _decode(audio: BytesLike, order: np.dtype[np.int16]) -> Samples:
    if len(audio) % 2:
        raise ValueError(f"{len(audio)} bytes of L16 end within a sample; expected two bytes for each")
    return np.frombuffer(audio, order).astype(np.int16, copy=False)
