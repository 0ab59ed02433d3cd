"""Finding a sound in a recording."""

import numpy as np
import pytest

from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from telecodecs.codec import decoder, encoder
from telecodecs.format import PCMU_8K

WORDS = spoken("good morning", 8_000)
OTHER = spoken("nobody is here", 8_000)


def test_a_sound_is_found_where_it_is() -> None:
    silence = np.zeros(3_000, np.int16)
    found = find_sound(np.concatenate([silence, OTHER, WORDS, silence]), WORDS)
    assert found.likeness == pytest.approx(1.0)
    assert found.at == 3_000 + len(OTHER)


def test_a_codec_changes_little() -> None:
    coded = decoder(PCMU_8K)(encoder(PCMU_8K)(WORDS))
    assert find_sound(np.concatenate([np.zeros(100, np.int16), coded]), WORDS).likeness > 0.99


def test_what_is_not_there_is_not_found() -> None:
    assert find_sound(np.zeros(20_000, np.int16), WORDS) == (0.0, 0)
    assert find_sound(WORDS[:100], WORDS) == (0.0, 0)
    assert find_sound(np.concatenate([OTHER, OTHER]), WORDS).likeness < 0.7
    rest = np.concatenate([WORDS[: len(WORDS) // 2], np.zeros(len(WORDS), np.int16)])
    assert find_sound(rest, WORDS).likeness < 0.85
