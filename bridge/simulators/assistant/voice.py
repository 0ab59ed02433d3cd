"""Makes what the simulated assistant says: its script's recordings in turn, or what it heard; for keys their tones."""

from functools import lru_cache
from pathlib import Path

from bridge.config.audio_file import read_wav
from bridge.simulators.assistant.script import AssistantScript
from telecodecs.codec import encoder
from telecodecs.dtmf import tones
from telecodecs.format import AudioFormat


@lru_cache(maxsize=64)
def recording(file: Path, format: AudioFormat) -> bytes:
    """A WAV file converted to `format`. Raises `ConfigurationError` if it cannot be read."""
    return read_wav(file, format)


def keyed(digits: str, format: AudioFormat) -> bytes:
    """The DTMF tones of keys, in `format`. Raises ValueError on a character that is not on the keypad."""
    return encoder(format)(tones(digits, rate_hz=format.rate_hz))


def reply(script: AssistantScript, turn: int, heard: bytes, format: AudioFormat) -> bytes:
    """The reply to the utterance `heard`, both in `format`. `turn`: its number, from 1."""
    if script.say:
        return recording(script.say[(turn - 1) % len(script.say)], format)
    return heard
