"""The simulated voice: its level and length in every format, and that it is always the same."""

from base64 import b64decode

import numpy as np
import pytest

from bridge.simulators.openai.voice import Speech, utter
from telecodecs.codec import decoder
from telecodecs.format import L16_24K, PCMA_8K, PCMU_8K, AudioFormat
from telecodecs.level import dbfs, peak_dbfs
from telecodecs.speech import SpeechDetector, SpeechEnded, SpeechStarted

WORDS = "You may interrupt me at any time."


def sound(speech: Speech, format: AudioFormat, seed: int = 1) -> bytes:
    return b"".join(b64decode(delta.audio) for delta in utter(speech, format, seed))


@pytest.mark.parametrize("format", [PCMU_8K, PCMA_8K, L16_24K], ids=str)
def test_it_is_60_ms_a_letter_and_at_minus_20_dbfs(format: AudioFormat) -> None:
    audio = sound(Speech(WORDS), format)
    assert format.duration_ms(len(audio)) == 60 * len(WORDS)
    samples = decoder(format)(audio)
    assert dbfs(samples) == pytest.approx(-20, abs=0.2)
    assert peak_dbfs(samples) < -6


def test_a_detector_of_speech_takes_it_for_speech() -> None:
    samples = decoder(PCMU_8K)(sound(Speech("I am a voice and not a noise"), PCMU_8K))
    noticed = SpeechDetector().feed(np.concatenate([samples, np.zeros(8000, np.int16)]))
    assert [type(happened) for happened in noticed] == [SpeechStarted, SpeechEnded]


def test_the_transcript_is_ahead_of_the_audio_and_complete_at_the_end() -> None:
    deltas = utter(Speech(WORDS), PCMU_8K, 1)
    assert "".join(delta.words for delta in deltas) == WORDS
    assert deltas[0].words.startswith("You may")


def test_a_length_that_was_asked_for_in_uneven_pieces_or_in_one() -> None:
    uneven = utter(Speech("La la.", seconds=98), PCMU_8K, 1)
    assert sum(delta.ms for delta in uneven) == pytest.approx(98_000)
    assert all(40 <= delta.ms <= 400 for delta in uneven[:-1])
    assert len({len(delta.audio) for delta in uneven}) > 50
    (whole,) = utter(Speech("La la.", seconds=98, in_one_piece=True), PCMU_8K, 1)
    assert len(whole.audio) > 1_000_000
    assert b64decode(whole.audio) == sound(Speech("La la.", seconds=98), PCMU_8K)


def test_sizes_depend_on_the_seed_and_utterances_are_made_once() -> None:
    assert utter(Speech(WORDS), PCMU_8K, 1) is utter(Speech(WORDS), PCMU_8K, 1)
    assert utter(Speech(WORDS), PCMU_8K, 1) != utter(Speech(WORDS), PCMU_8K, 2)
    assert sound(Speech(WORDS), PCMU_8K, 1) == sound(Speech(WORDS), PCMU_8K, 2)
