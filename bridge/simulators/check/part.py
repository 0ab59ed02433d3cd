"""Prepares the caller's part in a checked call: utterances from a recording, keys, and the time for an answer."""

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
"""A longer utterance is cut."""


class Part(NamedTuple):
    """The caller's part. `speech`: utterances in mu-law at 8 kHz, in turn. `reply_s`: how long an answer may take."""

    speech: tuple[bytes, ...]
    keys: str
    reply_s: float


def prepare(audio: Path | None, keys: str, reply_s: float) -> Part:
    """The caller's part from the options of the command line.

    `audio`: a WAV file; None: a recording of two sentences. Raises `ConfigurationError` if it cannot be read or has no
    speech, or if the keys are not valid.
    """
    file = audio or talk()
    speech = utterances(read_wav(file))
    if not speech:
        raise ConfigurationError(f"--audio {file}: no speech in it; expected a recording of a sentence")
    if not keys or set(keys) - KEYS:
        raise ConfigurationError(f"--keys: {keys!r} is not valid; expected keys 0-9, *, # and A-D")
    return Part(speech, keys, reply_s)


def utterances(audio: bytes) -> tuple[bytes, ...]:
    """The utterances in a recording in mu-law at 8 kHz."""
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
