"""Converts between the bytes of an `AudioFormat` and samples: one callable for each stream and direction.

Make one per stream: a codec may keep state, though those of G.711 and L16 do not. One channel only. The sampling rate
is not changed; `resample` does that.
"""

from collections.abc import Callable

import numpy as np

from telecodecs.format import AudioFormat, Encoding, Samples
from telecodecs.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from telecodecs.l16 import l16_decode, l16_encode, l16be_decode, l16be_encode

Decode = Callable[[bytes], Samples]
"""Bytes of whole samples to 16-bit samples, which may be a read-only view of the bytes."""

Encode = Callable[[Samples], bytes]
"""16-bit samples to bytes."""

_DECODERS: dict[Encoding, Callable[[], Decode]] = {
    Encoding.PCMU: lambda: lambda audio: ulaw_decode(np.frombuffer(audio, np.uint8)),
    Encoding.PCMA: lambda: lambda audio: alaw_decode(np.frombuffer(audio, np.uint8)),
    Encoding.L16: lambda: l16_decode,
    Encoding.L16_BE: lambda: l16be_decode,
}

_ENCODERS: dict[Encoding, Callable[[], Encode]] = {
    Encoding.PCMU: lambda: lambda samples: ulaw_encode(samples).tobytes(),
    Encoding.PCMA: lambda: lambda samples: alaw_encode(samples).tobytes(),
    Encoding.L16: lambda: l16_encode,
    Encoding.L16_BE: lambda: l16be_encode,
}


def decoder(format: AudioFormat) -> Decode:
    """A decoder for one stream. Raises ValueError on more than one channel."""
    return _DECODERS[_mono(format).encoding]()


def encoder(format: AudioFormat) -> Encode:
    """An encoder for one stream. Raises ValueError on more than one channel."""
    return _ENCODERS[_mono(format).encoding]()


def _mono(stream: AudioFormat) -> AudioFormat:
    if stream.channels != 1:
        raise ValueError(f"channels {stream.channels} of {stream} cannot be converted; expected 1")
    return stream
