"""Makes the audio of the simulated model: tones that rise and fall like speech, or a recording, cut into deltas.

The same words give the same bytes. Each utterance is made once and kept as base64, so that many calls cost little.
A letter is 60 ms long; the level is -20 dBFS.
"""

import random
from binascii import b2a_base64
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bridge.config.audio_file import read_wav
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K, AudioFormat, Samples
from telecodecs.g711 import ulaw_decode
from telecodecs.resample import resample

LETTER_MS = 60
RMS = 32_768 / 10 / 2**0.5  # -20 dBFS
DELTA_MS = (40, 400)
"""Shortest and longest delta."""

KEPT = 128
"""How many utterances are kept; a sentence of 5 s is 50 kB of mu-law in base64."""

_HARMONICS = (1.0, 0.7, 0.9, 0.5, 0.3, 0.2, 0.1)


class Delta(NamedTuple):
    """A piece of an utterance: its audio in base64, its length, and the part of the transcript sent before it."""

    audio: str
    ms: float
    words: str


class Speech(NamedTuple):
    """The speech of one item. `wav`: a recording to play. `seconds`: its length. `in_one_piece`: as one delta."""

    text: str
    wav: Path | None = None
    seconds: float | None = None
    in_one_piece: bool = False


@lru_cache(maxsize=KEPT)
def utter(speech: Speech, format: AudioFormat, seed: int) -> tuple[Delta, ...]:
    """The deltas of a speech in this format. `seed`: of their random sizes."""
    audio = encoder(format)(_sound(speech, format.rate_hz))
    length = max(1, format.samples_in(len(audio)))
    words = speech.text.split(" ")
    deltas = []
    said = 0
    for start, end in _cuts(speech, length, format.rate_hz, seed):
        upto = min(len(words), 2 + len(words) * end // length) if end < length else len(words)
        lead = " " if said and upto > said else ""
        piece = audio[start * format.sample_bytes : end * format.sample_bytes]
        ms = (end - start) * 1000 / format.rate_hz
        deltas.append(Delta(b2a_base64(piece, newline=False).decode(), ms, lead + " ".join(words[said:upto])))
        said = max(said, upto)
    return tuple(deltas)


def _cuts(speech: Speech, length: int, rate_hz: int, seed: int) -> Iterator[tuple[int, int]]:
    chance = random.Random(f"{seed} {speech.text}")
    shortest, longest = (rate_hz * ms // 1000 for ms in DELTA_MS)
    at = 0
    while at < length:
        end = length if speech.in_one_piece else min(length, at + chance.randint(shortest, longest))
        yield at, end
        at = end


def _sound(speech: Speech, rate_hz: int) -> Samples:
    if speech.wav is not None:
        codes = np.frombuffer(read_wav(speech.wav), np.uint8)
        samples = resample(ulaw_decode(codes), PCMU_8K.rate_hz, rate_hz)
        return samples if speech.seconds is None else samples[: round(speech.seconds * rate_hz)]
    if speech.seconds is None:
        return _murmur(speech.text, rate_hz)
    length = round(speech.seconds * rate_hz)
    return np.resize(_murmur(speech.text + " ", rate_hz), length)


def spoken(text: str, rate_hz: int) -> Samples:
    """These words in the made-up voice, at this rate."""
    return _murmur(text, rate_hz)


def _murmur(text: str, rate_hz: int) -> Samples:
    """A tone with overtones for each letter, which sets its pitch; other characters are pauses."""
    letters = np.frombuffer(text.lower().encode("latin-1", "replace") or b" ", np.uint8)
    per_letter = rate_hz * LETTER_MS // 1000
    pitch_hz = np.repeat(110.0 + letters * 7 % 60, per_letter)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    rise = 0.4 + 0.6 * np.sin(np.pi * np.arange(per_letter) / per_letter)
    loud = np.array([chr(letter).isalnum() for letter in letters], np.float64)
    tone = sum(weight * np.sin(k * phase) for k, weight in enumerate(_HARMONICS, 1))
    wave = tone * (loud[:, np.newaxis] * rise).reshape(-1)
    power = float(np.sqrt(np.mean(wave**2)))
    return np.rint(wave * (RMS / power if power else 0.0)).astype(np.int16)
