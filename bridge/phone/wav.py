"""WAV files to the audio of a line, and back.

Wire: Microsoft, "Multimedia Programming Interface" 1.0 (RIFF, WAVE). Reads 16-bit linear and 8-bit mu-law, any rate,
any number of channels (mixed into one); writes 16-bit linear, mono. The standard library's `wave` reads no mu-law.
"""

import struct
import wave
from pathlib import Path

import numpy as np

from bridge.errors import ConfigurationError
from telecodecs.codec import decoder, encoder
from telecodecs.format import PCMU_8K, AudioFormat, Samples
from telecodecs.g711 import ulaw_decode
from telecodecs.l16 import l16_encode
from telecodecs.resample import resample

_EXTENSIBLE = 0xFFFE  # the real format tag stands at the beginning of the header's GUID
_GUID_AT = 24
_FORMAT = struct.Struct("<HHIIHH")  # tag, channels, rate, bytes per second, bytes per sample, bits


def read_wav(path: Path, line: AudioFormat = PCMU_8K) -> bytes:
    """The file in the format of `line`. Raises `ConfigurationError`, naming the file, if it cannot be read."""
    try:
        samples, rate_hz = _parse(path.read_bytes())
        return encoder(line)(resample(samples, rate_hz, line.rate_hz))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (ValueError, struct.error) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def write_wav(path: Path, audio: bytes, line: AudioFormat = PCMU_8K) -> None:
    """Write audio of one channel in the format of `line` as 16-bit linear."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(line.rate_hz)
        file.writeframes(l16_encode(decoder(line)(audio)))


def _parse(file: bytes) -> tuple[Samples, int]:
    """Mono samples and their rate."""
    chunks = _chunks(file)
    if b"fmt " not in chunks or b"data" not in chunks:
        raise ValueError("the WAV file has no format or no audio")
    header, audio = chunks[b"fmt "], chunks[b"data"]
    tag, channels, rate_hz, _, sample_bytes, bits = _FORMAT.unpack_from(header)
    if tag == _EXTENSIBLE:
        (tag,) = struct.unpack_from("<H", header, _GUID_AT)
    if channels == 0 or rate_hz == 0 or sample_bytes != channels * bits // 8:
        raise ValueError("the WAV file's header contradicts itself")
    audio = audio[: len(audio) // sample_bytes * sample_bytes]
    match tag, bits:
        case (1, 16):
            samples = np.frombuffer(audio, "<i2").astype(np.int16)
        case (7, 8):
            samples = ulaw_decode(np.frombuffer(audio, np.uint8))
        case _:
            raise ValueError(
                f"{bits} bits of WAV format {tag} cannot be read; 16-bit linear or 8-bit mu-law is right"
            )
    return samples.reshape(-1, channels).mean(axis=1).round().astype(np.int16), rate_hz


def _chunks(file: bytes) -> dict[bytes, bytes]:
    """Name to content; a length that goes beyond the file, as a pipe's writer leaves it, means its end."""
    if file[:4] != b"RIFF" or file[8:12] != b"WAVE":
        raise ValueError("this is no WAV file")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(file):
        name, length = struct.unpack_from("<4sI", file, at)
        chunks.setdefault(name, file[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return chunks
