"""What the fake assistant says: the recordings of its script in turn, or what it has heard; keys come back as tones."""

from functools import lru_cache
from pathlib import Path

from bridge.config.audio_file import read_wav
from bridge.simulators.assistant.script import Script
from telecodecs.codec import encoder
from telecodecs.dtmf import tones
from telecodecs.format import AudioFormat


@lru_cache(maxsize=64)
def recording(file: Path, format: AudioFormat) -> bytes:
    """Raises `ConfigurationError` where it cannot be read."""
    return read_wav(file, format)


def keyed(digits: str, format: AudioFormat) -> bytes:
    """The keys as they sound. Raises ValueError on what is not on the keypad."""
    return encoder(format)(tones(digits, rate_hz=format.rate_hz))


def reply(script: Script, turn: int, heard: bytes, format: AudioFormat) -> bytes:
    """To the utterance of this turn, the first being 1. `heard` is in `format`, too."""
    if script.say:
        return recording(script.say[(turn - 1) % len(script.say)], format)
    return heard
