"""Reads and writes WAV files, as bytes in memory.

Source: Microsoft, "Multimedia Programming Interface" 1.0 (RIFF, WAVE). Reads linear audio of 16 and 8 bits, mu-law and
A-law, at any rate, with any number of channels (mixed into one); writes 16-bit linear, one channel. The standard
library's `wave` does not read G.711, and refuses a file whose header has a wrong length.
"""

import struct

import numpy as np

from telecodecs.format import AudioFormat, Encoding, Samples
from telecodecs.g711 import alaw_decode, ulaw_decode
from telecodecs.l16 import l16_encode

_EXTENSIBLE = 0xFFFE  # then the real format tag is at the beginning of the header's GUID
_GUID_AT = 24
_FORMAT = struct.Struct("<HHIIHH")  # tag, channels, rate, bytes per second, bytes per sample, bits
_MOST_CHUNKS = 256  # a file with millions of empty chunks would take long


def wav_decode(file: bytes) -> tuple[Samples, int]:
    """The samples of a file, mixed into one channel, and their rate in Hz. Raises ValueError if it cannot be read."""
    try:
        return _parse(_chunks(file))
    except struct.error as error:
        raise ValueError(f"the WAV file's header is cut short: {error}") from error


def wav_encode(samples: Samples, rate_hz: int) -> bytes:
    """A file with one channel of 16-bit linear audio."""
    audio = l16_encode(samples)
    header = b"fmt " + struct.pack("<I", _FORMAT.size) + _FORMAT.pack(1, 1, rate_hz, rate_hz * 2, 2, 16)
    body = b"WAVE" + header + b"data" + struct.pack("<I", len(audio)) + audio
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _parse(chunks: dict[bytes, bytes]) -> tuple[Samples, int]:
    if b"fmt " not in chunks or b"data" not in chunks:
        raise ValueError("the WAV file has no format or no audio")
    header, audio = chunks[b"fmt "], chunks[b"data"]
    tag, channels, rate_hz, _, sample_bytes, bits = _FORMAT.unpack_from(header)
    if tag == _EXTENSIBLE:
        (tag,) = struct.unpack_from("<H", header, _GUID_AT)
    if sample_bytes == 0 or sample_bytes != channels * bits // 8:
        raise ValueError("the WAV file's header contradicts itself")
    AudioFormat(
        Encoding.L16, rate_hz, channels
    )  # checks the range: at 1 Hz a file would become a very long call
    samples = _linear(tag, bits, audio[: len(audio) // sample_bytes * sample_bytes])
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1).round().astype(np.int16)
    return samples, rate_hz


def _linear(tag: int, bits: int, audio: bytes) -> Samples:
    match tag, bits:
        case (1, 16):
            return np.frombuffer(audio, "<i2").astype(np.int16)
        case (1, 8):  # unsigned, unlike the others
            return (np.frombuffer(audio, np.uint8).astype(np.int16) - 128) << 8
        case (6, 8):
            return alaw_decode(np.frombuffer(audio, np.uint8))
        case (7, 8):
            return ulaw_decode(np.frombuffer(audio, np.uint8))
        case _:
            raise ValueError(
                f"{bits} bits of WAV format {tag} cannot be read; expected linear of 16 or 8 bits, mu-law or A-law"
            )


def _chunks(file: bytes) -> dict[bytes, bytes]:
    """The chunks by name. A length beyond the end of the file, as programs that write to a pipe leave it, is cut."""
    if file[:4] != b"RIFF" or file[8:12] != b"WAVE":
        raise ValueError("this is not a WAV file")
    chunks: dict[bytes, bytes] = {}
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(file):
            break
        name, length = struct.unpack_from("<4sI", file, at)
        chunks.setdefault(name, file[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return chunks
