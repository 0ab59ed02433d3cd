"""Reads and writes WAV files as audio of a line, and finds the recording that comes with the package."""

from pathlib import Path

from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder, encoder
from telecodecs.format import PCMU_8K, AudioFormat
from telecodecs.resample import resample
from telecodecs.wav import wav_decode, wav_encode

TALK = "talk-over.wav"
"""Two sentences, the second one spoken over the reply to the first."""


def talk() -> Path:
    """The recording that comes with the package. Raises `ConfigurationError` if it is missing."""
    package = Path(__file__).parents[1]
    for place in (package / TALK, package.parent / "fixtures" / TALK):  # installed, and in a checkout
        if place.exists():
            return place
    raise ConfigurationError(f"{TALK} is missing from this installation")


def read_wav(path: Path, line: AudioFormat = PCMU_8K) -> bytes:
    """The file in the format of `line`. Raises `ConfigurationError`, naming the file, if it cannot be read."""
    try:
        samples, rate_hz = wav_decode(path.read_bytes())
        return encoder(line)(resample(samples, rate_hz, line.rate_hz))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def write_wav(path: Path, audio: bytes, line: AudioFormat = PCMU_8K) -> None:
    """Write audio of one channel in the format of `line` as 16-bit linear."""
    path.write_bytes(wav_encode(decoder(line)(audio), line.rate_hz))
