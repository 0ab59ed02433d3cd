"""What the caller of a checked call brings along: utterances out of a recording, keys, reply_timeout."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bridge.config.audio_file import read_wav, talk
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.events import KEYS
from telecodecs.format import PCMU_8K
from telecodecs.g711 import ulaw_decode
from telecodecs.speech import SpeechDetector, SpeechEnded, SpeechStarted

LONGEST_S = 4.0
"""Of an utterance; what is longer is cut."""


class Part(NamedTuple):
    """`speech`: utterances in mu-law, said in turn. `reply_s`: how long an answer may take."""

    speech: tuple[bytes, ...]
    keys: str
    reply_s: float


def prepare(audio: Path | None, keys: str, reply_s: float) -> Part:
    """Raises `ConfigurationError` if the recording cannot be read or nobody speaks in it, or the keys are none."""
    file = audio or talk()
    speech = utterances(read_wav(file))
    if not speech:
        raise ConfigurationError(f"--audio {file}: nobody speaks in it; a recording of a sentence is right")
    if not keys or set(keys) - KEYS:
        raise ConfigurationError(f"--keys {keys}: keys are 0-9, *, #, A-D")
    return Part(speech, keys, reply_s)


def utterances(audio: bytes) -> tuple[bytes, ...]:
    """Those in a stretch of mu-law at 8 kHz."""
    found: list[bytes] = []
    began: int | None = None
    detector = SpeechDetector(rate_hz=PCMU_8K.rate_hz)
    for change in detector.feed(ulaw_decode(np.frombuffer(audio, np.uint8))):
        match change:
            case SpeechStarted(at):
                began = at
            case SpeechEnded(at) if began is not None:
                found.append(_cut(audio[began:at]))
                began = None
    if began is not None:
        found.append(_cut(audio[began:]))
    return tuple(found)


def _cut(utterance: bytes) -> bytes:
    return utterance[: PCMU_8K.bytes_in(round(LONGEST_S * 1000))]
